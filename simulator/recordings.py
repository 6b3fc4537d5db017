"""Recorded files as one stream of events in order of time: frames (.jsonl, .json) and CSV, gzipped or not.

What cannot be read is counted and named by line, never passed over in silence.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import heapq
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from market.symbols import is_symbol
from simulator.csv_rows import STAMPED_AT_END, Kind, as_bar_event, kind_of
from simulator.events import Event
from simulator.time_sort import TimeSorter

#: Lines named one by one in the report; the others are counted.
NAMED = 20
_FILE_NAME = re.compile(r"([A-Za-z0-9.\-]+?)_(?:1min|1m|1sec|1s)\Z|([A-Z0-9.\-]+)\Z")
_UNREADABLE = (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error)


class CannotReplay(ValueError):
    """The file is none that can be replayed; the text is one line that names it."""


class Piece(NamedTuple):
    """Events that belong together (a frame, or one row), and their time in epoch ms."""

    t: int
    events: list[Event]


@dataclass
class Report:
    """What reading came to: rows or frames read, records left out because they do not count, and what is unreadable.

    `stop`, once set, ends the reading of rows.
    """

    read: int = 0
    left_out: int = 0
    unread: int = 0
    stop: bool = False
    named: list[str] = field(default_factory=list)

    def cannot_read(self, path: Path, line: int, why: object) -> None:
        self.unread += 1
        if len(self.named) < NAMED:
            self.named.append(f"{path.name}:{line}: {why}")


class Recording:
    """One file. `done` runs from 0 to 1 while its pieces are taken."""

    def __init__(self, path: Path, symbol: str | None, report: Report) -> None:
        """Looks at the beginning only. Raises CannotReplay."""
        self.path = path
        self.report = report
        self._raw: BinaryIO | None = None
        self._told = 0.0
        self.kind: Kind | None = None
        try:
            self.size = max(1, path.stat().st_size)
            with self._open() as text:
                lines = [line for line in (text.readline(), text.readline()) if line]
            if lines and not lines[0].lstrip().startswith(("[", "{")):
                self.kind = _kind(path, lines)
        except UnicodeDecodeError:
            raise CannotReplay(f"{path} is not a text file: frames (.jsonl) or CSV can be replayed") from None
        except _UNREADABLE as error:
            raise CannotReplay(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        finally:
            self._raw = None
        if not lines:
            raise CannotReplay(f"{path} is empty")
        self.symbol = symbol or (_symbol_of(path) if self.kind is STAMPED_AT_END else None)

    @property
    def done(self) -> float:
        if self._raw is not None and not self._raw.closed:
            return min(1.0, self._raw.tell() / self.size)
        return self._told

    def pieces(self) -> Iterator[Piece]:
        """The file's events in order of time; may have to read all of it before the first."""
        if self.kind is None:
            return self._frames()
        rows = self._rows(self.kind)
        return self._in_order(rows) if self.kind.in_order else self._sorted(rows, self.kind)

    @contextlib.contextmanager
    def _open(self) -> Iterator[io.TextIOWrapper]:
        with self.path.open("rb") as raw:
            self._raw = raw
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            binary: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            with io.TextIOWrapper(binary, "utf-8-sig", newline="") as text:
                yield text

    def _frames(self) -> Iterator[Piece]:
        """Frames as recorded; each keeps its events together. Statuses of the vendor are left out."""
        t = line = 0
        with self._open() as text:
            try:
                for line, words in enumerate(text, 1):
                    if not words.strip():
                        continue
                    try:
                        frame = orjson.loads(words)
                    except ValueError as error:
                        self.report.cannot_read(self.path, line, error)
                        continue
                    events, odd = _events(frame if isinstance(frame, list) else [frame])
                    if odd:
                        self.report.cannot_read(self.path, line, f"{odd} parts are not events of the vendor")
                    self.report.read += 1
                    t = max([t, *(event_time(event.body) for event in events)])
                    yield Piece(t, events)
            except _UNREADABLE as error:
                self.report.cannot_read(self.path, line + 1, f"the file cannot be read further: {error}")
        self._told = 1.0

    def _rows(self, kind: Kind) -> Iterator[tuple[int, dict[str, Any]]]:
        parse = kind.parser(self.symbol)
        with self._open() as text:
            reader = csv.reader(text)
            columns = [name.strip().lower() for name in next(reader)]
            try:
                for words in reader:
                    if self.report.stop:
                        return
                    if not words:
                        continue
                    self.report.read += 1
                    try:
                        parsed = parse(dict(zip(columns, words, strict=True)))
                    except (ValueError, OverflowError) as error:
                        self.report.read -= 1
                        self.report.cannot_read(self.path, reader.line_num, error)
                        continue
                    if parsed is None:
                        self.report.left_out += 1
                    else:
                        yield parsed
            except _UNREADABLE as error:
                self.report.cannot_read(self.path, reader.line_num + 1, f"the file cannot be read further: {error}")

    def _in_order(self, rows: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[Piece]:
        """As recorded, even where a print's time is older than the one before: that is what the tape did."""
        latest = 0
        for t, body in rows:
            latest = max(latest, t)
            yield Piece(latest, [Event(body["ev"], body["sym"], body)])
        self._told = 1.0

    def _sorted(self, rows: Iterator[tuple[int, dict[str, Any]]], kind: Kind) -> Iterator[Piece]:
        sorter = TimeSorter()
        seconds = False
        for t, body in rows:
            # A stamp inside a minute can only be a second bar's.
            seconds = seconds or t % 60_000 != 0
            sorter.add(t, body)
        self._raw = None
        for told, (t, row) in enumerate(sorter, 1):
            body = as_bar_event(row, seconds, kind is STAMPED_AT_END) if kind.bars else row
            self._told = told / sorter.count
            yield Piece(body.get("e", t), [Event(body["ev"], body["sym"], body)])
        self._told = 1.0


def merged(recordings: list[Recording]) -> Iterator[Piece]:
    """All files as one stream by time; at equal times in the order of the files."""
    return heapq.merge(*(recording.pieces() for recording in recordings), key=lambda piece: piece.t)


def fraction_done(recordings: list[Recording]) -> float:
    """How much of the files has been told, by size."""
    return sum(r.done * r.size for r in recordings) / sum(r.size for r in recordings)


def event_time(body: dict[str, Any]) -> int:
    """An event's time in epoch ms: the end of a bar, the time of anything else; 0 where it has none. Times come in ms,
    µs or ns: the magnitude tells."""
    t = body.get("e", body.get("t"))
    if not isinstance(t, (int, float)):
        return 0
    return int(t if t < 1e14 else t / 1e3 if t < 1e17 else t / 1e6)


def _events(frame: list[Any]) -> tuple[list[Event], int]:
    """The frame's events without the vendor's statuses, and how many of its parts are no events."""
    bodies = [body for body in frame if isinstance(body, dict) and isinstance(body.get("ev"), str)]
    events = [
        Event(body["ev"], str(body.get("sym", body.get("T", ""))), body) for body in bodies if body["ev"] != "status"
    ]
    return events, len(frame) - len(bodies)


def _kind(path: Path, lines: list[str]) -> Kind:
    header = next(csv.reader(lines[:1]))
    kind = kind_of(header)
    if kind is None:
        shown = ",".join(header)
        raise CannotReplay(
            f"{path}: unknown header {shown[:100]!r}: trades, second or minute bars, or frames can be replayed"
        )
    if kind is STAMPED_AT_END:
        at = [name.strip().lower() for name in header].index("datetime")
        first = next(csv.reader(lines[1:]), [])
        if path.name.partition(".")[0].endswith("_daily") or (len(first) > at and ":" not in first[at]):
            raise CannotReplay(f"{path} holds daily bars: only trades, second and minute bars can be replayed")
    return kind


def _symbol_of(path: Path) -> str:
    stem = path.name.removesuffix(".gz").removesuffix(".csv")
    found = _FILE_NAME.match(stem)
    name = (found[1] or found[2]) if found else ""
    if not is_symbol(name):
        raise CannotReplay(f"{path}: the name does not say which symbol it is, as SYMBOL_1min.csv would: give --symbol")
    return name

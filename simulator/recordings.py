"""Recorded files as one stream of events in order of time: frames (.jsonl, .json) and CSV, packed with gzip, zstd or not.

What cannot be read is counted and named by line, never passed over in silence.
"""

from __future__ import annotations

import contextlib
import csv
import heapq
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import orjson

from simulator.csv_reading import CannotRead, Options, Row, settle
from simulator.csv_rows import Reading, parser_of
from simulator.csv_shapes import Layout, UnknownShape, cells_of, layout_of
from simulator.events import Event
from simulator.file_lines import UNREADABLE, Line, NotAFile, lines_of, open_raw, unpacked
from simulator.time_sort import TimeSorter

#: Lines named one by one in the report; the others are counted.
NAMED = 20
#: Rows looked at before the first is sent, to know how the file is to be read.
SAMPLE = 5_000
#: A line of these alone holds no row: spreadsheets write rows of commas.
_BLANK = ", \t\r\n\ufeff"
#: Lines that may come before the first row: yfinance writes three.
_HEAD_LINES = 3


class CannotReplay(ValueError):
    """The file is none that can be replayed; the text is one line that names it."""


class Piece(NamedTuple):
    """Events of one frame or row, and their time in epoch ms."""

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

    def __init__(self, path: Path, options: Options, report: Report) -> None:
        """Looks at the beginning only. Raises CannotReplay."""
        self.path = path
        self.report = report
        self._raw: io.BufferedReader | None = None
        self._done = 0.0
        #: How its rows are read; None for frames.
        self.table: tuple[Layout, Reading] | None = None
        try:
            with self._open() as text:
                self.size = max(1, path.stat().st_size)
                self._look(lines_of(text), options)
        except (CannotRead, UnknownShape, csv.Error) as error:
            raise CannotReplay(f"{path}: {error}") from None
        except NotAFile as error:
            raise CannotReplay(str(error)) from None
        except UNREADABLE as error:
            raise CannotReplay(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        finally:
            self._raw = None

    def _look(self, lines: Iterator[Line], options: Options) -> None:
        first = next((line for line in lines if line.text is None or line.text.strip()), None)
        if first is None:
            raise CannotRead("is empty")
        if first.text is None:
            raise CannotRead(f"line {first.number} is {first.why}: frames (.jsonl) or CSV can be replayed")
        if first.text.lstrip().startswith(("[", "{")):
            return
        head = [first.text]
        kept = [first]
        for line in lines:
            kept.append(line)
            head += [line.text] if line.text is not None else []
            if len(kept) >= _HEAD_LINES:
                break
        layout = layout_of(head, options.columns)
        sample = []
        # What cannot be read further is reported when the rows are sent; those before it may be enough.
        with contextlib.suppress(*UNREADABLE):
            for line, cells in _table_rows(itertools.chain(kept, lines), layout):
                if isinstance(cells, list):
                    sample.append(Row(line.number, cells))
                if len(sample) >= SAMPLE:
                    break
        self.table = layout, settle(self.path, layout, options, sample)

    @property
    def done(self) -> float:
        raw = self._raw
        if raw is None:
            return self._done
        try:
            read = min(1.0, raw.tell() / self.size)
        except ValueError:  # closed meanwhile by the thread that reads
            return self._done
        # What has to be sorted is read first, and sent then.
        return read if self.table is None or self.table[0].shape.in_order else read / 2

    def pieces(self) -> Iterator[Piece]:
        """The file's events in order of time; may have to read all of it before the first."""
        if self.table is None:
            return self._frames()
        layout, reading = self.table
        rows = self._rows(layout, reading)
        return self._in_order(rows) if layout.shape.in_order else self._sorted(rows)

    @contextlib.contextmanager
    def _open(self) -> Iterator[TextIO]:
        with open_raw(self.path) as raw:
            self._raw = raw
            with unpacked(raw) as text:
                yield text

    def _frames(self) -> Iterator[Piece]:
        """Frames as recorded; each with all its events. Statuses of the vendor are left out."""
        t = number = 0
        try:
            with self._open() as text:
                for number, words, why in lines_of(text):
                    if words is None:
                        self.report.cannot_read(self.path, number, why)
                        continue
                    if not words.strip():
                        continue
                    try:
                        frame = orjson.loads(words)
                    except ValueError as error:
                        self.report.cannot_read(self.path, number, error)
                        continue
                    events, invalid = _events(frame if isinstance(frame, list) else [frame])
                    if invalid:
                        self.report.cannot_read(self.path, number, f"{invalid} parts are not events of the vendor")
                    self.report.read += 1
                    t = max([t, *(event_time(event.body) for event in events)])
                    yield Piece(t, events)
        except UNREADABLE as error:
            self.report.cannot_read(self.path, number + 1, f"the file cannot be read further: {error}")
        self._done = 1.0

    def _rows(self, layout: Layout, reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
        parse = parser_of(layout, reading)
        number = 0
        try:
            with self._open() as text:
                for line, cells in _table_rows(lines_of(text), layout):
                    if self.report.stop:
                        return
                    number = line.number
                    if isinstance(cells, str):
                        self.report.cannot_read(self.path, number, cells)
                        continue
                    try:
                        parsed = parse(cells)
                    except (ValueError, OverflowError) as error:
                        self.report.cannot_read(self.path, number, error)
                        continue
                    self.report.read += 1
                    if parsed is None:
                        self.report.left_out += 1
                    else:
                        yield parsed
        except UNREADABLE as error:
            self.report.cannot_read(self.path, number + 1, f"the file cannot be read further: {error}")

    def _in_order(self, rows: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[Piece]:
        """As recorded, even where a print's time is older than the one before: that is what the tape did."""
        latest = 0
        for t, body in rows:
            latest = max(latest, t)
            yield Piece(latest, [Event(body["ev"], body["sym"], body)])
        self._done = 1.0

    def _sorted(self, rows: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[Piece]:
        sorter = TimeSorter()
        for t, body in rows:
            sorter.add(t, body)
        self._raw, self._done = None, 0.5
        for number, (t, body) in enumerate(sorter, 1):
            self._done = 0.5 + 0.5 * number / sorter.count
            yield Piece(t, [Event(body["ev"], body["sym"], body)])
        self._done = 1.0


def _table_rows(lines: Iterator[Line], layout: Layout) -> Iterator[tuple[Line, list[str] | str]]:
    """Each row's line with its cells, or with the reason why it has none; neither blank lines nor header lines."""
    for line in lines:
        if line.text is None:
            yield line, line.why
            continue
        if not line.text.strip(_BLANK):
            continue
        try:
            cells = cells_of(line.text)
        except csv.Error as error:
            yield line, str(error)
            continue
        if cells in layout.heads:
            continue
        right = len(cells) == layout.width
        yield line, cells if right else f"{len(cells)} columns, where the file has {layout.width}"


def merged(recordings: list[Recording]) -> Iterator[Piece]:
    """All files as one stream by time; at equal times in the order of the files."""
    return heapq.merge(*(recording.pieces() for recording in recordings), key=lambda piece: piece.t)


def fraction_done(recordings: list[Recording]) -> float:
    """How much of the files has been sent, by size."""
    return sum(r.done * r.size for r in recordings) / sum(r.size for r in recordings)


def event_time(body: dict[str, Any]) -> int:
    """An event's time in epoch ms: the end of a bar, the time of anything else; 0 where it has none. Times come in ms,
    µs or ns: by their magnitude."""
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

"""Logging: one line per event on stderr, for people by default, JSON on request; configured secrets are masked.

For people:  2026-11-29T12:03:04.123Z INFO  ingest    connected, 1 subscription feed=stocks
Under journald the time is left to the journal and the level is given in its own syntax (`<6>`).

What others put into a line (a server's status, an error's text) steers no terminal: its control characters are shown as
escapes. No kind of line comes more than ten times a second; the rest is counted.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import quote, unquote, urlsplit

from market.printable import printable
from tapewatch.given_text import query_secrets
from tapewatch.log_limit import LineLimit
from tapewatch.settings import SECRETS, Settings

MASK = "***"
#: Shorter values are not masked: they would blot out ordinary words, and are no secrets either.
SHORTEST_SECRET = 4

#: Libraries that log at INFO, for every event, what tapewatch logs itself.
_QUIET = ("websockets", "httpx", "httpcore", "urllib3", "werkzeug", "asyncio")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLOURS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[31;1m"}
_SYSLOG = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class Masker:
    """Replaces secrets in text, in every spelling they may take there (quoted in a URL, escaped in JSON or a repr)."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings: set[str] = set()
        for secret in secrets:
            if len(secret) >= SHORTEST_SECRET:
                spellings |= {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        # The longest first: a secret that holds another one must not be left half visible.
        self._spellings = sorted(spellings, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for spelling in self._spellings:
            text = text.replace(spelling, MASK)
        return text


def secrets_of(settings: Settings) -> list[str]:
    """What must never be logged: keys, tokens, passwords, also those in URLs; raw and decoded."""
    found = [getattr(settings, name) for name in SECRETS]
    for url in (settings.redis_url, settings.feed_url, settings.rest_url, settings.grafana_url):
        try:
            password = urlsplit(url).password or ""
        except ValueError:
            password = ""
        found += [password, unquote(password), *query_secrets(url), *map(unquote, query_secrets(url))]
    return [secret for secret in found if secret]


def setup(settings: Settings, stream: TextIO | None = None) -> None:
    """Sets up the root logger for this process; called again it replaces what it set up before.

    Uncaught exceptions of the main thread and others are logged too, so that they pass the mask.
    """
    out = stream or sys.stderr
    mask = Masker(secrets_of(settings))
    handler = _Handler(out)
    handler.setFormatter(_formatter(settings, mask, out))
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _formatter(settings: Settings, mask: Masker, out: TextIO) -> logging.Formatter:
    if settings.log_format == "json":
        return JsonFormatter(mask)
    colours = out.isatty() and not os.environ.get("NO_COLOR")
    return HumanFormatter(mask, colours=colours, journal=_is_journal(out))


def _is_journal(out: TextIO) -> bool:
    """Whether `out` is the journal's own socket: systemd names its device and inode in JOURNAL_STREAM."""
    try:
        stat = os.fstat(out.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


class HumanFormatter(logging.Formatter):
    """Date and time (UTC), level, part, message, the `extra` fields as key=value, and an exception with its places in short."""

    def __init__(self, mask: Masker, *, colours: bool = False, journal: bool = False) -> None:
        super().__init__()
        self._mask, self._colours, self._journal = mask, colours, journal

    def format(self, record: logging.LogRecord) -> str:
        level = "WARN" if record.levelno == logging.WARNING else record.levelname
        words = [f"{level:<5} {_part(record):<8} {record.getMessage()}"]
        words += [f"{name}={_value(value)}" for name, value in _extra(record).items()]
        if record.exc_info and record.exc_info[1] is not None:
            words.append(in_short(record.exc_info[1]))
        line = printable(self._mask(" ".join(words)))
        if self._journal:
            return f"<{_SYSLOG.get(record.levelno, 6)}>{line}"
        colour = _COLOURS.get(record.levelno, "") if self._colours else ""
        return f"{_utc(record)} {colour}{line}\x1b[0m" if colour else f"{_utc(record)} {line}"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts (RFC 3339, UTC), level, logger, message, the `extra` fields, error with traceback."""

    def __init__(self, mask: Masker) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            **_extra(record),
            "ts": _utc(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = _kind_and_text(record.exc_info[1])
            fields["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        first = ("ts", "level", "logger", "message")
        ordered = {name: fields[name] for name in (*first, *(n for n in fields if n not in first))}
        # Before encoding, which would escape a repr's escapes once more; and after, for what lies inside other values.
        masked = {name: self._mask(value) if isinstance(value, str) else value for name, value in ordered.items()}
        return _escaped(self._mask(json.dumps(masked, ensure_ascii=False, default=str)))


def _utc(record: logging.LogRecord) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


def in_short(error: BaseException) -> str:
    """An exception on one line: its kind and text, where it came from (outermost first), and what caused it."""
    places = " > ".join(
        f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    )
    text = f"{_kind_and_text(error)} [{places}]" if places else _kind_and_text(error)
    if isinstance(error, BaseExceptionGroup):
        text += "".join(f" + {in_short(inner)}" for inner in error.exceptions)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{text} from {in_short(cause)}" if cause is not None else text


def _kind_and_text(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _escaped(line: str) -> str:
    """A line of JSON with what JSON leaves as it is though it steers a terminal: escaped in JSON's own way."""
    return (
        "".join(char if printable(char) == char else f"\\u{ord(char):04x}" for char in line)
        if not line.isascii()
        else line
    )


def _part(record: logging.LogRecord) -> str:
    """``tapewatch.ingest`` is shown as ``ingest``; libraries keep their own names."""
    return record.name.removeprefix("tapewatch.")


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _value(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=') else text


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to the stream, within the limit; a record that cannot be written becomes one line without its (unmasked)
    arguments."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._limit = LineLimit(self)

    def emit(self, record: logging.LogRecord) -> None:
        if self._limit.passes(record):
            super().emit(record)

    def write(self, record: logging.LogRecord) -> None:
        """Writes a line that no limit holds back."""
        self.acquire()
        try:
            super().emit(record)
        finally:
            self.release()

    def close(self) -> None:
        self._limit.flush()
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, BrokenPipeError):
            return
        try:
            self.stream.write(f"a log record of {record.name} could not be written: {type(error).__name__}\n")
        except (OSError, ValueError):
            return


def _uncaught(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, where)
        return
    logging.getLogger("tapewatch").critical("stopped by an unhandled exception", exc_info=(kind, error, where))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        name = args.thread.name if args.thread else "?"
        logging.getLogger("tapewatch").critical(
            "the thread %s was stopped by an unhandled exception", name, exc_info=args.exc_value
        )

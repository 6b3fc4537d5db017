"""`tapewatch replay FILE…`: recorded frames, trades or bars over the vendor's protocol."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from market.printable import printable
from market.symbols import is_symbol
from simulator.csv_reading import Options
from simulator.csv_rows import MINUTE_MS, SECOND_MS
from simulator.csv_shapes import KIBOT, ROLES, SHAPES, Side
from simulator.file_lines import content_name
from simulator.recordings import CannotReplay, Recording, Report
from simulator.replay import Replayer
from simulator.serving import CannotListen, serve_until_stopped
from tapewatch import logs
from tapewatch.notify import notify
from tapewatch.settings import Settings

HELP = "serve recorded frames (.jsonl) or trade and bar files (.csv) over the vendor's WebSocket protocol"

_SIDES: dict[str, Side] = {"start": "start", "end": "end"}
_SPANS = {"1s": SECOND_MS, "1m": MINUTE_MS}
#: A market's name is also the name of a data folder.
_MARKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _shapes()
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help=".jsonl, .json or .csv, also packed with gzip or zstd; merged by time"
    )  # fmt: skip
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="times the recorded pace, 0 for full speed"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8765, help="WebSocket port, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument("--symbol", metavar="NAME", help="the symbol of a CSV file that does not have it")
    parser.add_argument(
        "--tz", metavar="ZONE", help="the time zone of stamps without a UTC offset: America/New_York, UTC"
    )
    parser.add_argument("--stamp", metavar="start|end", help="whether a bar is stamped at its start or at its end")
    parser.add_argument("--span", metavar="1s|1m", help="the length of a bar, where neither file nor name has it")
    parser.add_argument(
        "--columns", metavar="LIST",
        help=f"what the columns are, in order ({', '.join(sorted(ROLES))}), or ROLE=NAME pairs of the header",
    )  # fmt: skip
    parser.add_argument(
        "--market",
        metavar="NAME",
        help="the market that a store is filled from (default: recording-<hash of the files>)",
    )


def _shapes() -> str:
    """The CSV shapes for `--help`, each with what it does not state."""
    lines = ["CSV shapes, and the options that each needs (examples in docs/data-in.md):"]
    for shape in (*SHAPES, *KIBOT):
        lines += [f"  {shape.name}{': ' * bool(shape.asks)}{shape.asks}", f"    {shape.header}"]
    return "\n".join(lines).replace("%", "%%")


def run(args: argparse.Namespace, settings: Settings) -> int:
    logs.setup(settings)
    try:
        report = Report()
        options = options_of(args)
        recordings = [Recording(path, options, report) for path in args.files]
        market = args.market or content_name(args.files)
        replayer = Replayer(recordings, report, args.speed, market)
        asyncio.run(serve_until_stopped(replayer.feed, args.host, args.port, _ready, replayer.replay()))
    except (CannotReplay, CannotListen) as error:
        print(printable(f"tapewatch replay: {error}"), file=sys.stderr)
        return 2
    except OSError as error:
        print(printable(f"tapewatch replay: {error.filename or ''}: {error.strerror}"), file=sys.stderr)
        return 2
    return 0


def options_of(args: argparse.Namespace) -> Options:
    """The options for the files. Raises CannotReplay."""
    if not 0 <= args.speed <= 1e6:
        raise CannotReplay(f"--speed must lie between 0 (as fast as it is read) and 1000000, not {args.speed:g}")
    if not 0 <= args.port <= 65_535:
        raise CannotReplay(f"--port must lie between 0 and 65535, not {args.port}")
    if args.symbol is not None and (len(args.files) > 1 or not is_symbol(args.symbol)):
        raise CannotReplay("--symbol takes one symbol and goes with one file")
    if args.market is not None and not _MARKET.match(args.market):
        raise CannotReplay("--market takes up to 64 letters, digits, dots, dashes and underscores")
    for name, value, known in (("--stamp", args.stamp, _SIDES), ("--span", args.span, _SPANS)):
        if value is not None and value not in known:
            raise CannotReplay(f"{name} is {' or '.join(known)}, not {value[:40]!r}")
    side, span = _SIDES.get(args.stamp or ""), _SPANS.get(args.span or "")
    return Options(args.symbol, _zone(args.tz), side, span, args.columns)


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CannotReplay(f"--tz takes a zone such as America/New_York or UTC, not {name[:40]!r}") from None


def _ready(url: str) -> None:
    print(f"ready: {url} (any key); begins at the first subscription", flush=True)
    notify("READY=1")

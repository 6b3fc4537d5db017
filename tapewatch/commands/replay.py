"""`tapewatch replay FILE…`: recorded frames, trades or bars over the vendor's protocol."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from market.symbols import is_symbol
from simulator.recordings import CannotReplay, Recording, Report
from simulator.replay import Replayer
from simulator.serving import CannotListen, serve_until_stopped
from tapewatch import logs
from tapewatch.notify import notify
from tapewatch.settings import Settings

HELP = "serve recorded frames (.jsonl) or trade and bar files (.csv) over the vendor's WebSocket protocol"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help=".jsonl, .json or .csv, also .gz; merged by time"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="times the recorded pace, 0 for full speed"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8765, help="WebSocket port, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument("--symbol", metavar="NAME", help="the symbol of a CSV file whose name does not say it")


def run(args: argparse.Namespace, settings: Settings) -> int:
    logs.setup(settings)
    try:
        report = Report()
        recordings = _recordings(args, report)
        replayer = Replayer(recordings, report, args.speed)
        asyncio.run(serve_until_stopped(replayer.feed, args.host, args.port, _ready, replayer.tell()))
    except (CannotReplay, CannotListen) as error:
        print(f"tapewatch replay: {error}", file=sys.stderr)
        return 2
    return 0


def _recordings(args: argparse.Namespace, report: Report) -> list[Recording]:
    if not 0 <= args.speed <= 1e6:
        raise CannotReplay(f"--speed must lie between 0 (as fast as it is read) and 1000000, not {args.speed:g}")
    if not 0 <= args.port <= 65_535:
        raise CannotReplay(f"--port must lie between 0 and 65535, not {args.port}")
    if args.symbol is not None and (len(args.files) > 1 or not is_symbol(args.symbol)):
        raise CannotReplay("--symbol takes one symbol and goes with one file")
    return [Recording(path, args.symbol, report) for path in args.files]


def _ready(url: str) -> None:
    print(f"ready: {url} (any key); begins at the first subscription", flush=True)
    notify("READY=1")

"""`tapewatch simulate`: a market that speaks the vendor's protocol."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from market.printable import printable
from simulator import faults
from simulator.market import Market
from simulator.names import MOST_SYMBOLS
from simulator.server import Plan, Simulator
from simulator.serving import CannotListen
from tapewatch import logs
from tapewatch.settings import Settings

HELP = "serve a simulated market over the vendor's WebSocket protocol (any key accepted)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--symbols", type=int, metavar="N", help="how many symbols (default: the setting sim_symbols)")
    parser.add_argument(
        "--rate", type=float, metavar="BARS_PER_S", help="bars a second over all symbols (default: sim_rate)"
    )
    parser.add_argument("--seed", type=int, metavar="S", help="another number is another market (default: sim_seed)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=8765, help="WebSocket port, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument("--faults", default="", metavar="LIST", help=faults.HELP)
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write every event sent there, one JSON a line")
    parser.add_argument(
        "--rest-port",
        type=int,
        metavar="P",
        help="answer the vendor's REST paths on 127.0.0.1 there, 0 for a free port",
    )
    parser.add_argument(
        "--history", type=int, default=0, metavar="S", help="seconds sent before the live market (default: 0)"
    )
    parser.add_argument(
        "--spike-every", type=int, default=60, metavar="S", help="one spike a period, 0 for none (default: 60)"
    )
    parser.add_argument("--duration", type=float, metavar="S", help="stop by itself after so many seconds")


def run(args: argparse.Namespace, settings: Settings) -> int:
    logs.setup(settings)
    try:
        plan = _plan(args, settings)
        asyncio.run(Simulator(plan).run())
    except (ValueError, CannotListen) as error:
        print(printable(f"tapewatch simulate: {error}"), file=sys.stderr)
        return 2
    except OSError as error:
        print(printable(f"tapewatch simulate: {error.filename or ''} {error.strerror}"), file=sys.stderr)
        return 2
    return 0


def _plan(args: argparse.Namespace, settings: Settings) -> Plan:
    symbols = settings.sim_symbols if args.symbols is None else args.symbols
    rate = settings.sim_rate if args.rate is None else args.rate
    seed = settings.sim_seed if args.seed is None else args.seed
    for name, value, low, high in (
        ("--symbols", symbols, 1, MOST_SYMBOLS), ("--rate", rate, 0.1, 100_000), ("--port", args.port, 0, 65_535),
        ("--rest-port", args.rest_port or 0, 0, 65_535),
        ("--history", args.history, 0, 30 * 86_400), ("--spike-every", args.spike_every, 0, 86_400),
    ):  # fmt: skip
        if not low <= value <= high:
            raise ValueError(f"{name} must lie between {low:g} and {high:g}, not {value:g}")
    market = Market(symbols, rate, seed, args.spike_every)
    planned = faults.parse_faults(args.faults)
    return Plan(market, args.host, args.port, args.truth, args.history, planned, args.rest_port, args.duration)

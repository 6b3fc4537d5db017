"""What indicators and patterns cost over REST, against the candles they are computed from.

`python -m bench.read_indicators [--short]`
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from bench import tape
from bench.harness import Harness, free_port, pss_mib, serve_bridge
from bench.ingest import SCHEMA, make_series
from bench.read import POINTS, Answers, Client, measure
from bench.table import Table, command_line, percentile, report
from indicators.patterns import TITLES
from redis_functions.contract import keys

#: Minutes that are stored of each symbol: more than any of the indicators reaches back.
STORED = 2_000
NAMES = "sma:20,ema:50,bbands:20:2,macd:12:26:9,rsi:14"
_SYMBOLS = 20
_MOST_ROWS = 5_000
_MAX_RATIO = 2.5
_MAX_PATTERNS_MS = 10
_MAX_TALIB_MIB = 15


def seed(harness: Harness, symbols: Sequence[str]) -> None:
    """The last minutes of `symbols`, a random walk, straight into the one-minute series."""
    make_series(harness, symbols)
    rng = np.random.default_rng(8)
    pipe = harness.client.pipeline(transaction=False)
    starts = [tape.OPEN_MS - (STORED - i) * 60_000 for i in range(STORED)]
    for symbol in symbols:
        close = 100_0000 + rng.integers(-9, 10, STORED).cumsum() * 100
        open_ = close + rng.integers(-4, 5, STORED) * 100
        volume = rng.integers(1, 9_000, STORED)
        columns = {
            "open": open_,
            "high": np.maximum(open_, close) + rng.integers(0, 4, STORED) * 100,
            "low": np.minimum(open_, close) - rng.integers(0, 4, STORED) * 100,
            "close": close,
            "volume": volume,
            "notional": volume * close,
        }
        for name, values in columns.items():
            words: list[str | int] = []
            for t, value in zip(starts, values.tolist(), strict=True):
                words += [keys.series(symbol, "1m", name), t, value]
            pipe.execute_command("TS.MADD", *words)
    pipe.sadd(keys.SYMBOLS, *symbols)
    pipe.execute()


def requests(path: str, symbols: Sequence[str], count: int, more: str = "") -> list[bytes]:
    """`path` for the last 300 minutes, one symbol after the other; no two are equal, as equal ones may share an answer."""
    span = f"timeframe=1m&from={tape.OPEN_MS - POINTS * 60_000}&to={tape.OPEN_MS - 1}{more}"
    paths = [f"/api/v1/{path}?symbol={symbols[i % len(symbols)]}&{span}&limit={_MOST_ROWS - i}" for i in range(count)]
    return [f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths]


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.read_indicators", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a few requests of each")
    args = parser.parse_args(argv)
    count, rounds = (40, 2) if args.short else (600, 5)
    symbols = tape.names(_SYMBOLS)
    asked = {
        "candles": requests("candles", symbols, count),
        f"indicators, {NAMES}": requests("indicators", symbols, count, f"&names={NAMES}"),
        f"patterns, all {len(TITLES)}": requests("patterns", symbols, count),
    }
    found: dict[str, list[Answers]] = {name: [] for name in asked}
    with Harness() as harness:
        seed(harness, symbols)
        port = free_port()
        bridge = serve_bridge(harness, port).pid
        client = Client(port, 1, None)
        client.ask(asked["candles"])
        before = pss_mib(bridge)
        client.ask(asked[f"indicators, {NAMES}"][:1])
        loaded = pss_mib(bridge) - before
        for requests_of in asked.values():
            client.ask(requests_of[:40])
        # In turns, so that what else the machine does falls on all of them.
        for _ in range(rounds):
            for name, requests_of in asked.items():
                found[name].append(measure(harness, client, bridge, requests_of))
        client.close()
    return [_table(found, loaded, args.short)]


def _table(found: dict[str, list[Answers]], loaded: float, short: bool) -> Table:
    table = Table(
        f"Indicators over REST: {POINTS} minutes, one connection, schema {'with' if SCHEMA.labels else 'without'} labels",
        ["requests", "CPU of /candles", "bridge µs/request", "Redis µs/request", "p50 / p99 ms"],
        command_line("bench.read_indicators"),
    )
    cost: dict[str, float] = {}
    p50: dict[str, float] = {}
    for name, rounds in found.items():
        # The round that was disturbed least by what else the machine did.
        best = min(rounds, key=lambda answers: answers.bridge_us + answers.redis_us)
        cost[name], p50[name] = best.bridge_us + best.redis_us, percentile(best.ms, 0.5)
        ratio = cost[name] / next(iter(cost.values()))
        ms = f"{p50[name]:.1f} / {percentile(best.ms, 0.99):.1f}"
        table.add(name, f"{ratio:.2f}", f"{best.bridge_us:.0f}", f"{best.redis_us:.0f}", ms)
    table.notes.append(
        f"TA-Lib, loaded with the first indicator, adds {loaded:.1f} MiB (PSS, its first answer included)."
    )
    if not short:
        candles, indicators, patterns = cost
        table.require(f"/indicators {NAMES}, CPU of /candles", cost[indicators] / cost[candles], at_most=_MAX_RATIO)
        table.require(f"{patterns} over {POINTS} candles, p50", p50[patterns], at_most=_MAX_PATTERNS_MS, unit="ms")
        table.require("memory that TA-Lib adds to the bridge", loaded, at_most=_MAX_TALIB_MIB, unit="MiB")
    return table


if __name__ == "__main__":
    report(run())

"""Real recorded data through real processes: replay -> ingest -> Redis -> REST, against an independent computation."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests import tape_reference
from tests.support import Running, free_port

MS = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000}


@contextmanager
def watching(files: list[Path], topics: str, *options: str) -> Iterator[Running]:
    """`tapewatch run` fed by `tapewatch replay` of the files with these options, as fast as they are read."""
    port = free_port()
    with ExitStack() as stack:
        stack.enter_context(Running("replay", *map(str, files), *options, "--speed", "0", "--port", str(port)))
        run = stack.enter_context(
            Running(
                "run",
                TAPEWATCH_FEED_URL=f"ws://127.0.0.1:{port}/stocks",
                TAPEWATCH_SUBSCRIBE=topics,
            )
        )
        run.ready()
        yield run


def all_candles(run: Running, symbol: str, timeframe: str, start: int, end: int) -> dict[int, dict[str, Any]]:
    """Every candle of the range, read page by page."""
    found: dict[int, dict[str, Any]] = {}
    width = MS[timeframe] * 4000
    for low in range(start, end + 1, width):
        status, rows = run.get(
            "/api/v1/candles", symbol=symbol, timeframe=timeframe, from_=low, to=min(end, low + width - 1), limit=5000
        )
        assert status == 200, rows
        found |= {row["t"]: row for row in rows}
    return found


def test_trades_of_the_tape_give_the_candles_that_its_rules_ask_for(data: Path) -> None:
    file = data / "us-tape-2018" / "trades.csv.gz"
    expected = {
        name: {t: c for t, c in spans.items() if None not in c[:4]}
        for name, spans in tape_reference.candles(file).items()
        if name in MS
    }
    start, end = min(expected["1h"]), max(expected["1h"]) + MS["1h"]
    with watching([file], "T.*") as run:
        last = max(expected["1h"])
        volume = expected["1h"][last][4]

        def complete() -> bool:
            rows = all_candles(run, "XXX", "1h", last, last)
            return bool(rows) and rows[last]["v"] == volume

        run.wait(complete, 60, "the last prints of the tape")
        for timeframe, spans in expected.items():
            rows = all_candles(run, "XXX", timeframe, start, end)
            assert rows.keys() == spans.keys()
            for t, (o, h, low, c, v, vw) in spans.items():
                row = rows[t]
                assert (row["o"], row["h"], row["l"], row["c"], row["v"]) == (o, h, low, c, v), (timeframe, t)
                assert row["vw"] == pytest.approx(vw, abs=1e-6) if vw is not None else row["vw"] is None


def minute_bars(folder: Path) -> dict[str, dict[int, tuple[Decimal, ...]]]:
    """symbol -> minute's start -> (o, h, l, c, v), straight from the files: stamped at the end, New York time."""
    zone = ZoneInfo("America/New_York")
    found: dict[str, dict[int, tuple[Decimal, ...]]] = {}
    for file in sorted(folder.glob("*_1min.csv")):
        bars = found.setdefault(file.name.removesuffix("_1min.csv"), {})
        with file.open(newline="") as text:
            for row in csv.DictReader(text):
                stamp = datetime.fromisoformat(row["datetime"]).replace(tzinfo=zone) - timedelta(minutes=1)
                numbers = tuple(Decimal(row[k]) for k in ("open", "high", "low", "close", "volume"))
                bars[int(stamp.timestamp()) * 1000] = numbers
    return found


def rolled(bars: dict[int, tuple[Decimal, ...]], ms: int) -> dict[int, tuple[float, ...]]:
    spans: dict[int, list[tuple[Decimal, ...]]] = {}
    for t in sorted(bars):
        spans.setdefault(t - t % ms, []).append(bars[t])
    return {
        t: tuple(
            map(
                float,
                (b[0][0], max(x[1] for x in b), min(x[2] for x in b), b[-1][3], sum((x[4] for x in b), Decimal(0))),
            )
        )
        for t, b in spans.items()
    }


def test_minute_bars_of_24_symbols_give_their_candles_and_no_second(data: Path) -> None:
    files = sorted((data / "minute-bars-2019").glob("*_1min.csv"))
    bars = minute_bars(data / "minute-bars-2019")
    start = min(min(b) for b in bars.values())
    end = max(max(b) for b in bars.values())
    with watching(files, "AM.*", "--tz", "America/New_York", "--stamp", "end") as run:

        def complete() -> bool:
            return all(max(b) in all_candles(run, symbol, "1m", max(b), max(b)) for symbol, b in bars.items())

        run.wait(complete, 90, "the last minute of every symbol")
        for symbol, mine in bars.items():
            for timeframe, ms in MS.items():
                rows = all_candles(run, symbol, timeframe, start - start % ms, end)
                expected = rolled(mine, ms)
                assert rows.keys() == expected.keys(), (symbol, timeframe)
                for t, (o, h, low, c, v) in expected.items():
                    row = rows[t]
                    assert row["vw"] is None
                    got = (row["o"], row["h"], row["l"], row["c"], row["v"])
                    assert got == (round(o, 4), round(h, 4), round(low, 4), round(c, 4), v), (symbol, timeframe, t)
            status, seconds = run.get("/api/v1/candles", symbol=symbol, timeframe="1s", from_=start, to=end)
            assert (status, seconds) == (200, [])

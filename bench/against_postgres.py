"""Where PostgreSQL does better than RedisTimeSeries, and where not, over the same minute bars: loading, reading, asking, disk.

`python -m bench.against_postgres [--short]`; needs PostgreSQL. How fast both take a live feed is bench.ingest's.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import numpy as np

from bench import postgres, tape
from bench.harness import Harness, wait_until
from bench.ingest import make_series
from bench.postgres_client import tables
from bench.table import Table, command_line, percentile, report
from market.bar import MINUTE_MS, Bar
from market.timeframes import parse
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS
from redis_functions.read.candles import HIGH, LOW
from redis_functions.read.reader import read_candles

MINUTES = 300
#: The answer that is asked of the whole market looks back so far, and has so many rows.
HOUR_MS, TOP = 3_600_000, 10
#: Symbols that one reading of ours may name.
READ_AT_ONCE = 50
ROUNDS = 5

_END_MS = tape.OPEN_MS + MINUTES * MINUTE_MS
_CANDLES = "SELECT t, o, h, l, c, v, n FROM bars_1m WHERE sym = $1 AND t BETWEEN $2 AND $3 ORDER BY t"
_WIDEST = """
SELECT sym FROM bars_1m WHERE t >= $1 GROUP BY sym
ORDER BY (max(h) - min(l))::float8 / min(l)::float8 DESC, sym LIMIT $2
"""


@dataclass
class Figures:
    """What one store costs: less is better everywhere."""

    load_us: float  # a bar
    candles_ms: float  # p50 of one reading
    widest_ms: float  # the best of some
    disk_bytes: float  # a bar, once tidied
    written_bytes: float  # a bar, with what is kept until then
    widest: list[str]


def market(symbols: Sequence[str]) -> list[list[Bar]]:
    """Minute by minute a bar of every symbol."""
    rng = np.random.default_rng(8)
    return [tape.second(list(symbols), t, rng) for t in range(tape.OPEN_MS, _END_MS, MINUTE_MS)]


async def of_postgres(minutes: Sequence[Sequence[Bar]], asked: Sequence[str]) -> Figures:
    """Through asyncpg with prepared statements, over a Unix socket."""
    rows = [(b.sym, b.t, b.o, b.h, b.l, b.c, int(b.v), b.n) for minute in minutes for b in minute]
    with postgres.server(postgres.programs()) as (place, _):
        connection = await asyncpg.connect(host=str(place), user="bench", database="postgres")
        await connection.execute(tables(["1m"]))
        log = await connection.fetchval("SELECT pg_current_wal_lsn()")
        began = time.perf_counter()
        await connection.copy_records_to_table("bars_1m", records=rows)
        load = time.perf_counter() - began
        written = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1)", log)
        await connection.execute("VACUUM ANALYZE bars_1m")
        candles = await connection.prepare(_CANDLES)
        found = []
        for symbol in asked:
            began = time.perf_counter()
            answer = await candles.fetch(symbol, tape.OPEN_MS, _END_MS)
            found.append((time.perf_counter() - began) * 1000)
            _check_rows(len(answer))
        widest = await connection.prepare(_WIDEST)
        best = float("inf")
        for _ in range(ROUNDS):
            began = time.perf_counter()
            names = await widest.fetch(_END_MS - HOUR_MS, TOP)
            best = min(best, (time.perf_counter() - began) * 1000)
        size = await connection.fetchval("SELECT pg_total_relation_size('bars_1m')")
        await connection.close()
    return Figures(
        load / len(rows) * 1e6,
        percentile(found, 0.5),
        best,
        size / len(rows),
        (size + int(written)) / len(rows),
        [str(row["sym"]) for row in names],
    )


def of_redis(minutes: Sequence[Sequence[Bar]], asked: Sequence[str]) -> Figures:
    """Through the bridge's own reader, over a Unix socket."""
    symbols = sorted(bar.sym for bar in minutes[0])
    minute = parse("1m")
    with Harness() as harness:
        make_series(harness, symbols)
        empty = _rewritten(harness)
        load = _load(harness, minutes)
        written = _aof_bytes(harness) - empty
        found = []
        for symbol in asked:
            began = time.perf_counter()
            (answer,) = read_candles(harness.client, [symbol], minute, tape.OPEN_MS, _END_MS, MINUTES)
            found.append((time.perf_counter() - began) * 1000)
            _check_rows(len(answer.t))
        best = float("inf")
        for _ in range(ROUNDS):
            began = time.perf_counter()
            names = _widest(harness, symbols)
            best = min(best, (time.perf_counter() - began) * 1000)
        disk = _rewritten(harness) - empty
    count = sum(map(len, minutes))
    return Figures(load / count * 1e6, percentile(found, 0.5), best, disk / count, written / count, names)


def _load(harness: Harness, minutes: Sequence[Sequence[Bar]]) -> float:
    """Writes all bars, a symbol at a time; the seconds that took."""
    columns: dict[str, list[Bar]] = {}
    for minute in minutes:
        for bar in minute:
            columns.setdefault(bar.sym, []).append(bar)
    began = time.perf_counter()
    for symbol, bars in columns.items():
        words: list[str | int | float | None] = []
        for place, name in enumerate(FIELDS):
            key = keys.series(symbol, "1m", name)
            for b in bars:
                words += [key, b.t, (b.o, b.h, b.l, b.c, b.v, b.n)[place]]
        harness.client.execute_command("TS.MADD", *words)
    return time.perf_counter() - began


def _widest(harness: Harness, symbols: Sequence[str]) -> list[str]:
    """The answer to the same question: there is no query for it, so every symbol's candles are read."""
    found = []
    for i in range(0, len(symbols), READ_AT_ONCE):
        part = symbols[i : i + READ_AT_ONCE]
        candles = read_candles(harness.client, part, parse("1m"), _END_MS - HOUR_MS, _END_MS, MINUTES)
        for symbol, one in zip(part, candles, strict=True):
            high, low = one.fields[HIGH].max(), one.fields[LOW].min()
            found.append((-float((high - low) / low), symbol))
    return [symbol for _, symbol in sorted(found)[:TOP]]


def _rewritten(harness: Harness) -> int:
    """Bytes of the append-only file after a rewrite."""
    harness.client.bgrewriteaof()
    wait_until(lambda: not harness.client.info("persistence")["aof_rewrite_in_progress"], 60, "the rewrite")
    return _aof_bytes(harness)


def _aof_bytes(harness: Harness) -> int:
    return sum(file.stat().st_size for file in (harness.folder / "redis" / "appendonlydir").iterdir())


def _check_rows(rows: int) -> None:
    if rows != MINUTES:
        raise RuntimeError(f"{rows} candles instead of {MINUTES}")


def run(argv: Sequence[str] | None = None) -> list[Table]:
    """Raises RuntimeError when one of the two stores does not hold all rows."""
    """Raises RuntimeError when one of the two stores does not hold all rows."""
    parser = argparse.ArgumentParser(prog="bench.against_postgres", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="20 symbols")
    args = parser.parse_args(argv)
    symbols = tape.names(20 if args.short else 1_000)
    table = Table(
        f"Against PostgreSQL: {MINUTES} minute bars of {len(symbols):,} symbols",
        ["what", "PostgreSQL is so many times as good", "PostgreSQL", "RedisTimeSeries"],
        command_line("bench.against_postgres"),
    )
    if postgres.folder() is None:
        table.notes.append("Left out: PostgreSQL is not installed.")
        return [table]
    minutes = market(symbols)
    asked = [symbols[i * 7919 % len(symbols)] for i in range(20 if args.short else 500)]
    theirs, ours = asyncio.run(of_postgres(minutes, asked)), of_redis(minutes, asked)
    if theirs.widest != ours.widest:
        raise RuntimeError(f"not the same answer: {theirs.widest} and {ours.widest}")
    for name, unit, a, b in (
        ("loading in bulk, µs a bar", "{:.1f}", theirs.load_us, ours.load_us),
        (f"{MINUTES} candles of a symbol by key, p50 ms", "{:.2f}", theirs.candles_ms, ours.candles_ms),
        ("the widest ranges of the market's last hour, ms", "{:.0f}", theirs.widest_ms, ours.widest_ms),
        ("disk, bytes a bar, as written", "{:.0f}", theirs.written_bytes, ours.written_bytes),
        ("disk, bytes a bar, once tidied", "{:.0f}", theirs.disk_bytes, ours.disk_bytes),
    ):
        table.add(name, f"{b / a:.2f}", unit.format(a), unit.format(b))
    table.notes.append(
        "PostgreSQL: COPY into a table with its primary key, prepared statements by asyncpg; its disk is the table and its index "
        "after VACUUM ANALYZE, as written with the log of the load. RedisTimeSeries: TS.MADD into the 1m series, the bridge's "
        "reader (numpy); its disk is the append-only file before and after a rewrite. The market's ranges are one SQL statement "
        "there; here every symbol's candles are read. One client each over a Unix socket. How both take a live feed with candles "
        "kept live is bench.ingest's."
    )
    return [table]


if __name__ == "__main__":
    report(run())

"""The rate at which bars are stored, to the raw limit of the same Redis and to ordinary designs, all in one run.

`python -m bench.ingest [--short] [--symbols N] [--seconds S]`
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence

import msgspec

from bench import postgres, tape
from bench.feed import FeedProcess, plain
from bench.harness import Harness, Result, cpu_s
from bench.raw import blast, record
from bench.table import Table, command_line, report
from market.bar import Bar
from redis_functions.contract.schema import Schema, create_commands

#: Without labels, as the profile for small machines has it.
SCHEMA = Schema(labels=False)
#: A rewrite of the append-only file in the middle of one contestant's seconds and not of another's would decide the race.
NO_REWRITE = ("--auto-aof-rewrite-percentage", "0")
_PROFILE = {"LABELS": "false", "SPOOL_MB": "4096"}


#: Seconds of every symbol's bars that measure the raw limit for benches that scale their figures by it.
_LIMIT_SECONDS = 20


def raw_limit(symbols: int = 10_000, seconds: int = _LIMIT_SECONDS) -> float:
    """The raw limit of this machine in bars/s: how fast Redis stores the writer's own bytes."""
    return raw(tape.bars(tape.names(symbols), seconds + 1)).per_second


def raw(seconds: Sequence[Sequence[Bar]]) -> Result:
    """(a) The writer's own bytes, taken down before, from a bare socket."""
    warm, timed = seconds[0], list(itertools.chain.from_iterable(seconds[1:]))
    with Harness(redis_options=NO_REWRITE) as harness:
        make_series(harness, [bar.sym for bar in warm])
        blast(harness.socket, record(warm, SCHEMA))
        taken = record(timed, SCHEMA)
        before, mine = cpu_s(harness.redis_pid), time.process_time()
        took = blast(harness.socket, taken)
        spent = time.process_time() - mine
        server = cpu_s(harness.redis_pid) - before
        check(harness, sum(map(len, seconds)))
    return Result(len(timed) / took, spent / len(timed) * 1e6, server / len(timed) * 1e6)


def tapewatch(seconds: Sequence[Sequence[Bar]]) -> Result:
    """(b) The real daemon, from the WebSocket to the acknowledged bar, spool and all."""
    return through_feed(seconds, lambda harness, feed: harness.tapewatch("ingest", FEED_URL=feed.url, **_PROFILE).pid)


def ordinary(seconds: Sequence[Sequence[Bar]]) -> Result:
    """(c) The vendor's objects and one pipeline of redis.asyncio."""

    def start(harness: Harness, feed: FeedProcess) -> int:
        make_series(harness, [bar.sym for bar in seconds[0]])
        return harness.python("bench.ordinary", str(feed.port), harness.url).pid

    return through_feed(seconds, start, "TS.ADD")


def through_feed(
    seconds: Sequence[Sequence[Bar]], start: Callable[[Harness, FeedProcess], int], command: str = "TS.MADD"
) -> Result:
    """Starts a contestant, lets the first second warm it up, and times the rest until the last bar is readable."""
    warm, timed = seconds[0], list(itertools.chain.from_iterable(seconds[1:]))
    rounds = [plain(tape.frames([tape.aggregate(bar) for bar in bars])) for bars in (warm, timed)]
    with FeedProcess(rounds) as feed, Harness(redis_options=NO_REWRITE) as harness:
        pid = start(harness, feed)
        feed.begin(0)
        feed.sent(60)
        harness.wait(lambda: stored(harness, warm), 120, "the first second")
        server, client, began = cpu_s(harness.redis_pid), cpu_s(pid), time.perf_counter()
        feed.begin(1)
        harness.wait(lambda: stored(harness, timed[-1:]), 600, "the last bar")
        took = time.perf_counter() - began
        server, client = cpu_s(harness.redis_pid) - server, cpu_s(pid) - client
        feed.sent(60)
        check(harness, sum(map(len, seconds)), command)
    return Result(len(timed) / took, client / len(timed) * 1e6, server / len(timed) * 1e6)


def stored(harness: Harness, bars: Sequence[Bar]) -> bool:
    """Whether the last of `bars` is in Redis: everything is written in order."""
    return harness.newest(bars[-1].sym) >= bars[-1].t


def check(harness: Harness, bars: int, command: str = "TS.MADD") -> None:
    """Every bar was one TS.MADD (or six TS.ADD): neither more nor fewer. Raises RuntimeError."""
    calls = harness.calls(command)
    expected = bars if command == "TS.MADD" else 6 * bars
    # The daemon's statistics are a few TS.ADD a second, never a TS.MADD.
    if calls != expected:
        raise RuntimeError(f"{calls} {command} instead of {expected}")


def make_series(harness: Harness, symbols: Sequence[str]) -> None:
    """The series and rules of all symbols."""
    pipe = harness.client.pipeline(transaction=False)
    for symbol in symbols:
        for command in create_commands(symbol, SCHEMA):
            pipe.execute_command(*command)
    pipe.execute()


def trades(seconds: int, per_second: int) -> Result:
    """The path of the prints: through the daemon with T.* alone, into seconds built by the tape's rules, into the store."""
    symbols = tape.names(2_000)
    start, last = tape.OPEN_MS, tape.OPEN_MS + (seconds + 1) * 1000
    # Every symbol once: its series are made before the clock runs. A print of a symbol of its own ends each round: once its
    # second is stored, so is everything before.
    warm = [
        *(tape.trade(symbol, start) for symbol in symbols),
        tape.trade("BEGIN", start + 1),
        tape.trade("TICK", start + 3000),
    ]
    sent = itertools.chain.from_iterable(tape.trade_frames(symbols, seconds, per_second, start + 4000))
    end = tape.frames([tape.trade("END", last + 4000), tape.trade("TOCK", last + 8000)])
    rounds = [plain(tape.frames(warm)), plain([*sent, *end])]
    with FeedProcess(rounds) as feed, Harness(redis_options=NO_REWRITE) as harness:
        pid = harness.tapewatch("ingest", FEED_URL=feed.url, SUBSCRIBE="T.*", **_PROFILE).pid
        feed.begin(0)
        feed.sent(60)
        harness.wait(lambda: harness.newest("BEGIN") == start, 60, "the first second")
        server, client, began = cpu_s(harness.redis_pid), cpu_s(pid), time.perf_counter()
        feed.begin(1)
        harness.wait(lambda: harness.newest("END") == last + 4000, 600, "the last print")
        took, count = time.perf_counter() - began, seconds * per_second
        server, client = cpu_s(harness.redis_pid) - server, cpu_s(pid) - client
        feed.sent(60)
    return Result(count / took, client / count * 1e6, server / count * 1e6)


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.ingest", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a few thousand bars: whether it runs, not how fast")
    parser.add_argument("--symbols", type=int, help="default 10,000")
    parser.add_argument("--seconds", type=int, help="seconds of every symbol's bars that are timed; default 50")
    parser.add_argument("--trade-seconds", type=int, help="seconds of 50,000 prints; default 20")
    args = parser.parse_args(argv)
    symbols = args.symbols or (200 if args.short else 10_000)
    count = args.seconds or (10 if args.short else 50)
    prints, per_second = (2, 2_000) if args.short else (args.trade_seconds or 20, 50_000)
    return [bars_table(symbols, count), trades_table(prints, per_second, args.short)]


#: The contestants, in the order of the table.
_RAW, _OURS, _ORDINARY = "(a) raw limit", "(b) tapewatch", "(c) ordinary design"
_POSTGRES = "(d) PostgreSQL, upsert and live 1m, 100 bars a batch"
_POSTGRES_ALL = "(d) PostgreSQL, upsert and live 1m 5m 1h, 100 bars a batch"
_POSTGRES_BEST = "PostgreSQL at its best: ready-made rows, live 1m, COPY of 500"
#: The least ratio of (b)'s rate to each contestant's.
_REQUIRED = {_RAW: 0.85, _ORDINARY: 6.0, _POSTGRES_ALL: 1.5}
#: The most CPU that a trade may cost the daemon, as a multiple of a bare msgspec decode of the same frames.
_TRADE_TO_DECODE = 20.0


def bars_table(symbols: int, count: int) -> Table:
    seconds = tape.bars(tape.names(symbols), count + 1)
    # The ordinary design is several times slower: a part of the tape is enough for its rate.
    part = seconds[: max(3, count // 5 + 1)]
    found = {_RAW: raw(seconds), _OURS: tapewatch(seconds), _ORDINARY: ordinary(part)}
    if postgres.folder() is not None:
        found[_POSTGRES] = postgres.through_feed(seconds, ["1m"], 100)
        found[_POSTGRES_ALL] = postgres.through_feed(seconds, ["1m", "5m", "1h"], 100)
        found[_POSTGRES_BEST] = postgres.ready_made(seconds, 500)
    table = Table(
        f"Ingest: {symbols:,} symbols in random order, rules 1m 5m 1h, {count} s of every symbol",
        ["contestant", "b is so many times this", "bars/s", "client µs/bar", "server µs/bar"],
        command_line("bench.ingest"),
    )
    ours = found[_OURS].per_second
    for name, result in found.items():
        shown = f"{result.client_us:.1f}" if result.client_us else "-"
        table.add(
            name, f"{ours / result.per_second:.2f}", f"{result.per_second:,.0f}", shown, f"{result.server_us:.1f}"
        )
    # A smaller market is another contest.
    for name in _REQUIRED if symbols == 10_000 else ():
        if name in found:
            table.require(
                f"bars/s of tapewatch to {name}",
                ours / found[name].per_second,
                at_least=_REQUIRED[name],
                absolute=f"{ours:,.0f} to {found[name].per_second:,.0f} bars/s",
                headline=name == _RAW,
            )
    table.notes.append(
        "(a) is what (b)'s writer sends (TS.MADD, latest:, PUBLISH), sent by a bare socket. (b) reads a WebSocket, "
        "spools, decodes and detects besides. (c) is the vendor's client with redis.asyncio without hiredis, 100 events or 0.1 s "
        "a flush. (d) is a client on msgspec and asyncpg that flushes as (c) does, one statement a batch for bars and candles, "
        "synchronous_commit off; it neither spools, checks nor publishes. At its best it reads no feed and decodes nothing; "
        "its client's CPU is in the server's there. (b), (c) and (d) have the feed's process on the same cores; each has a fresh "
        "Redis, its append-only file never rewritten."
    )
    if postgres.folder() is None:
        table.notes.append("(d) was left out: PostgreSQL is not installed.")
    return table


class _Trade(msgspec.Struct, gc=False):
    """The vendor's `T` event, as plainly as msgspec can hold it."""

    ev: str
    sym: str
    x: int
    i: str
    z: int
    p: float
    s: int
    t: int
    q: int
    c: list[int] = []


def bare_decode_us(seconds: int, per_second: int) -> float:
    """CPU µs a trade of decoding the same frames into typed structs with msgspec, and nothing else."""
    decoder = msgspec.json.Decoder(list[_Trade])
    frames = list(itertools.chain.from_iterable(tape.trade_frames(tape.names(2_000), seconds, per_second)))
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        for frame in frames:
            decoder.decode(frame)
        best = min(best, time.process_time() - began)
    return best / (seconds * per_second) * 1e6


def trades_table(seconds: int, per_second: int, short: bool) -> Table:
    bare = bare_decode_us(seconds, per_second)
    result = trades(seconds, per_second)
    table = Table(
        f"Trades: {per_second:,} prints a second of event time over 2,000 symbols, {seconds} s",
        [
            "path",
            "CPU to a bare decode",
            "trades/s",
            "trades per core-second of the daemon",
            "client µs/trade",
            "server µs/trade",
        ],
        command_line("bench.ingest"),
    )
    core, multiple = 1e6 / result.client_us, result.client_us / bare
    table.add(
        "WebSocket, spool, decode, seconds, store", f"{multiple:.1f}", f"{result.per_second:,.0f}", f"{core:,.0f}",
        f"{result.client_us:.2f}", f"{result.server_us:.2f}",
    )  # fmt: skip
    table.add("bare msgspec decode of the same frames", "1.0", f"{1e6 / bare:,.0f}", "-", f"{bare:.2f}", "-")
    if not short:
        table.require(
            "CPU of a trade, to a bare msgspec decode of the same frames",
            multiple,
            at_most=_TRADE_TO_DECODE,
            absolute=f"{core:,.0f} trades per core-second",
            headline=True,
        )
    return table


if __name__ == "__main__":
    report(run())

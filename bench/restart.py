"""How soon after a restart the first new bar is stored, with all symbols known and a loaded Redis; and how long Redis loads.

`python -m bench.restart [--short] [--scale F] [--times N]`

The daemon is killed (or stopped) after two minutes of the market at its own rate and started at once on the same folder; the
time runs from the exec of the new process to the moment when a bar that only it has received can be read from Redis. Its
spool holds all that: the last two minutes of arrival are worked on again.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import signal
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import day_market as market
from bench import tape
from bench.feed import FeedProcess
from bench.harness import Harness, cpu_s
from bench.table import Table, command_line, report
from redis_functions.contract.schema import create_commands
from redis_functions.server import embedded
from tapewatch.settings import SMALL_MAXMEMORY_MB, Settings

#: Minutes of the market before the first restart: at its own rate that is what the spool's warm-up holds.
BEFORE = 2
LIMIT_S = 3.0


@dataclass
class Start:
    """Seconds from exec to the first new bar in Redis, and CPU seconds of the daemon until then."""

    seconds: float
    cpu: float


def begun(harness: Harness, day: market.Day, feed: FeedProcess, minute: int) -> Start:
    """Starts the daemon at a feed that goes on with `minute` at the market's own rate, and waits for its first bar."""
    busiest = tape.names(day.symbols)[0]
    known = harness.newest(busiest)
    feed.begin(0, _pace(day))
    began = time.perf_counter()
    pid = harness.tapewatch("ingest", FEED_URL=feed.url, PROFILE="small").pid
    harness.wait(
        lambda: harness.newest(busiest) >= max(known + 1, tape.OPEN_MS + minute * 60_000), 120, "a bar after the start"
    )
    return Start(time.perf_counter() - began, cpu_s(pid))


def ended(harness: Harness, how: signal.Signals) -> None:
    """Ends the daemon and waits until it is gone."""
    process = harness.process("ingest")
    process.send_signal(how)
    process.wait(30)


def redis_again(harness: Harness) -> tuple[float, float, float, float]:
    """Kills Redis and starts it: (seconds until it answers, CPU seconds, MiB of the file's base, MiB grown since)."""
    info = harness.client.info("persistence")
    base = float(info["aof_base_size"])
    grown = float(info["aof_current_size"]) - base
    os.kill(harness.redis_pid, signal.SIGKILL)
    harness.process("redis").wait()
    command = embedded.command(harness.folder, maxmemory_mb=SMALL_MAXMEMORY_MB)
    began = time.perf_counter()
    harness.redis_pid = harness.start("redis", command).pid
    harness.wait(harness.answers, 600, "Redis after its restart")
    return time.perf_counter() - began, cpu_s(harness.redis_pid), base / (1 << 20), grown / (1 << 20)


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.restart", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="40 symbols, one restart of each kind")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the 10,000 symbols and of their bars")
    parser.add_argument("--times", type=int, default=3, help="restarts of each kind")
    args = parser.parse_args(argv)
    scale, times = (0.004, 1) if args.short else (args.scale, args.times)
    day = market.Day(max(10, round(market.SYMBOLS * scale)), market.BARS_PER_SECOND * scale, BEFORE)
    kinds = [
        (name, how) for name, how in (("SIGKILL", signal.SIGKILL), ("SIGTERM", signal.SIGTERM)) for _ in range(times)
    ]
    found: dict[str, list[Start]] = {name: [] for name, _ in kinds}
    with Harness(maxmemory_mb=SMALL_MAXMEMORY_MB) as harness:
        schema = Settings(profile="small").schema
        market.older(harness, day, schema)
        for command in create_commands("EDGE", schema):
            harness.client.execute_command(*command)
        with FeedProcess([functools.partial(market.frames, day, 0, 1)]) as feed:
            begun(harness, day, feed, 0)
            ended(harness, signal.SIGKILL)
        _filled(harness, day, 0.0 if args.short else _pace(day))
        for number, (name, how) in enumerate(kinds, BEFORE + 1):
            with FeedProcess([functools.partial(market.frames, day, number, number + 1)]) as feed:
                found[name].append(begun(harness, day, feed, number))
                ended(harness, how)
        again = redis_again(harness)
    return [_table(day, found, again)]


def _pace(day: market.Day) -> float:
    """Frames a second that are about the market's own rate."""
    return math.ceil(day.rate / tape.FRAME_EVENTS)


def _filled(harness: Harness, day: market.Day, pace: float) -> None:
    """The minutes before the restarts; `pace`: frames a second, 0: as fast as they are read."""
    with FeedProcess([functools.partial(market.part, day, 1, BEFORE + 1)]) as feed:
        feed.begin(0, pace)
        harness.tapewatch("ingest", FEED_URL=feed.url, PROFILE="small")
        end = tape.OPEN_MS + (BEFORE + 1) * 60_000 - 1000
        harness.wait(lambda: harness.newest("EDGE") >= end, 600, "the minutes before the restarts")
        ended(harness, signal.SIGKILL)


def _table(day: market.Day, found: dict[str, list[Start]], again: tuple[float, float, float, float]) -> Table:
    table = Table(
        f"A restart with {day.symbols:,} known symbols: from exec to the first new bar in Redis",
        ["the daemon before was ended by", "seconds, median", "each", "CPU seconds, median"],
        command_line("bench.restart"),
    )
    for name, starts in found.items():
        seconds = [one.seconds for one in starts]
        each = " ".join(f"{x:.2f}" for x in seconds)
        cpu = statistics.median(one.cpu for one in starts)
        table.add(name, f"{statistics.median(seconds):.2f}", each, f"{cpu:.2f}")
    took, cpu, base, grown = again
    table.notes.append(
        f"Redis itself, killed: answers again after {took:.1f} s ({cpu:.1f} s CPU) with a file of {base:.0f} MiB and "
        f"{grown:.0f} MiB grown since it was rewritten."
    )
    if day.symbols == market.SYMBOLS:
        worst = max(statistics.median(one.seconds for one in starts) for starts in found.values())
        table.require("a restart with 10,000 known symbols: first stored bar", worst, at_most=LIMIT_S, unit="s")
    return table


if __name__ == "__main__":
    report(run())

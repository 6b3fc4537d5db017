"""A whole market day into the small profile: what memory each process takes, and what a bar costs.

`python -m bench.day [--short] [--scale F] [--minutes M] [--sizes 100,1000,10000]`

The day has 10,000 symbols and 23.4 million bars: activity by Zipf's law with exponent 1, at most one bar a second each. It is
played as fast as it is stored, into a store that holds the older 5m and 1h bars of the profile's retentions.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from bench import day_close, tape
from bench.day_market import BARS_PER_SECOND, LOOKS, SYMBOLS, Day, frames, is_session, older, part
from bench.disk_peak import DiskPeak, size_mib
from bench.feed import FeedProcess, plain
from bench.harness import ROOT, Harness, cpu_s, family, free_port, pss_mib
from bench.table import Table, command_line, report
from redis_functions.contract import keys
from redis_functions.contract.schema import create_commands
from redis_functions.read.gaps import read_gaps
from tapewatch import machine_speed
from tapewatch.capacity import DAY_S, MIB, rates
from tapewatch.settings import SMALL_MAXMEMORY_MB, Settings

_SETTINGS = Settings(profile="small")


@dataclass
class Look:
    """PSS in MiB by process, and Redis's own figures, at one moment of the day."""

    minute: int
    bars: int
    pss: dict[str, float]
    used_mib: float
    disk: dict[str, float] = field(default_factory=dict)


@dataclass
class Played:
    looks: list[Look]
    empty_mib: float  # used by Redis before the first bar, with the series and the older bars
    bars: int
    seconds: float
    client_us: float
    server_us: float
    series: int
    refused: float
    aof_bar: float = 0.0  # bytes a bar in the append-only file, and in the spool, over the first part
    spool_bar: float = 0.0
    rewrites: int = 0
    peak_mib: float = 0.0  # used by Redis at its highest
    disk_mib: float = 0.0  # append-only file and spool at their highest together
    gaps: int = 0
    close: Table | None = None


def play(day: Day, close: bool = False) -> Played:
    """The day with real processes; looks at memory when everything so far is stored. `close`: and what comes after."""
    schema = _SETTINGS.schema
    # The last bar of each part is a symbol's of its own, one second before the part ends: then all is stored.
    parts = [functools.partial(part, day, a, b) for a, b in itertools.pairwise(day.edges)]
    after = functools.partial(frames, day, day.minutes, day.minutes + 3)
    with (
        FeedProcess([plain([]), *parts, after]) as feed,
        Harness(maxmemory_mb=SMALL_MAXMEMORY_MB) as harness,
        DiskPeak(*_folders(harness)) as disk,
    ):
        older(harness, day, schema)
        for command in create_commands("EDGE", schema):
            harness.client.execute_command(*command)
        port = free_port()
        pids = _start(harness, feed.url, port)
        empty = _used(harness)
        before, began, looks = _cpu(pids), time.perf_counter(), []
        calls, written = harness.calls("TS.MADD"), _written(harness)
        for number, minute in enumerate(day.edges[1:], 1):
            feed.begin(number)
            end = tape.OPEN_MS + minute * 60_000 - 1000
            harness.wait(functools.partial(_reached, harness, end), 7200, f"minute {minute} of the day")
            feed.sent(60)
            if minute not in day.looks:
                continue
            harness.wait(functools.partial(day_close.at_rest, harness), 300, "the end of a rewrite")
            looks.append(look(harness, pids, minute, harness.calls("TS.MADD") - calls))
            if len(looks) == 1:
                aof, spool = ((b - a) / looks[0].bars for a, b in zip(written, _written(harness), strict=True))
        took, spent = time.perf_counter() - began, {name: x - before[name] for name, x in _cpu(pids).items()}
        bars = looks[-1].bars
        made = Played(
            looks, empty, bars, took, spent["ingest"] / bars * 1e6, spent["redis"] / bars * 1e6,
            24 * harness.client.scard(keys.SYMBOLS), harness.metric("ingest", "rejected") or 0.0,
            aof, spool, int(harness.client.info("persistence")["aof_rewrites"]),
            float(harness.client.info("memory")["used_memory_peak"]) / MIB, disk.mib,
            len(read_gaps(harness.client, _SETTINGS.feed_name)),
        )  # fmt: skip
        if close:
            made.close = _close(day, harness, feed, pids, port)
    return made


def _close(day: Day, harness: Harness, feed: FeedProcess, pids: dict[str, int], port: int) -> Table:
    """Reads the day over REST; then a rewrite of the file while bars come as fast as on a real day."""
    names, chance = tape.names(day.symbols), rates(day.symbols, day.rate)
    end = tape.OPEN_MS + day.minutes * 60_000
    found = [day_close.readable(port, names[i], end) for i in (0, day.symbols // 10, day.symbols - 1)]
    sessions = [t for t in (tape.OPEN_MS - back * 86_400_000 for back in range(1, 11)) if is_session(t)]
    whole = day_close.expected(end, DAY_S, sessions) if chance[0] == 1.0 else None
    feed.begin(len(day.edges), math.ceil(day.rate / tape.FRAME_EVENTS))
    last = tape.OPEN_MS + day.minutes * 60_000
    harness.wait(lambda: harness.newest(names[0]) > last + 2_000, 60, "bars after the close")
    return day_close.table(found, whole, day_close.rewritten(harness, lambda: _memory_of(pids)))


def _start(harness: Harness, feed_url: str, port: int) -> dict[str, int]:
    """`tapewatch run` on this Redis: the supervisor and its parts, once the daemon is at the feed and the bridge answers."""
    # What was sent is worked off for longer than a feed may be silent.
    environment = {
        "FEED_URL": feed_url,
        "PROFILE": "small",
        "BRIDGE_PORT": str(port),
        "RATE_LIMIT": "0",
        "STALL_AFTER_S": "3600",
    }
    run = harness.tapewatch("run", **environment).pid
    harness.wait(lambda: harness.metric("ingest", "connected"), 60, "the daemon at the feed")
    harness.wait(lambda: "ready after" in harness.log_of("run"), 60, "the bridge")
    pids = {"redis": harness.redis_pid, "supervisor": run}
    for pid in family(run)[1:]:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        pids |= {name: pid for name in ("ingest", "bridge") if name in words and name not in pids}
    return pids


def _memory_of(pids: dict[str, int]) -> dict[str, float]:
    """PSS in MiB of each process with its descendants; of the supervisor without its parts."""
    found = {name: pss_mib(pid) for name, pid in pids.items()}
    found["supervisor"] -= found["ingest"] + found["bridge"]
    return found


def _folders(harness: Harness) -> tuple[Path, Path]:
    """Of the append-only file and of the spool."""
    return harness.folder / "redis", harness.folder / "d" / "spool"


def _written(harness: Harness) -> tuple[float, float]:
    """Bytes in the append-only file and in the spool."""
    spool = sum(f.stat().st_size for f in (harness.folder / "d" / "spool").rglob("*") if f.is_file())
    return float(harness.client.info("persistence")["aof_current_size"]), float(spool)


def _reached(harness: Harness, t: int) -> bool:
    return harness.newest("EDGE") >= t


def _cpu(pids: dict[str, int]) -> dict[str, float]:
    return {name: sum(map(cpu_s, family(pid))) for name, pid in pids.items()}


def _used(harness: Harness) -> float:
    info = harness.client.info("memory")
    return float(info["used_memory"]) / MIB


def look(harness: Harness, pids: dict[str, int], minute: int, bars: int) -> Look:
    disk = dict(zip(("redis", "spool"), map(size_mib, _folders(harness)), strict=True))
    return Look(minute, bars, _memory_of(pids), _used(harness), disk)


#: Measured once a run, so that all predictions reckon with the same machine.
_slowness = lru_cache(maxsize=1)(machine_speed.measure)


def predicted(day: Day, minute: int) -> dict[str, float]:
    """The prediction of `tapewatch plan` for the same configuration."""
    words = ["plan", "--symbols", str(day.symbols), "--bars-per-second", str(day.rate), "--profile", "small", "--json"]
    words += ["--slowness", f"{_slowness():.4f}"]
    hours = f"{minute / 60:.4f}"
    done = subprocess.run(
        [sys.executable, "-m", "tapewatch", *words, "--hours", hours],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.day", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="40 symbols, 4 minutes")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the 10,000 symbols and of their bars")
    parser.add_argument("--minutes", type=int, help="of the session, default all 390")
    parser.add_argument("--sizes", default="", help="also the cost of a bar at so many symbols, a comma list")
    args = parser.parse_args(argv)
    scale = 0.004 if args.short else args.scale
    minutes = args.minutes or (4 if args.short else 390)
    day = Day(max(10, round(SYMBOLS * scale)), BARS_PER_SECOND * scale, minutes)
    played = play(day, close=True)
    assert played.close is not None
    tables = [_memory(day, played), played.close]
    if day == Day(SYMBOLS, BARS_PER_SECOND, LOOKS[-1]):
        _require(tables[0], day, played)
    sizes = [int(text) for text in args.sizes.split(",") if text] or ([20] if args.short else [])
    if sizes:
        # The rate of a symbol stays, so a small market plays fewer bars; minutes enough for a steady state.
        days = [Day(n, n / 10, minutes) for n in sizes]
        tables.append(_growth(days, [played if each == day else play(each) for each in days]))
    return tables


def _memory(day: Day, played: Played) -> Table:
    table = Table(
        f"A market day: {day.symbols:,} symbols, {played.bars:,} bars in {day.minutes} minutes, profile small",
        [
            "after",
            "bars",
            "all MiB (PSS)",
            "Redis",
            "ingest",
            "bridge",
            "supervisor",
            "Redis used",
            "plan: all",
            "plan: Redis used",
            "append-only file",
            "spool",
        ],
        command_line("bench.day"),
    )
    for one in played.looks:
        plan = predicted(day, one.minute)
        total = sum(one.pss.values())
        cells = [total, *(one.pss[name] for name in ("redis", "ingest", "bridge", "supervisor")), one.used_mib]
        table.add(
            f"{one.minute} min", f"{one.bars:,}", *(f"{x:.0f}" for x in cells),
            *(f"{x:.0f} ({x / y - 1:+.0%})" for x, y in ((plan["total_mib"], total), (plan["redis_used_mib"], one.used_mib))),
            *(f"{one.disk[x]:.0f}" for x in ("redis", "spool")),
        )  # fmt: skip
    each = played.looks[-1].used_mib * MIB / played.series
    table.notes.append(
        f"Played in {played.seconds:.0f} s ({played.bars / played.seconds:,.0f} bars/s); CPU a bar {played.client_us:.1f} µs in "
        f"the daemon, {played.server_us:.1f} µs in Redis; {played.series:,} series, {each:,.0f} bytes each at the end; "
        f"{played.empty_mib:.0f} MiB before the first bar, with the older bars; used at its highest "
        f"{played.peak_mib:.0f}, maxmemory {SMALL_MAXMEMORY_MB}; {played.refused:.0f} bars refused."
    )
    plan = predicted(day, day.minutes)
    us = [plan[f"{name}_cores"] / day.rate * 1e6 for name in ("ingest", "redis")]
    aof = plan["aof_mib_day"] * MIB / plan["bars_a_day"]
    table.notes.append(
        f"Disk: {played.aof_bar:.0f} bytes a bar in the append-only file (plan {aof:.0f}), rewritten {played.rewrites} times; "
        f"{played.spool_bar:.0f} in the spool; both at their highest {played.disk_mib:,.0f} MiB; "
        f"{played.gaps} gaps. CPU: the plan predicts {us[0]:.1f} µs a bar in the daemon, {us[1]:.1f} in Redis."
    )
    return table


def _require(table: Table, day: Day, played: Played) -> None:
    """What is required of a whole day of the whole market."""
    highest = max(one.pss["redis"] for one in played.looks)
    table.require("a market day in the small profile: Redis, PSS", highest, at_most=600, unit="MiB")
    all_processes = max(sum(one.pss.values()) for one in played.looks)
    table.require(
        "a market day in the small profile: all processes, PSS", all_processes, at_most=850, unit="MiB", headline=True
    )
    table.require("bars that Redis refused", played.refused, at_most=0)
    table.require(
        "a market day in the small profile: disk at its highest", played.disk_mib / 1024, at_most=5, unit="GiB"
    )
    table.require("gaps made on a market day, rewrites of the append-only file included", played.gaps, at_most=0)
    table.require(
        "memory used by Redis at its highest, of maxmemory", played.peak_mib / SMALL_MAXMEMORY_MB, at_most=0.999
    )
    plans = [(predicted(day, one.minute), one) for one in played.looks]
    close = plans[-1][0]
    pairs = {
        "memory used by Redis": [(plan["redis_used_mib"], one.used_mib) for plan, one in plans],
        "memory of all processes": [(plan["total_mib"], sum(one.pss.values())) for plan, one in plans],
        "growth of the append-only file": [(close["aof_mib_day"] * MIB / close["bars_a_day"], played.aof_bar)],
        "CPU": [((close["ingest_cores"] + close["redis_cores"]) / day.rate * 1e6, played.client_us + played.server_us)],
    }
    for what, both in pairs.items():
        off = max(abs(predicted_value / found - 1) for predicted_value, found in both)
        table.require(f"what `tapewatch plan` is off by, {what}", off * 100, at_most=10, unit="%")


def _growth(days: Sequence[Day], played: Sequence[Played]) -> Table:
    table = Table(
        f"Growth: {days[0].minutes} minutes at a tenth of a bar a second a symbol",
        ["symbols", "CPU µs/bar, to the smallest", "daemon", "Redis", "bytes a series", "bars"],
        command_line("bench.day"),
    )
    costs = [one.client_us + one.server_us for one in played]
    for day, one, cost in zip(days, played, costs, strict=True):
        each = one.looks[-1].used_mib * MIB / one.series
        cells = (f"{cost:.1f}, x {cost / costs[0]:.2f}", f"{one.client_us:.1f}", f"{one.server_us:.1f}")
        table.add(f"{day.symbols:,}", *cells, f"{each:,.0f}", f"{one.bars:,}")
    if (days[0].symbols, days[-1].symbols) == (100, SYMBOLS):
        table.require("CPU of a bar at 10,000 symbols, times that at 100", costs[-1] / costs[0], at_most=3)
    return table


if __name__ == "__main__":
    report(run())

"""What is asked of a market day once it has been played: can all of it be read, and what does a rewrite of the file take?"""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from bench import tape
from bench.harness import Harness
from bench.table import Table, command_line

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
#: What the small profile keeps of each level, and so what must be there to be read.
KEPT = {"1s": 2 * HOUR_MS, "1m": DAY_MS, "5m": 2 * DAY_MS, "1h": 10 * DAY_MS}
SAMPLE_S = 0.1


@dataclass
class Readable:
    """Candles of one symbol by level, as the bridge returns them; `same`: minutes have the volume of their seconds."""

    symbol: str
    candles: dict[str, int]
    same: bool


@dataclass
class Rewritten:
    """A rewrite of the append-only file while bars came at the market's own rate: seconds, and PSS in MiB."""

    seconds: float
    before: dict[str, float]
    peak: float  # sum of all processes
    peak_redis: float
    file_before: float
    file_after: float


def ask(port: int, symbol: str, timeframe: str, start: int, end: int) -> list[dict[str, Any]]:
    """The candles whose start lies in start..end, over REST; at most 5,000."""
    query = urllib.parse.urlencode({"symbol": symbol, "timeframe": timeframe, "from": start, "to": end})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/candles?{query}", timeout=30) as reply:
        found: list[dict[str, Any]] = json.load(reply)
    return found


def readable(port: int, symbol: str, end: int) -> Readable:
    """Asks for all that the profile keeps of a symbol at `end`, the moment after the last bar."""
    found: dict[str, list[dict[str, Any]]] = {}
    for level, kept in KEPT.items():
        # Hour by hour: two hours of seconds are more than one answer holds.
        edges = range(end - kept, end, HOUR_MS) if level == "1s" else [end - kept]
        step = HOUR_MS if level == "1s" else kept
        found[level] = [row for begin in edges for row in ask(port, symbol, level, begin, begin + step - 1)]
    since = end - KEPT["1s"]
    of_seconds = sum(row["v"] for row in found["1s"])
    of_minutes = sum(row["v"] for row in found["1m"] if row["t"] >= since)
    return Readable(symbol, {level: len(rows) for level, rows in found.items()}, of_seconds == of_minutes)


def expected(end: int, session_s: int, sessions: list[int]) -> dict[str, int]:
    """The candles of a symbol that trades in every second of `sessions` (their starts, epoch ms) and of today until `end`."""
    counts = {}
    for level, span_ms in (("1s", 1_000), ("1m", 60_000), ("5m", 300_000), ("1h", HOUR_MS)):
        spans = [(tape.OPEN_MS, end)]
        if level in ("5m", "1h"):  # what a store keeps of the days before
            spans += [(start, start + session_s * 1000) for start in sessions]
        starts = {t - t % span_ms for a, b in spans for t in range(a, b, 1_000 if span_ms == 1_000 else 60_000)}
        counts[level] = sum(1 for t in starts if end - KEPT[level] <= t < end)
    return counts


def rewritten(harness: Harness, memory: Any) -> Rewritten:
    """Asks for a rewrite and looks at memory (`memory()`: PSS by process) until it is done."""
    before, size = memory(), _file(harness)
    began, peak, peak_redis = time.perf_counter(), sum(before.values()), before["redis"]
    harness.client.bgrewriteaof()
    while _busy(harness):
        now = memory()
        peak, peak_redis = max(peak, sum(now.values())), max(peak_redis, now["redis"])
        time.sleep(SAMPLE_S)
    return Rewritten(time.perf_counter() - began, before, peak, peak_redis, size, _file(harness))


def _busy(harness: Harness) -> bool:
    info: Any = harness.client.info("persistence")
    return bool(info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])


def at_rest(harness: Harness) -> bool:
    """Whether no rewrite is under way."""
    return not _busy(harness)


def _file(harness: Harness) -> float:
    info: Any = harness.client.info("persistence")
    return float(info["aof_current_size"]) / (1 << 20)


def table(found: list[Readable], whole: dict[str, int] | None, done: Rewritten) -> Table:
    """`whole`: what a symbol with a bar in every second must have, where the first of `found` is one."""
    made = Table(
        "After the close: candles over REST",
        ["symbol", *(f"{level} of {_span(kept)}" for level, kept in KEPT.items()), "volume of seconds and minutes"],
        command_line("bench.day"),
    )
    for one in found:
        counts = (f"{one.candles[level]:,}" for level in KEPT)
        made.add(one.symbol, *counts, "equal" if one.same else "DIFFERENT")
    if whole is not None:
        missing = sum(abs(whole[level] - found[0].candles[level]) for level in KEPT)
        made.require(
            f"candles missing of a symbol with a bar every second, of {sum(whole.values()):,}", missing, at_most=0
        )
    made.require("symbols whose minutes differ from their seconds in volume", sum(not x.same for x in found), at_most=0)
    total = sum(done.before.values())
    made.notes.append(
        f"A rewrite of the append-only file at the market's own rate took {done.seconds:.1f} s; PSS of all processes "
        f"{total:.0f} MiB before, {done.peak:.0f} at its highest (+{done.peak - total:.0f}), of Redis "
        f"{done.before['redis']:.0f} and {done.peak_redis:.0f}; the file {done.file_before:,.0f} MiB before, "
        f"{done.file_after:,.0f} after."
    )
    return made


def _span(ms: int) -> str:
    return f"{ms // DAY_MS} d" if ms >= DAY_MS else f"{ms // HOUR_MS} h"

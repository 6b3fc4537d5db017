"""The soak: thousands of bars a second while every 20 s a process or connection, chosen by a seed, is killed."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator

from market.calendar import Hours
from redis_functions.read.completeness import coverage
from tests.chaos.rows import Row
from tests.chaos.scene import Scene, let_pass
from tests.chaos.verdict import Promise

RATE = 5_000.0
#: Every symbol has at most one bar a second.
SYMBOLS_PER_BAR = 1.1
EVERY_S = 20.0
#: A lower bound, on a busy machine of two cores.
SYMBOLS_REPAIRED_PER_S = 20
#: Time after the last kill for what it killed to come back.
REST_S = 15.0
KINDS = ("ingest", "redis", "drop")


def plan(seconds: float, seed: int) -> list[tuple[float, str]]:
    """(second after the first subscription, what is killed), one every EVERY_S."""
    chance = random.Random(seed)
    times = [EVERY_S * k for k in range(1, int((seconds - REST_S) / EVERY_S) + 1)]
    # Each kind once before any repeats, so that a short run has them all.
    kinds: Iterator[str] = (kind for _ in times for kind in chance.sample(KINDS, len(KINDS)))
    return [(at, next(kinds)) for at in times]


def soak(seconds: float, seed: int, rate: float = RATE) -> Row:
    """The soak as a row. The simulator drops its connections by itself, at the planned times."""
    planned = plan(seconds, seed)
    drops = ",".join(f"drop@{at:g}" for at, kind in planned if kind == "drop")

    def play(scene: Scene) -> None:
        began = time.monotonic()
        for at, kind in planned:
            let_pass(max(0.0, began + at - time.monotonic()))
            print(f"soak: {at:.0f} s of {seconds:.0f}, killed: {kind}", file=sys.stderr, flush=True)
            _kill(scene, kind)
        let_pass(max(0.0, began + seconds - time.monotonic()))
        scene.beside.append(lambda expected: _uncovered(scene))

    perhaps = ("restart", "connection lost", "server closed", "no frame", "overload")
    reasons = {"ingest": "restart", "drop": "without a close frame"}
    gaps = tuple(reasons[kind] for _, kind in planned if kind in reasons)
    symbols = round(rate * SYMBOLS_PER_BAR)
    # A gap concerns every symbol, and REST answers symbol by symbol.
    patience = 60.0 + len(gaps) * (30.0 + symbols / SYMBOLS_REPAIRED_PER_S)
    promise = Promise(gaps, perhaps, widest=60.0, repaired_within_s=patience)
    name = f"{seconds:.0f} s at {rate:,.0f} bars/s, a kill every {EVERY_S:.0f} s (seed {seed})"
    options = {
        "symbols": symbols, "rate": rate, "faults": drops, "seed": seed, "ingest": {"TAPEWATCH_REST_PER_SECOND": "1000"},
    }  # fmt: skip
    return Row(name, play, promise, options)


def _kill(scene: Scene, kind: str) -> None:
    if kind == "ingest":
        scene.kill("ingest")
        scene.start_ingest()
    elif kind == "redis":
        scene.kill("redis")
        let_pass(1)
        scene.start_redis()


def _uncovered(scene: Scene) -> list[str]:
    """Checks that after repair the coverage is 100 % of the minutes in which the market was sent."""
    start, end = scene.truth().span
    hours = Hours(start * 1000, (end + 1) * 1000)
    found = coverage(scene.settled_gaps, len(scene.names), hours, hours.close)
    return [f"coverage {found.fraction:.4%}, {found.missing} minutes missing"] if found.missing else []

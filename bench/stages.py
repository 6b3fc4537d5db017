"""Where the daemon's CPU goes, stage by stage, in one process: µs of CPU a bar, frames of 300 and batches as they come.

`python -m bench.stages [--short]`
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import hiredis
import orjson

from bench import tape
from bench.raw import answered, record
from bench.table import Table, command_line, report
from indicators.velocity import Detector
from ingest.bars.market_state import MarketState
from ingest.spool.log import Spool
from ingest.spool.segment import DATA
from market.bar import Bar
from redis_functions.contract.codec import bar_json, pack
from redis_functions.contract.schema import Schema
from vendor.vendors import DEFAULT

ROUNDS = 3

State = TypeVar("State")


def cost(work: Callable[[], object], events: int) -> float:
    """CPU µs an event, the best of some rounds: what disturbs can only add."""
    return fresh_cost(lambda: None, lambda _: work(), events)


def fresh_cost(prepare: Callable[[], State], work: Callable[[State], object], events: int) -> float:
    """The same for work that changes what it works on: each round has its own, made off the clock."""
    best = float("inf")
    for _ in range(ROUNDS):
        state = prepare()
        began = time.process_time()
        work(state)
        best = min(best, time.process_time() - began)
    return best / events * 1e6


def stages(frames: Sequence[bytes], seconds: Sequence[Sequence[Bar]]) -> dict[str, float]:
    """Each stage's cost over the same bars; the first second only makes the symbols known."""
    warm, bars = list(seconds[0]), list(itertools.chain.from_iterable(seconds[1:]))
    n, now = len(bars), bars[-1].t + 1000
    batches = [bars[i : i + tape.FRAME_EVENTS] for i in range(0, n, tape.FRAME_EVENTS)]

    def a_tape() -> MarketState:
        known = MarketState(Schema().lateness_ms)
        known.take(warm, now)
        return known

    def a_detector() -> Detector:
        detector = Detector(window_s=5, threshold=0.5, cooldown_s=300, base="window_start", max_age_s=30)
        for bar in warm:
            detector.index(bar.sym)
        return detector

    known = a_tape()
    taken = [(part.idx, part.t, part.close / 1e4) for batch in batches for part in known.take(batch, now)]
    decode = DEFAULT.decoder()
    found = {"spool: append and CRC32C": cost(lambda: _spool(frames), n)}
    found["decode: JSON to checked bars"] = cost(lambda: [decode(frame) for frame in frames], n)
    found["tape: accept, newest, volume"] = fresh_cost(a_tape, lambda t: [t.take(batch, now) for batch in batches], n)
    found["velocity"] = fresh_cost(a_detector, lambda detector: [detector.update(*part) for part in taken], n)
    newest = [True] * tape.FRAME_EVENTS
    found["codec: bar as JSON"] = cost(lambda: [bar_json(bar) for bar in bars], n)
    found["codec: batches as commands (JSON included)"] = cost(
        lambda: [pack(batch, newest[: len(batch)]) for batch in batches], n
    )
    # A server that only answers, in the same process: its own part is taken off below.
    payload = bytes(record(bars, Schema()).payload)
    whole = cost(lambda: record(bars, Schema()), n)
    found["writer: batches, commands, replies (codec included)"] = whole - cost(lambda: _answer(payload), n)
    return found


def _spool(frames: Sequence[bytes]) -> None:
    with tempfile.TemporaryDirectory(prefix="tb-") as folder:
        spool = Spool(Path(folder, "s"), limit_bytes=1 << 30, max_age_s=3600)
        spool.open()
        for i, frame in enumerate(frames):
            spool.append(frame, i, DATA, reserve=False)
        spool.close()


def _answer(payload: bytes) -> int:
    """Does what the recording server does; in pieces, because hiredis moves what is left each time."""
    commands = hiredis.Reader()
    pieces = (payload[begin : begin + (1 << 16)] for begin in range(0, len(payload), 1 << 16))
    return sum(answered(commands, piece).count(b"\n") for piece in pieces)


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.stages", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="few bars")
    args = parser.parse_args(argv)
    symbols, count = (300, 3) if args.short else (10_000, 4)
    seconds = tape.bars(tape.names(symbols), count)
    frames = tape.frames([tape.aggregate(bar) for bar in itertools.chain.from_iterable(seconds[1:])])
    table = Table(
        f"Where the daemon's CPU goes: {symbols:,} symbols in random order",
        ["stage", "µs/bar"],
        command_line("bench.stages"),
    )
    for name, us in stages(frames, seconds).items():
        table.add(name, f"{us:.2f}")
    table.add(
        "(for comparison: orjson.loads of the frames)",
        f"{cost(lambda: [orjson.loads(f) for f in frames], symbols * (count - 1)):.2f}",
    )
    table.notes.append(
        "Best of three. Not in it: reading the WebSocket, the event loop, the kernel's part of both sockets."
    )
    return [table]


if __name__ == "__main__":
    report(run())

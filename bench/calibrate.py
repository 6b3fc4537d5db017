"""The constants of `tapewatch plan` that depend on Redis alone: bytes of an empty series and of a sample.

`python -m bench.calibrate`: run it after a change of Redis or of the chunk sizes; what it prints belongs into
tapewatch/capacity.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from bench import tape
from bench.harness import Harness
from bench.table import Table, command_line, report
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS, Schema, create_commands
from tapewatch import machine_speed

SHARES = (1.0, 0.5, 0.2, 0.05)
#: Level to its bucket in seconds and its chunks.
LEVELS = {"1s": (1, 384), "1m": (60, 192), "5m": (300, 192), "1h": (3600, 192)}


def used(harness: Harness) -> int:
    return int(harness.client.info("memory")["used_memory"])


def sample_bytes(harness: Harness, span: int, chunk: int, share: float, samples: int, symbols: int = 20) -> float:
    """Bytes a sample of long series, chunks and all, as a mean of the six fields; `share` of the buckets have one."""
    rng = np.random.default_rng([span, int(share * 100)])
    harness.client.flushall()
    names = [f"{name}{i}" for i in range(symbols) for name in FIELDS]
    for name in names:
        harness.client.execute_command("TS.CREATE", name, "CHUNK_SIZE", chunk)
    before = used(harness)
    total = 0
    for i in range(symbols):
        slots = np.flatnonzero(rng.random(int(samples / share)) < share)
        times = (tape.OPEN_MS + slots * span * 1000).tolist()
        n = len(slots)
        total += n * len(FIELDS)
        cents = np.maximum(
            100, 2_000 + i * 2_000 + np.rint(rng.normal(0, 1, n) * 0.3 * (20 + i * 20) * span**0.5 * 0.03).cumsum()
        )
        close = (cents * 100).astype(np.int64)
        spread = (rng.integers(0, 3, (2, n)) * int(100 * span**0.25)).astype(np.int64)
        volume = np.maximum(1, rng.lognormal(5.5, 1.2, n) * span**0.7).astype(np.int64)
        columns = (np.roll(close, 1), close + spread[0], close - spread[1], close, volume, close * volume)
        for field, values in zip(FIELDS, columns, strict=True):
            words: list[str | int] = []
            for t, value in zip(times, values.tolist(), strict=True):
                words += [f"{field}{i}", t, value]
            harness.client.execute_command("TS.MADD", *words)
    return (used(harness) - before) / total


def empty_bytes(harness: Harness, labels: bool, symbols: int = 1_000) -> float:
    """Bytes of an empty series with its rules, as a mean of a symbol's 24, with its place in `symbols`."""
    harness.client.flushall()
    before = used(harness)
    pipe = harness.client.pipeline(transaction=False)
    for name in tape.names(symbols):
        for command in create_commands(name, Schema(labels=labels)):
            pipe.execute_command(*command)
        pipe.sadd(keys.SYMBOLS, name)
    pipe.execute()
    del pipe
    return (used(harness) - before) / symbols / 24


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.calibrate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="few samples")
    args = parser.parse_args(argv)
    samples = 300 if args.short else 3_000
    with Harness() as harness:
        table = Table(
            "Bytes a sample, by the share of buckets that have one",
            ["level", *map(str, SHARES)],
            command_line("bench.calibrate"),
        )
        for level, (span, chunk) in LEVELS.items():
            table.add(level, *(f"{sample_bytes(harness, span, chunk, share, samples):.2f}" for share in SHARES))
        bare, labelled = (empty_bytes(harness, labels, 100 if args.short else 1_000) for labels in (False, True))
    table.notes.append(
        f"A core of this machine: {machine_speed.bar_us():.2f} µs a bar of the work in tapewatch/machine_speed.py."
    )
    table.notes.append(f"An empty series with its rules: {bare:,.0f} bytes, with labels {labelled:,.0f}.")
    return [table]


if __name__ == "__main__":
    report(run())

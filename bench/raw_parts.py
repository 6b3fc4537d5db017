"""What the raw limit is made of: the writer's bytes as they are, and with one duty of Redis less at a time.

`python -m bench.raw_parts [--short] [--symbols N] [--seconds S]`
"""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Sequence

from bench import tape
from bench.harness import Harness, cpu_s
from bench.ingest import NO_REWRITE, SCHEMA, make_series
from bench.raw import Recording, blast, record
from bench.table import Table, command_line, report
from market.timeframes import STORED
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS

_NO_FILE = ("--appendonly", "no")
_MADD = b"*19\r\n$7\r\nTS.MADD\r\n"
_COMMAND = re.compile(rb"(?=\*19\r\n\$7\r\nTS\.MADD\r\n|\*3\r\n\$3\r\nSET\r\n|\*3\r\n\$7\r\nPUBLISH\r\n)")


def samples_only(taken: Recording) -> Recording:
    """The TS.MADD of full bars among the commands, without `latest:` and what is published."""
    only = Recording()
    commands = [command for command in _COMMAND.split(bytes(taken.payload)) if command.startswith(_MADD)]
    only.payload += b"".join(commands)
    only.lines = 7 * len(commands)
    return only


def server_s(sent: Sequence[Recording], symbols: Sequence[str], options: Sequence[str], rules: bool) -> float:
    """Redis's CPU for the second of two recordings, the better of two times."""
    found = []
    for _ in range(2):
        with Harness(redis_options=(*NO_REWRITE, *options)) as harness:
            make_series(harness, symbols)
            if not rules:
                delete_rules(harness, symbols)
            blast(harness.socket, sent[0])
            before = cpu_s(harness.redis_pid)
            blast(harness.socket, sent[1])
            found.append(cpu_s(harness.redis_pid) - before)
    return min(found)


def delete_rules(harness: Harness, symbols: Sequence[str]) -> None:
    pipe = harness.client.pipeline(transaction=False)
    for symbol, field, level in itertools.product(symbols, FIELDS, list(STORED)[1:]):
        pipe.execute_command("TS.DELETERULE", keys.series(symbol, "1s", field), keys.series(symbol, level, field))
    pipe.execute()


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.raw_parts", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="12,000 bars: whether it runs, not how fast")
    parser.add_argument("--symbols", type=int, help="default 10,000")
    parser.add_argument("--seconds", type=int, help="seconds of every symbol's bars; default 20")
    args = parser.parse_args(argv)
    count, seconds = args.symbols or (200 if args.short else 10_000), args.seconds or (60 if args.short else 20)
    symbols = tape.names(count)
    seconds_of_bars = tape.bars(symbols, seconds + 1)
    timed = list(itertools.chain.from_iterable(seconds_of_bars[1:]))
    whole = record(seconds_of_bars[0], SCHEMA), record(timed, SCHEMA)
    only = samples_only(whole[0]), samples_only(whole[1])
    variants: list[tuple[str, tuple[Recording, Recording], tuple[str, ...], bool]] = [
        ("all of it: the raw limit (a)", whole, (), True),
        ("without the append-only file", whole, _NO_FILE, True),
        ("TS.MADD alone, no latest: and PUBLISH", only, (), True),
        ("TS.MADD alone, no rules", only, (), False),
        ("TS.MADD alone, no rules, no append-only file", only, _NO_FILE, False),
    ]
    table = Table(
        f"What Redis does for a bar: {count:,} symbols in random order, {seconds} s of every symbol",
        ["what is sent, and what Redis has to do", "of the raw limit", "bars/s of a core", "server µs/bar"],
        command_line("bench.raw_parts"),
    )
    all_of_it = 0.0
    for name, sent, options, rules in variants:
        cost = server_s(sent, symbols, options, rules) / len(timed) * 1e6
        all_of_it = all_of_it or cost
        table.add(name, f"{all_of_it / cost:.2f}", f"{1e6 / cost:,.0f}", f"{cost:.1f}")
    table.notes.append("Sent by a bare socket, to a fresh Redis each; the better of two. Nothing is required here.")
    return [table]


if __name__ == "__main__":
    report(run())

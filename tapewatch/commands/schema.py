"""`tapewatch schema apply`: brings the series in Redis to the settings."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from redis import Redis

from market.printable import printable
from redis_functions.write.provision import NotApplied, apply
from tapewatch.commands._store import with_store
from tapewatch.settings import Settings

HELP = "bring the series of all symbols in Redis to the settings (retention, chunk size, labels)"

#: Seconds between two lines of progress.
PROGRESS_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("apply",), help="idempotent; ingest may run meanwhile")


def run(args: argparse.Namespace, settings: Settings) -> int:
    def work(client: Redis) -> int:
        try:
            done = apply(client, settings.schema, progress())
        except NotApplied as error:
            print(printable(f"tapewatch: {error}"), file=sys.stderr)
            return 1
        print(f"symbols: {done.symbols:,}, series created: {done.created:,}, brought to the settings: {done.altered:,}")
        return 0

    return with_store(settings, work)


def progress(clock: Callable[[], float] = time.monotonic) -> Callable[[int, int], None]:
    """Returns a function that prints progress to stderr, at most once in PROGRESS_S seconds."""
    reported = clock()

    def report(done: int, of: int) -> None:
        nonlocal reported
        if clock() - reported >= PROGRESS_S and done < of:
            reported = clock()
            print(f"  {done:,} of {of:,} symbols", file=sys.stderr, flush=True)

    return report

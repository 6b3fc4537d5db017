"""`tapewatch store reset --yes`: empties the store and the spool of this data folder."""

from __future__ import annotations

import argparse
import contextlib
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator

from redis import Redis

from ingest.spool.errors import SpoolLocked
from ingest.spool.log import Spool
from redis_functions.read import process_metrics
from redis_functions.server import embedded
from redis_functions.write.reset import reset
from tapewatch.cli import EX_USAGE, CannotGoOn
from tapewatch.commands import redis as redis_command
from tapewatch.commands._store import with_store
from tapewatch.commands.config import shown
from tapewatch.settings import Settings

HELP = "empty the store and the spool of this data folder, to fill them from another market"

#: How long a server that is started for this may take to load its data, seconds.
START_S = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("reset",), help="delete bars, alerts, gaps and the spool; watchlists stay")
    parser.add_argument("--yes", action="store_true", help="really delete them")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """0 when the store is empty; 1 while ingest runs or Redis does not answer, 2 without --yes."""
    spool = settings.data_path / "spool"
    if not args.yes:
        where = shown("redis_url", settings.store_url)
        print(
            f"tapewatch: this deletes all bars, alerts and gaps in {where} and the spool in {spool}; "
            "to do that: tapewatch store reset --yes",
            file=sys.stderr,
        )
        return EX_USAGE
    if _is_locked(settings):
        print(f"tapewatch: ingest is running on {spool}: stop it first", file=sys.stderr)
        return 1
    with _server(settings):
        code = with_store(settings, _reset)
    if code == 0 and spool.exists():
        shutil.rmtree(spool)
        print(f"spool: {spool} deleted")
    return code


def _is_locked(settings: Settings) -> bool:
    folder = settings.data_path / "spool"
    if not folder.exists():
        return False
    # No limits: looking must not shorten what is there.
    spool = Spool(folder, limit_bytes=1 << 62, max_age_s=math.inf)
    try:
        spool.open()
    except SpoolLocked:
        return True
    spool.close()
    return False


def _reset(client: Redis) -> int:
    if process_metrics.alive(client, "ingest"):
        print("tapewatch: ingest is writing to this store (or did within 15 s): stop it first", file=sys.stderr)
        return 1
    deleted = reset(client, lambda count: print(f"  {count:,} keys deleted", file=sys.stderr, flush=True))
    print(f"store: {deleted:,} keys deleted; watchlists and keys of others are left alone")
    return 0


@contextlib.contextmanager
def _server(settings: Settings) -> Iterator[None]:
    """The embedded server for as long as this takes, where none is running."""
    if settings.redis_url or redis_command.answers(settings):
        yield
        return
    try:
        command = embedded.command(settings.data_path, maxmemory_mb=redis_command.maxmemory_mb(settings))
    except embedded.CannotServe as error:
        raise CannotGoOn(str(error)) from None
    if not redis_command.lock(settings.data_path):
        raise CannotGoOn(f"another Redis is running in {settings.data_path.resolve()} and does not answer")
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        redis_command.wait(settings, START_S, server.pid)
        yield
    finally:
        server.terminate()
        server.wait()

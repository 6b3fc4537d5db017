"""`tapewatch redis`: the embedded server in the foreground, on the Unix socket in the data folder."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from redis.exceptions import RedisError

from redis_functions.server import embedded
from redis_functions.server.connection import connect
from tapewatch import machine
from tapewatch.cli import CannotGoOn
from tapewatch.settings import Settings
from tapewatch.trusted_files import secure_folder

HELP = "the embedded Redis in the foreground, on redis.sock in the data folder"

#: Seconds to wait for a server that is shutting down to release its folder.
LOCK_WAIT_S = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--wait", type=float, metavar="SECONDS", help="start nothing: wait until Redis answers")
    parser.add_argument("--pid", type=int, help="with --wait: give up at once when this process, the server's, is gone")
    only.add_argument(
        "--needed", action="store_true", help="start nothing: exit 0 when no other Redis is configured, else 1"
    )


def _become(command: list[str]) -> NoReturn:
    """The server takes this process over, so that signals and supervisors reach it directly."""
    sys.stdout.flush()
    os.execv(command[0], command)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Replaces this process by the server, or answers --needed or --wait. Raises CannotGoOn when it cannot run here."""
    if args.needed:
        return _wanted(settings)
    if args.wait is not None:
        return wait(settings, args.wait, args.pid)
    secure_folder(settings.data_path)
    try:
        command = embedded.command(settings.data_path, maxmemory_mb=maxmemory_mb(settings))
    except embedded.CannotServe as error:
        raise CannotGoOn(str(error)) from None
    if not lock(settings.data_path):
        print(f"tapewatch: another Redis is running in {settings.data_path.resolve()} already", file=sys.stderr)
        return 1
    _become(command)


def maxmemory_mb(settings: Settings, machine_mib: float | None = None) -> int:
    """The embedded server's limit in MB: the setting's, the profile's, or half of the machine's memory.

    Without a limit symbols without end would take the whole machine; at the limit Redis refuses writes and the spool holds them.
    """
    return settings.maxmemory_mb or int((machine_mib or machine.this_machine()[0]) / 2)


def _wanted(settings: Settings) -> int:
    if not settings.redis_url:
        return 0
    print("tapewatch: TAPEWATCH_REDIS_URL is set, so the embedded Redis is not needed", file=sys.stderr)
    return 1


def answers(settings: Settings) -> bool:
    """Whether Redis answers now."""
    with connect(settings.store_url, timeout=2) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


def wait(settings: Settings, seconds: float, pid: int | None) -> int:
    """0 once Redis answers; 1 with a line on stderr after `seconds`, or when its process `pid` has ended."""
    end = time.monotonic() + seconds
    with connect(settings.store_url, timeout=1) as client:
        while True:
            try:
                client.ping()
                return 0
            except RedisError as error:
                if pid is not None and not _runs(pid):
                    print(f"tapewatch: Redis (process {pid}) ended before it answered", file=sys.stderr)
                    return 1
                if time.monotonic() > end:
                    print(f"tapewatch: Redis does not answer within {seconds:g} s: {error}", file=sys.stderr)
                    return 1
            time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Uses signal 0, as a hardened unit cannot see the process under /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def lock(data_dir: Path) -> bool:
    """Locks the data folder for the life of this process, past its exec; False when another server has it.

    Two servers on one append-only file would ruin it, and a socket cannot show it: a starting server has none yet.
    """
    held = os.open(data_dir.resolve() / "redis" / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(held, True)
    end = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(held)
                return False
        time.sleep(0.05)


def is_locked(data_dir: Path) -> bool:
    """Whether a server runs in the data folder, whatever became of its socket."""
    try:
        held = os.open(data_dir.resolve() / "redis" / "lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(held)

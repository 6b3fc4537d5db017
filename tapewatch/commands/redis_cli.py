"""`tapewatch redis-cli …`: redis-cli on the Redis that tapewatch uses, the embedded server's socket included."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from redis_functions.server import embedded
from redis_functions.server.address import Address
from tapewatch.cli import CannotGoOn
from tapewatch.settings import Settings

HELP = "redis-cli on the Redis of these settings (the embedded server's socket unless a URL is set)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="…",
        help="a command, such as PING; options of redis-cli after --",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Becomes redis-cli. Raises CannotGoOn where there is none."""
    address = Address.parse(settings.store_url)
    binary = _binary()
    environ = dict(os.environ)
    if address.password:
        environ["REDISCLI_AUTH"] = address.password  # not on the command line, which others can see
    command = [str(binary), *address.cli_options(), *args.words]
    sys.stdout.flush()
    os.execve(command[0], command, environ)


def _binary() -> str:
    found = shutil.which("redis-cli")
    if found:
        return found
    try:
        return str(embedded.command_line())
    except embedded.CannotServe as error:
        raise CannotGoOn(f"no redis-cli: install the package redis-tools ({error})") from None

"""The command line: imports the module of the command, reads the settings, prints an error as one line."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from tapewatch.settings import BadSettings, load

#: Exit codes: wrong use of the command line; trying again will not help (systemd does not restart).
EX_USAGE = 2
EX_CONFIG = 78

#: Command -> its module in tapewatch.commands, imported only when the command is used.
COMMANDS: dict[str, str] = {
    "run": "run",
    "redis": "redis",
    "ingest": "ingest",
    "bridge": "bridge",
    "simulate": "simulate",
    "replay": "replay",
    "functions": "functions",
    "schema": "schema",
    "users": "users",
    "grafana": "grafana",
    "plan": "plan",
    "doctor": "doctor",
    "config": "config",
}


class CannotGoOn(Exception):
    """Trying again will not help (a rejected key, no server for this machine): one line, exit code 78."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage before it; its subparsers are of the same kind."""

    def error(self, message: str) -> NoReturn:
        self.exit(EX_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = next((w for w in words if not w.startswith("-")), None)
    parser = _parser(name)
    args = parser.parse_args(words)
    try:
        settings = load(args.config, os.environ)
        return int(args.command(args, settings))
    except BadSettings as error:
        print(f"tapewatch: {error}", file=sys.stderr)
        return EX_CONFIG
    except CannotGoOn as error:
        print(f"tapewatch: {error}", file=sys.stderr)
        return EX_CONFIG
    except KeyboardInterrupt:
        return 130


def _parser(command: str | None) -> argparse.ArgumentParser:
    """The parser; imports only the module of `command`, so that no command pays for the imports of another."""
    parser = _Parser(
        prog="tapewatch",
        description="Watches the whole US stock tape on one small box. Start with `tapewatch run`.",
        epilog="Settings: tapewatch.toml or TAPEWATCH_<NAME> variables; `tapewatch config` lists them.",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings file (default: tapewatch.toml if it exists)"
    )
    parser.add_argument("--version", action="version", version=f"tapewatch {version('tapewatch')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    names = [command] if command in COMMANDS else list(COMMANDS)
    for name in names:
        module = importlib.import_module(f"tapewatch.commands.{COMMANDS[name]}")
        sub = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(sub)
        sub.set_defaults(command=module.run)
    return parser

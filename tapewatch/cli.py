"""The command line: imports the module of the command, reads the settings, prints an error as one line."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from market.printable import printable
from tapewatch.given_text import of_kubernetes
from tapewatch.load_settings import load
from tapewatch.logs import JsonFormatter, Masker
from tapewatch.settings import PREFIX, BadSettings

#: Exit codes: wrong use of the command line; trying again will not help (systemd does not restart); those that a shell
#: reports for SIGPIPE and SIGINT.
EX_USAGE = 2
EX_CONFIG = 78
EX_PIPE = 141
EX_INTERRUPTED = 130

#: Command -> its module in tapewatch.commands, imported only when the command is used.
COMMANDS: dict[str, str] = {
    "run": "run",
    "redis": "redis",
    "ingest": "ingest",
    "bridge": "bridge",
    "simulate": "simulate",
    "replay": "replay",
    "redis-cli": "redis_cli",
    "store": "store",
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
    try:
        try:
            return _main(words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output (`| head`) has closed the pipe. Nothing may be flushed into it at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EX_PIPE
    except KeyboardInterrupt:
        return EX_INTERRUPTED


def _main(words: list[str]) -> int:
    name = next((w for w in words if not w.startswith("-")), None)
    try:
        args = _parser(name).parse_args(words)
        settings = load(args.config, os.environ)
        if foreign := of_kubernetes(os.environ):
            _complain(f"ignoring variables that Kubernetes made of its Services: {', '.join(foreign)}", logging.WARNING)
        return int(args.command(args, settings))
    except (BadSettings, CannotGoOn) as error:
        _complain(str(error), logging.ERROR)
        return EX_CONFIG


def _complain(text: str, level: int) -> None:
    """One line on stderr; as a log record where the environment asks for logs in JSON."""
    if os.environ.get(f"{PREFIX}LOG_FORMAT") == "json":
        record = logging.LogRecord("tapewatch", level, __file__, 0, text, None, None)
        text = JsonFormatter(Masker(())).format(record)
        print(text, file=sys.stderr)
    else:
        print(f"tapewatch: {printable(text)}", file=sys.stderr)


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

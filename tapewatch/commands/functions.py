"""`tapewatch functions load|list`: the Redis Functions of this version."""

from __future__ import annotations

import argparse
import sys

from redis import Redis

from redis_functions.lua import loader
from tapewatch.commands._store import with_store
from tapewatch.settings import Settings

HELP = "load the Redis Functions, or list those that are loaded"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("load", "list"), help="load: idempotent; list: what Redis has")


def run(args: argparse.Namespace, settings: Settings) -> int:
    return with_store(settings, _load if args.action == "load" else _list)


def _load(client: Redis) -> int:
    loaded = loader.ensure(client)
    if not loaded.changed:
        print(f"{loader.LIBRARY} {loaded.version}: already loaded, nothing changed")
    elif loaded.previous is None:
        print(f"{loader.LIBRARY} {loaded.version}: loaded")
    else:
        print(f"{loader.LIBRARY} {loaded.version}: loaded in place of {loaded.previous}")
    return 0


def _list(client: Redis) -> int:
    version, ours = loader.version_of(client), loader.library().version
    if version is None:
        print("tapewatch: no functions are loaded: `tapewatch functions load`", file=sys.stderr)
        return 1
    here = "this version" if version == ours else f"this tapewatch has {ours}: `tapewatch functions load`"
    print(f"{loader.LIBRARY} {version} ({here})")
    for function in loader.functions(client):
        print(f"  {function.name:<18} {function.command:<9} {function.description}")
    return 0

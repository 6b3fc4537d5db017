"""Brings the series of every known symbol to the settings: missing ones are created, the others altered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.schema import Command, Schema, alter_commands, create_commands
from redis_functions.errors import Kind, kind_of

#: Symbols in one pipeline: some 3,000 commands, a few tens of ms.
BATCH = 50


class NotApplied(RuntimeError):
    """Redis refused a command; the text names the key and the reason."""


@dataclass
class Applied:
    """What was done: symbols looked at, series that were missing, series altered."""

    symbols: int = 0
    created: int = 0
    altered: int = 0


def apply(client: Redis, schema: Schema, progress: Callable[[int, int], None] = lambda done, of: None) -> Applied:
    """Applies `schema` to all series of the symbols in Redis. Done again it changes nothing; ingest may run meanwhile.

    `progress` is called with symbols done and symbols in all. Raises NotApplied and redis.RedisError.
    """
    symbols = sorted(str(symbol, "utf-8") for symbol in client.execute_command("SMEMBERS", keys.SYMBOLS))
    done = Applied()
    for start in range(0, len(symbols), BATCH):
        part = symbols[start : start + BATCH]
        done.created += _send(client, [command for symbol in part for command in create_commands(symbol, schema)])
        done.altered += _send(client, [command for symbol in part for command in alter_commands(symbol, schema)])
        done.symbols += len(part)
        progress(done.symbols, len(symbols))
    done.altered -= done.created
    return done


def _send(client: Redis, commands: list[Command]) -> int:
    """Sends `commands`; how many series they made or altered (rules are not counted)."""
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)
    effects = 0
    for command, reply in zip(commands, pipe.execute(raise_on_error=False), strict=True):
        if not isinstance(reply, Exception):
            effects += command[0] != "TS.CREATERULE"
        elif kind_of(reply) is not Kind.EXISTS:
            raise NotApplied(f"{command[1]}: {reply}")
    return effects

"""Redis Functions: the files of `lua/` joined to one library `tapewatch`, loaded once per version.

The version is a hash of the source, answered by the function `tapewatch_version`. FUNCTION LOAD REPLACE is atomic: two
processes that start at once load the same library twice at worst, and no caller finds it missing in between.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ResponseError

LIBRARY = "tapewatch"
VERSION_FUNCTION = "tapewatch_version"
FOLDER = Path(__file__).parent / "lua"

#: What Redis answers to a call of a function that it does not have.
_MISSING = "Function not found"

_ASK: tuple[str, ...] = ("FCALL_RO", VERSION_FUNCTION, "0")


class Library(NamedTuple):
    """The joined source and its version."""

    source: str
    version: str


class Loaded(NamedTuple):
    """What `ensure` left and what it found: `previous` is None where the library was missing, else its version."""

    version: str
    previous: str | None

    @property
    def changed(self) -> bool:
        return self.version != self.previous


@lru_cache(maxsize=1)
def library() -> Library:
    """The library as it is to be loaded: shared helpers (`_*.lua`) first, then each operation in a scope of its own."""
    files = sorted(FOLDER.glob("*.lua"))
    shared = [path.read_text() for path in files if path.name.startswith("_")]
    operations = [f"do\n{path.read_text()}end\n" for path in files if not path.name.startswith("_")]
    body = "".join([f"#!lua name={LIBRARY}\n", *shared, *operations])
    version = sha256(body.encode()).hexdigest()[:12]
    ask = (
        f"redis.register_function{{function_name = '{VERSION_FUNCTION}', flags = {{'no-writes'}},\n"
        f"    callback = function() return '{version}' end}}\n"
    )
    return Library(body + ask, version)


def is_missing(error: ResponseError) -> bool:
    """Whether a call failed only because the library is not loaded (a Redis that was started empty)."""
    return _MISSING in str(error)


def ensure(client: Redis) -> Loaded:
    """Loads the library unless this version is there. Raises redis.RedisError, ResponseError before Redis 7."""
    wanted = library()
    try:
        previous: str | None = _text(client.execute_command(*_ASK))
    except ResponseError as error:
        if not is_missing(error):
            raise
        previous = None
    if previous != wanted.version:
        client.execute_command("FUNCTION LOAD", "REPLACE", wanted.source)
    return Loaded(wanted.version, previous)


async def ensure_async(client: AsyncRedis) -> Loaded:
    """The same for asyncio."""
    wanted = library()
    try:
        previous: str | None = _text(await client.execute_command(*_ASK))
    except ResponseError as error:
        if not is_missing(error):
            raise
        previous = None
    if previous != wanted.version:
        await client.execute_command("FUNCTION LOAD", "REPLACE", wanted.source)
    return Loaded(wanted.version, previous)


def _text(reply: bytes | str) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply

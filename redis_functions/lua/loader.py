"""Redis Functions: the files of `lua/` joined to one library `tapewatch`, loaded once per version.

The version is a hash of the source, answered by the function `tapewatch_version`. FUNCTION LOAD REPLACE is atomic: two
processes that start at once at worst load the same library twice, and no caller finds it missing in between.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ResponseError

from redis_functions.errors import FunctionsMissing, Kind, StoreRefused, kind_of

LIBRARY = "tapewatch"
VERSION_FUNCTION = "tapewatch_version"
FOLDER = Path(__file__).parent

_ASK: tuple[str, ...] = ("FCALL_RO", VERSION_FUNCTION, "0")
_LIST: tuple[str, ...] = ("FUNCTION LIST", "LIBRARYNAME", LIBRARY)


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


class Function(NamedTuple):
    """A function as Redis lists it."""

    name: str
    description: str
    writes: bool

    @property
    def command(self) -> str:
        """The command that calls it."""
        return "FCALL" if self.writes else "FCALL_RO"


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
        f"    description = 'the version of this library', callback = function() return '{version}' end}}\n"
    )
    return Library(body + ask, version)


def version_of(client: Redis) -> str | None:
    """The version that is loaded, None where the library is missing. Raises redis.RedisError."""
    try:
        return _text(client.execute_command(*_ASK))
    except ResponseError as error:
        if not is_missing(error):
            raise
        return None


def functions(client: Redis) -> list[Function]:
    """What is loaded of the library, by name; empty where it is missing."""
    found = []
    for library in client.execute_command("FUNCTION LIST", "LIBRARYNAME", LIBRARY):
        for entry in _pairs(library)[b"functions"]:
            facts = _pairs(entry)
            found.append(
                Function(
                    _text(facts[b"name"]), _text(facts[b"description"] or b""), b"no-writes" not in facts[b"flags"]
                )
            )
    return sorted(found)


def is_missing(error: ResponseError) -> bool:
    """Whether a call failed only because the library is not loaded (a Redis that was started empty)."""
    return kind_of(error) is Kind.NO_FUNCTION


def ensure(client: Redis) -> Loaded:
    """Loads the library unless this version is there.

    Raises FunctionsMissing where it is not and this user may not load it, StoreRefused where another program has its names,
    redis.RedisError else, ResponseError before Redis 7.
    """
    ours, previous = library(), version_of(client)
    if previous != ours.version:
        try:
            if previous is None:
                _check_free(client.execute_command(*_LIST))
            client.execute_command("FUNCTION LOAD", "REPLACE", ours.source)
        except ResponseError as error:
            raise _explained(error, previous) from None
    return Loaded(ours.version, previous)


async def ensure_async(client: AsyncRedis) -> Loaded:
    """`ensure` for asyncio. Raises the same errors."""
    ours = library()
    try:
        previous: str | None = _text(await client.execute_command(*_ASK))
    except ResponseError as error:
        if not is_missing(error):
            raise
        previous = None
    if previous != ours.version:
        try:
            if previous is None:
                _check_free(await client.execute_command(*_LIST))
            await client.execute_command("FUNCTION LOAD", "REPLACE", ours.source)
        except ResponseError as error:
            raise _explained(error, previous) from None
    return Loaded(ours.version, previous)


def _check_free(libraries: list[Any]) -> None:
    """Raises StoreRefused for a library of our name without our version: another program's, which must not be replaced."""
    if libraries:
        raise StoreRefused(
            f"this Redis has a function library {LIBRARY!r} of another program: give tapewatch a Redis of its own, or delete "
            f"it (FUNCTION DELETE {LIBRARY})"
        )


def _explained(error: ResponseError, previous: str | None) -> Exception:
    """What to raise for an error of loading."""
    if kind_of(error) is Kind.DENIED:
        held = "none" if previous is None else f"version {previous}"
        return FunctionsMissing(
            f"this Redis holds {held}, {library().version} is needed, and this user may not load it: as an administrator "
            "run `tapewatch functions load`"
        )
    if "already exists" in str(error):
        return StoreRefused(f"this Redis has a function of the same name in a library of another program: {error}")
    return error


def _pairs(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _text(reply: bytes | str) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply

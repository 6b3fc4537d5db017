"""One store, one market: the hash ``store`` records what the store is filled from, and no other market may be written into it."""

from __future__ import annotations

import logging
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from redis_functions.contract import keys
from redis_functions.errors import Kind, StoreRefused, kind_of

log = logging.getLogger("tapewatch.store")

#: The version of what keys hold; a store of a newer one is refused.
SCHEMA_VERSION = 1
#: The vendor's market, live or delayed. Others: simulator-<seed>, recording-<hash of its content>, or a name.
VENDOR = "vendor"

_FIELDS = ("feed", "market", "schema")
#: Series that are looked at for those of other programs; the store has 24 a symbol.
_SCANNED = 20_000


class Stamp(NamedTuple):
    """`feed`: the feed's name in keys, such as stocks; `market`: what it is filled from."""

    feed: str
    market: str


def other_market(what: str, held: str, wanted: str) -> StoreRefused:
    """The error of a store or spool (`what`) that holds another market than the feed brings."""
    return StoreRefused(
        f"{what} holds the market {held!r}, and this feed is {wanted!r}: use another TAPEWATCH_DATA_DIR (or Redis), "
        "or empty it with `tapewatch store reset --yes`"
    )


async def read_stamp(client: Redis) -> Stamp | None:
    """What the store is filled from; None for one that is empty, or from before stamps. Raises redis.RedisError."""
    feed, market, _ = await _read(client)
    return Stamp(feed or "", market) if market is not None else None


async def claim_store(client: Redis, stamp: Stamp) -> None:
    """Stamps a store that has no stamp yet (it is adopted), and lets one with this stamp be.

    Raises StoreRefused for a store of another market, feed or newer schema, and for a key that another program uses;
    then nothing was changed. Raises redis.RedisError.
    """
    await _check_types(client, stamp.feed)
    feed, market, schema = await _read(client)
    if market is None:
        await _warn_of_others(client)
        await client.hsetnx(keys.STORE, "market", stamp.market)
        await client.hsetnx(keys.STORE, "feed", stamp.feed)
        await client.hsetnx(keys.STORE, "schema", str(SCHEMA_VERSION))
        feed, market, schema = await _read(client)  # another process may have been quicker
    if market != stamp.market:
        raise other_market("this store", str(market), stamp.market)
    if feed is not None and feed != stamp.feed:
        raise other_market("this store", f"{market} (feed {feed})", f"{stamp.market} (feed {stamp.feed})")
    if schema is not None and (not schema.isdigit() or int(schema) > SCHEMA_VERSION):
        raise StoreRefused(
            f"this store has schema {schema}, this tapewatch knows up to {SCHEMA_VERSION}: upgrade tapewatch"
        )


async def _read(client: Redis) -> list[str | None]:
    found = await client.hmget(keys.STORE, list(_FIELDS))
    return [None if text is None else str(text, "utf-8", "replace") for text in found if not isinstance(text, str)]


async def _check_types(client: Redis, feed: str) -> None:
    """Raises StoreRefused for a key of ours by name that holds another type."""
    expected = keys.fixed_types(feed)
    pipe = client.pipeline(transaction=False)
    for name in expected:
        pipe.type(name)
    for name, reply in zip(expected, await pipe.execute(raise_on_error=False), strict=True):
        if isinstance(reply, ResponseError) and kind_of(reply) is Kind.DENIED:
            continue  # a user that may not ask: the writes will be refused by their own errors
        if isinstance(reply, Exception):
            raise reply
        kind = reply.decode()
        if kind not in ("none", expected[name]):
            raise StoreRefused(
                f"the Redis key {name!r} is a {kind}, not the {expected[name]} that tapewatch keeps there: another program uses "
                "this database; give tapewatch a Redis of its own, or rename that key"
            )


async def _warn_of_others(client: Redis) -> None:
    try:
        found = await foreign_series(client)
    except ResponseError:
        return
    if found:
        log.warning("this Redis holds series of another program, such as %s: they are left alone", ", ".join(found[:3]))


async def foreign_series(client: Redis, most: int = _SCANNED) -> list[str]:
    """Some keys that begin like our series and are none, among the first `most` of them. Raises redis.RedisError."""
    found: list[str] = []
    seen = 0
    async for name in client.scan_iter(match=keys.ANY_SERIES, count=1_000):
        text = str(name, "utf-8", "replace")
        seen += 1
        if not keys.is_ours(text):
            found.append(text)
        if seen >= most or len(found) >= 10:
            break
    return sorted(found)

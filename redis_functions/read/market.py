"""What is known of the market as a whole: its symbols, its movers, the previous closes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ResponseError

from market.symbols import is_symbol
from redis_functions.contract import keys
from redis_functions.errors import Kind, kind_of
from redis_functions.read.velocity import price


def read_symbols(client: Redis) -> list[str]:
    """Every symbol seen, sorted."""
    found: Any = client.smembers(keys.SYMBOLS)
    return _names(found)


class SymbolNames:
    """Finds how symbols are written that somebody wrote in another case; the store's symbols are kept while their number is
    the same."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._count = -1
        self._names: dict[str, str] = {}  # by their folded case

    def written_otherwise(self, symbols: Sequence[str]) -> dict[str, str]:
        """For those of `symbols` that the store does not know: the one that differs in case alone, of several the one in
        capitals. Raises RedisError."""
        pipe: Any = self._client.pipeline(transaction=False)
        pipe.scard(keys.SYMBOLS)
        for symbol in symbols:
            pipe.sismember(keys.SYMBOLS, symbol)
        count, *known = pipe.execute(raise_on_error=False)
        if isinstance(count, Exception):
            if kind_of(count) is Kind.WRONG_TYPE:
                return {}  # somebody else's key, which says nothing of symbols
            raise count
        unknown = [symbol for symbol, is_known in zip(symbols, known, strict=True) if not is_known]
        if unknown and count != self._count:
            self._names = {name.casefold(): name for name in reversed(read_symbols(self._client))}
            self._count = count
        return {symbol: self._names[symbol.casefold()] for symbol in unknown if symbol.casefold() in self._names}


async def read_symbols_async(client: AsyncRedis) -> list[str]:
    """The same for asyncio. Raises redis.RedisError."""
    found: Any = await client.smembers(keys.SYMBOLS)
    return _names(found)


def _names(members: Iterable[bytes]) -> list[str]:
    return sorted(str(name, "utf-8", "replace") for name in members)


def is_known(client: Redis, symbol: str) -> bool:
    """Whether the symbol was ever seen."""
    return bool(client.sismember(keys.SYMBOLS, symbol))


def count_symbols(client: Redis) -> int:
    count: Any = client.scard(keys.SYMBOLS)
    return int(count)


def read_movers(client: Redis) -> dict[str, Any]:
    """The last snapshot of movers (see ingest): ``t`` and lists of rows by name; empty before the first one."""
    return _snapshot(client.get(keys.MOVERS))


async def read_all_halted(client: AsyncRedis) -> dict[str, int]:
    """Every halted symbol with the event time of its halt (epoch ms); what is no symbol or no time is left out.

    Raises redis.RedisError.
    """
    try:
        found: Any = await client.hgetall(keys.HALTED)
    except ResponseError as error:
        if kind_of(error) not in (Kind.WRONG_TYPE, Kind.DENIED):  # a user of an earlier version may not read it
            raise
        return {}
    named = {str(name, "utf-8", "replace"): t for name, t in found.items()}
    return {name: int(t) for name, t in named.items() if is_symbol(name) and t.isdigit()}


def read_halted(client: Redis, symbols: Sequence[str]) -> set[str]:
    """Those of `symbols` whose trading is halted."""
    found: Any = client.hmget(keys.HALTED, list(symbols))
    return {symbol for symbol, since in zip(symbols, found, strict=True) if since is not None}


async def read_symbols_by_volume(client: AsyncRedis) -> list[str]:
    """The symbols of the largest volume in the last snapshot, best first. Raises redis.RedisError."""
    rows = _snapshot(await client.get(keys.MOVERS)).get("volume")
    return [str(row["symbol"]) for row in rows if "symbol" in row] if isinstance(rows, list) else []


def _snapshot(raw: Any) -> dict[str, Any]:
    try:
        snapshot = json.loads(raw) if raw else {}
    except ValueError:
        return {}
    return snapshot if isinstance(snapshot, dict) else {}


def read_previous_closes(client: Redis, days: Sequence[date], symbols: Sequence[str]) -> list[dict[str, float]]:
    """For each New York day the real closes before it that the velocity detector divides by; unknown ones left out."""
    pipe: Any = client.pipeline(transaction=False)
    for day in days:
        pipe.hmget(keys.previous_close(day), list(symbols))
    return [
        {symbol: close for symbol, close in zip(symbols, map(price, texts), strict=True) if close == close}
        for texts in pipe.execute()
    ]

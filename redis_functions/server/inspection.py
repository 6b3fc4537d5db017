"""What a Redis is and how it is set, as far as the store cares; and how a symbol's series differ from a schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ResponseError

from market.timeframes import STORED
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS, Schema
from redis_functions.errors import Kind, kind_of

#: The oldest module whose compaction (late samples, LATEST) is right: 1.10.
OLDEST_MODULE = 11000


@dataclass(frozen=True)
class Server:
    """A Redis server; None where it may not be asked (access lists, managed services). Memory in bytes, 0: no limit."""

    version: str
    module: int  # 11202 means 1.12.2; 0: none
    policy: str | None
    append_only: bool | None
    append_ok: bool
    io_threads: int | None
    used_memory: int
    maxmemory: int

    @property
    def module_version(self) -> str:
        return f"{self.module // 10000}.{self.module // 100 % 100}.{self.module % 100}"


def server(client: Redis) -> Server:
    """Asks the server. Raises redis.RedisError, as where even INFO is not allowed."""
    facts: dict[str, Any] = {}
    for section in ("server", "memory", "persistence"):
        facts |= client.info(section)
    modules = client.info("modules").get("modules", [])
    if isinstance(modules, dict):  # a single one
        modules = [modules]
    module = next((int(m["ver"]) for m in modules if m.get("name") == "timeseries"), 0)
    aof = facts.get("aof_enabled")
    return Server(
        version=str(facts.get("redis_version", "?")),
        module=module,
        policy=facts.get("maxmemory_policy"),
        append_only=None if aof is None else bool(aof),
        append_ok=facts.get("aof_last_write_status", "ok") == "ok",
        io_threads=_io_threads(client),
        used_memory=int(facts.get("used_memory", 0)),
        maxmemory=int(facts.get("maxmemory", 0)),
    )


async def used_memory(client: AsyncRedis) -> float | None:
    """Bytes that the server uses; None where this user may not ask (INFO is among the dangerous commands).

    Raises redis.RedisError.
    """
    try:
        return float((await client.info("memory"))["used_memory"])
    except ResponseError as error:
        if kind_of(error) is not Kind.DENIED:
            raise
        return None


def _io_threads(client: Redis) -> int | None:
    try:
        return int(client.config_get("io-threads")["io-threads"] or "")
    except (ResponseError, KeyError, ValueError):
        return None


def sample_symbol(client: Redis) -> str | None:
    """Some symbol of the store; None while it is empty. Raises redis.RedisError."""
    name = client.srandmember(keys.SYMBOLS)
    return name.decode() if isinstance(name, bytes) else None


def differences(client: Redis, symbol: str, schema: Schema) -> list[str]:
    """How the series of `symbol` differ from `schema`, one phrase each; empty: not at all. Raises redis.RedisError."""
    found: list[str] = []
    for field in FIELDS:
        for timeframe in STORED:
            key = keys.series(symbol, timeframe, field)
            try:
                reply = client.execute_command("TS.INFO", key)
            except ResponseError as error:
                found.append(f"{key}: {'missing' if kind_of(error) is Kind.NO_SERIES else error}")
                continue
            info = dict(zip((name.decode() for name in reply[::2]), reply[1::2], strict=True))
            found += [f"{key}: {difference}" for difference in _differences(info, symbol, timeframe, field, schema)]
    return found


def _differences(info: dict[str, Any], symbol: str, timeframe: str, field: str, schema: Schema) -> list[str]:
    found = []
    retention = schema.retention_ms[timeframe]
    if info["retentionTime"] != retention:
        found.append(f"retention {info['retentionTime']} ms, not {retention}")
    if info["duplicatePolicy"] != b"last":
        found.append(f"duplicate policy {_text(info['duplicatePolicy'])}, not last")
    chunk = schema.chunk_1s if timeframe == "1s" else schema.chunk_rolled
    if info["chunkSize"] != chunk:
        found.append(f"chunk size {info['chunkSize']}, not {chunk}")
    labels = {_text(label[0]): _text(label[1]) for label in info["labels"]}
    expected_labels = {"symbol": symbol, "field": field, "timeframe": timeframe} if schema.labels else {}
    if labels != expected_labels:
        found.append("labels missing" if expected_labels else "labels that the settings exclude")
    if timeframe == "1s":
        rules = {_text(rule[0]): (int(rule[1]), _text(rule[2]).lower()) for rule in info["rules"]}
        expected = {
            keys.series(symbol, larger, field): (bucket, FIELDS[field])
            for larger, bucket in STORED.items()
            if larger != "1s"
        }
        found += [f"no rule to {target}" for target, rule in expected.items() if rules.get(target) != rule]
    return found


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

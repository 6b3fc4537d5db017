"""The Redis Functions of `lua/` as typed Python functions: the only place that spells an FCALL.

A Redis that was started empty has no functions: a call that finds none loads the library and is made once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError, ResponseError

from market.bar import MINUTE_MS
from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert
from redis_functions.contract.schema import FIELDS, MINUTE_MARK_MS
from redis_functions.errors import Kind, kind_of
from redis_functions.lua import loader

#: The stream of alerts keeps about this many.
ALERTS_MAXLEN = 10_000
#: How long the samples of ``alert:{SYM}`` are kept, in event time.
ALERT_RETENTION_MS = 30 * 86_400_000
#: Bytes; few alerts a symbol, so a small first chunk.
ALERT_CHUNK = 128

RAISED, DUPLICATE, COOLDOWN = "raised", "duplicate", "cooldown"

#: A command's words, as redis-py takes them.
Words = tuple[str | int, ...]


def raise_alert_args(alert: Alert, cooldown_ms: int) -> Words:
    """The call of lua/raise_alert.lua."""
    return (
        "FCALL", "raise_alert", 2, keys.ALERTS, keys.ALERTS_FIRED,
        alert.id, int(alert.t), alert.symbol, alert.rule, alert.severity, alert.direction or "",
        repr(float(alert.magnitude)), alert.message, repr(float(alert.price)),
        cooldown_ms, ALERTS_MAXLEN, keys.CHANNEL_ALERTS,
    )  # fmt: skip


def alert_sample_args(alert: Alert) -> Words:
    """The sample of `alert` in ``alert:{SYM}``: an upsert, so writing it again changes nothing."""
    return (
        "TS.ADD", keys.alert_series(alert.symbol), int(alert.t), repr(float(alert.magnitude)),
        "RETENTION", ALERT_RETENTION_MS, "CHUNK_SIZE", ALERT_CHUNK, "ON_DUPLICATE", "LAST",
        "LABELS", "symbol", alert.symbol, "field", "alert",
    )  # fmt: skip


def make_way_args(symbol: str, minute: int) -> Words:
    """The call of lua/make_way.lua: the bar that filled the minute starting at `minute` makes way for its second bars."""
    series = (keys.series(symbol, "1s", field) for field in FIELDS)
    return ("FCALL", "make_way", len(FIELDS), *series, minute, minute + MINUTE_MARK_MS, MINUTE_MS)


async def raise_alerts(client: AsyncRedis, alerts: Sequence[Alert], cooldown_ms: int) -> list[str | RedisError]:
    """Raises each alert at most once and in order: stream entry and publication in one atomic step, then its sample.

    Answers for each RAISED, DUPLICATE (already raised), COOLDOWN (one of this rule, symbol and direction is nearer than
    `cooldown_ms` of event time, before or after) or the error that Redis gave it. The sample is written again for a duplicate,
    in case a crash came between the two. Raises redis.RedisError where the connection fails.
    """
    found = await _answers(client, [raise_alert_args(alert, cooldown_ms) for alert in alerts])
    if any(isinstance(reply, ResponseError) and loader.is_missing(reply) for reply in found):
        await loader.ensure_async(client)
        found = await _answers(client, [raise_alert_args(alert, cooldown_ms) for alert in alerts])
    outcomes = [reply if isinstance(reply, RedisError) else _text(reply) for reply in found]
    written = [i for i, outcome in enumerate(outcomes) if outcome in (RAISED, DUPLICATE)]
    for i, reply in zip(written, await _answers(client, [alert_sample_args(alerts[i]) for i in written]), strict=True):
        # One older than the series keeps: a replay of another year.
        if isinstance(reply, RedisError) and not (isinstance(reply, ResponseError) and _is_too_old(reply)):
            outcomes[i] = reply
    return outcomes


async def _answers(client: AsyncRedis, commands: Sequence[Words]) -> list[Any]:
    """Each command's reply or error."""
    pipe = client.pipeline(transaction=False)
    for words in commands:
        pipe.execute_command(*words)
    return list(await pipe.execute(raise_on_error=False)) if commands else []


def raise_alert_sync(client: Redis, alert: Alert, cooldown_ms: int) -> str:
    """`raise_alerts` of one alert for a plain client; raises its error."""
    outcome = _text(_call(client, raise_alert_args(alert, cooldown_ms)))
    if outcome != COOLDOWN:
        try:
            client.execute_command(*alert_sample_args(alert))
        except ResponseError as error:
            if not _is_too_old(error):
                raise
    return outcome


def last_bar(client: Redis, symbol: str) -> dict[str, str]:
    """The last bar of `symbol`: sym t o h l c v vw as texts, "" for null; empty when there is none."""
    words = [_text(word) for word in _call(client, ("FCALL_RO", "last_bar", 1, keys.latest(symbol)))]
    return dict(zip(words[::2], words[1::2], strict=True))


def candles_args(symbol: str, timeframe: str, start: int | None, end: int | None, count: int) -> Words:
    """The call of lua/candles.lua; `timeframe` is a stored one, None is no bound."""
    series = (keys.series(symbol, timeframe, field) for field in FIELDS)
    low, high = "-" if start is None else start, "+" if end is None else end
    return ("FCALL_RO", "candles", len(FIELDS), *series, low, high, count)


def candles(
    client: Redis, symbol: str, timeframe: str, start: int | None = None, end: int | None = None, count: int = 100
) -> list[list[str]]:
    """Rows [t, o, h, l, c, v, vw] of the newest complete candles starting in `start`..`end`, ascending.

    Raises ResponseError for a symbol without series or a count outside 1..1000.
    """
    return _rows(_call(client, candles_args(symbol, timeframe, start, end, count)))


def movers_top(client: Redis, by: str, n: int = 10) -> list[list[str]]:
    """Rows [symbol, last, velocity, change, volume, t] of the last snapshot, best first; `by` is one of its lists."""
    return _rows(_call(client, ("FCALL_RO", "movers_top", 1, keys.MOVERS, by, n)))


async def call_async(client: AsyncRedis, words: Words) -> Any:
    """The reply to an FCALL; a library that is missing is loaded first. Raises redis.RedisError."""
    try:
        return await client.execute_command(*words)
    except ResponseError as error:
        if not loader.is_missing(error):
            raise
    await loader.ensure_async(client)
    return await client.execute_command(*words)


def _call(client: Redis, words: Words) -> Any:
    try:
        return client.execute_command(*words)
    except ResponseError as error:
        if not loader.is_missing(error):
            raise
    loader.ensure(client)
    return client.execute_command(*words)


def _is_too_old(error: ResponseError) -> bool:
    return kind_of(error) is Kind.TOO_OLD


def _rows(reply: list[list[bytes]]) -> list[list[str]]:
    return [[_text(word) for word in row] for row in reply]


def _text(reply: bytes | str) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply

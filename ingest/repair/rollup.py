"""Minutes of the past into the store: where second bars must no longer be written, 1m, 5m and 1h are written themselves.

A compaction rule recomputes the whole bucket of a late second from the second bars that are left, so a second may be written
only while its largest bucket, an hour H, is kept whole: ``H >= newest - retention`` of its series. An hour that is not kept
whole is *frozen*: its buckets were closed long ago (the retention is longer than an hour), no live bar may come so late, and
no rule will touch it again. So hours, not seconds, are young or old, and a candle written here stays as written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from market.bar import MINUTE_MS, Bar
from market.timeframes import STORED
from redis_functions.contract import keys
from redis_functions.contract.codec import stored_notional
from redis_functions.contract.schema import Schema, create_commands, is_repeat
from redis_functions.read.candles import VOLUME, Candles, aggregate, join
from redis_functions.read.ranges import Samples

HOUR_MS = max(STORED.values())
_ROLLED = {name: ms for name, ms in STORED.items() if ms > MINUTE_MS}
_FIELDS = tuple(keys.FIELDS)
#: Samples in one TS.MADD.
_TOGETHER = 1_000
#: Volumes are sums of doubles; a difference this small is none.
_SAME = 1e-9

Sample = tuple[str, int, int | float]


def young_from(newest: int | None, retention_ms: int) -> int:
    """The first hour whose second bars are all kept, where `newest` is the newest of them: from there on seconds may be
    written, what lies before is frozen. 0 where there is none yet."""
    return 0 if newest is None else -(-(newest - retention_ms) // HOUR_MS) * HOUR_MS


def worth_writing(held: Candles, told: Sequence[Bar]) -> list[Bar]:
    """Those of the `told` minutes that are not `held`, or held with less volume: a gap cut them off at its edges."""
    volumes = dict(zip(held.t.tolist(), np.nan_to_num(held.fields[VOLUME]).tolist(), strict=True))
    return [bar for bar in told if bar.t not in volumes or bar.v > volumes[bar.t] * (1 + _SAME)]


def merged(held: Candles, written: Sequence[Bar]) -> Candles:
    """`held` minutes with the `written` ones in their places, ascending."""
    columns = [(bar.o, bar.h, bar.l, bar.c, bar.v, stored_notional(bar)) for bar in written]
    t = np.array([bar.t for bar in written], np.int64)
    kept = ~np.isin(held.t, t)
    times = np.concatenate([held.t[kept], t])
    fields = np.concatenate([held.fields[:, kept], np.array(columns, np.float64).reshape(-1, len(_FIELDS)).T], axis=1)
    order = np.argsort(times, kind="stable")
    return Candles(times[order], fields[:, order])


def rolled_up(minutes: Candles, bucket_ms: int, touched: Iterable[int]) -> Candles:
    """The candles of `bucket_ms` that the times `touched` lie in, made of whole `minutes`: first, max, min, last, sum, sum."""
    starts = minutes.t - minutes.t % bucket_ms
    wanted = np.isin(starts, np.array(sorted({t - t % bucket_ms for t in touched}), np.int64))
    return aggregate(Candles(minutes.t[wanted], minutes.fields[:, wanted]), starts[wanted])


async def newest_seconds(client: Redis, symbol: str) -> dict[str, int | None]:
    """The time of the newest sample of each field's second bars."""
    pipe = client.pipeline(transaction=False)
    for field in _FIELDS:
        pipe.execute_command("TS.GET", keys.series(symbol, "1s", field))
    replies = await pipe.execute(raise_on_error=False)
    return {
        field: int(reply[0]) if reply else None for field, reply in zip(_FIELDS, map(_samples, replies), strict=True)
    }


async def write_minutes(client: Redis, symbol: str, told: Sequence[Bar], schema: Schema) -> int:
    """Writes those of the `told` minutes (of frozen hours, ascending) that are worth it, and the larger candles that they
    belong to. Returns how many minutes. Raises redis-py's errors; done again it changes nothing.
    """
    if not told:
        return 0
    first, last = told[0].t // HOUR_MS * HOUR_MS, told[-1].t // HOUR_MS * HOUR_MS + HOUR_MS - 1
    held = await _read_minutes(client, symbol, first, last)
    written = worth_writing(held, told)
    if written:
        newest = await newest_seconds(client, symbol)
        limits = {field: young_from(t, schema.retention_ms["1s"]) for field, t in newest.items()}
        wanted = samples(symbol, merged(held, written), written, limits)
        await _write(client, symbol, wanted, _ends(symbol, newest), schema)
    return len(written)


def samples(symbol: str, minutes: Candles, written: Sequence[Bar], young: Mapping[str, int]) -> list[Sample]:
    """What to write, as (key, time, value), where `minutes` are those of all hours concerned with the `written` among them.

    The prices may be behind the volume by hours (odd lots set no price): a field whose own seconds are all kept from
    ``young[field]`` on gets its minutes there as marks among the seconds, which its rules roll up; all else goes to 1m, 5m
    and 1h. A mark holds good beside seconds of its minute too: before all of them but the first, the close after them.
    """
    found: list[Sample] = []
    levels = {"1m": minutes} | {
        name: rolled_up(minutes, ms, [bar.t for bar in written]) for name, ms in _ROLLED.items()
    }
    chosen = {bar.t for bar in written}
    for row, field in enumerate(_FIELDS):
        for name, candles in levels.items():
            for t, value in zip(candles.t.tolist(), candles.fields[row].tolist(), strict=True):
                if value != value or (name == "1m" and t not in chosen):
                    continue
                if t - t % HOUR_MS < young[field]:
                    found.append((keys.series(symbol, name, field), t, _plain(value)))
                elif name == "1m":
                    mark = MINUTE_MS - 1 if field == "close" else keys.MINUTE_MARK_MS
                    found.append((keys.series(symbol, "1s", field), t + mark, _plain(value)))
    return found


async def _read_minutes(client: Redis, symbol: str, start: int, end: int) -> Candles:
    pipe = client.pipeline(transaction=False)
    for field in _FIELDS:
        pipe.execute_command("TS.RANGE", keys.series(symbol, "1m", field), start, end, "LATEST")
    columns = []
    for reply in map(_samples, await pipe.execute(raise_on_error=False)):
        columns.append(
            Samples(np.array([int(t) for t, _ in reply], np.int64), np.array([float(v) for _, v in reply], np.float64))
        )
    return Candles(*join(columns))


def _samples(reply: Any) -> Any:
    """The reply; none where the series does not exist. Raises other errors."""
    if isinstance(reply, Exception):
        if "key does not exist" not in str(reply):
            raise reply
        return []
    return reply


def _ends(symbol: str, newest: Mapping[str, int | None]) -> list[tuple[str, int]]:
    """For each compacted series an instant behind all its closed buckets and before the open one, at which nothing is."""
    return [
        (keys.series(symbol, name, field), t - t % ms - 1)
        for field, t in newest.items()
        if t is not None
        for name, ms in STORED.items()
        if name != "1s"
    ]


async def _write(
    client: Redis, symbol: str, wanted: Sequence[Sample], ends: Sequence[tuple[str, int]], schema: Schema
) -> None:
    """One transaction of the symbol's slot.

    A bucket that a rule writes late does not move its series' notion of the newest sample, and a sample of our own between
    the two would be put behind it, out of order. A sample at the end, added and deleted again, sets that notion right.
    """
    for attempt in range(2):
        pipe = client.pipeline(transaction=True)
        if ends:
            pipe.execute_command("TS.MADD", *[word for key, t in ends for word in (key, t, 0)])
        for key, t in ends:
            pipe.execute_command("TS.DEL", key, t, t)
        for begin in range(0, len(wanted), _TOGETHER):
            words = [word for sample in wanted[begin : begin + _TOGETHER] for word in sample]
            pipe.execute_command("TS.MADD", *words)
        errors = [
            error
            for reply in await pipe.execute(raise_on_error=False)
            for error in (reply if isinstance(reply, list) else [reply])
            if isinstance(error, Exception)
        ]
        # Where a level is kept for a shorter time than 1m, its candle is rightly refused.
        errors = [error for error in errors if "older than retention" not in str(error)]
        if not errors:
            return
        if attempt or not all("not a TSDB key" in str(e) or "key does not exist" in str(e) for e in errors):
            raise errors[0] if isinstance(errors[0], RedisError) else ResponseError(str(errors[0]))
        await _create(client, symbol, schema)


async def _create(client: Redis, symbol: str, schema: Schema) -> None:
    pipe = client.pipeline(transaction=False)
    for command in create_commands(symbol, schema):
        pipe.execute_command(*command)
    for reply in await pipe.execute(raise_on_error=False):
        if isinstance(reply, Exception) and not is_repeat(str(reply)):
            raise reply


def _plain(value: float) -> int | float:
    return int(value) if value == int(value) else value

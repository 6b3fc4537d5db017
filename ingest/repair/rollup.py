"""Minutes of the past into the store: where second bars must no longer be written, 1m, 5m and 1h are written themselves.

A compaction rule recomputes the whole bucket of a late second from the second bars that are left, so a second may be written
only while its largest bucket, an hour H, is kept whole: ``H >= newest - retention`` of its series. An hour that is not kept
whole is *frozen*: its buckets were closed long ago (the retention is longer than an hour), no live bar may come so late, and
no rule will touch it again. So hours, not seconds, are young or old, and a candle written here stays as written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from redis.asyncio import Redis

from market.bar import MINUTE_MS, Bar
from market.timeframes import STORED
from redis_functions.contract.codec import minute_mark, stored_notional
from redis_functions.contract.schema import FIELDS, Schema
from redis_functions.read.candles import VOLUME, Candles, aggregate
from redis_functions.read.samples import read_minutes, read_newest_fields
from redis_functions.write.candles import FieldSample, write_samples

HOUR_MS = max(STORED.values())
_ROLLED = {name: ms for name, ms in STORED.items() if ms > MINUTE_MS}
_FIELDS = tuple(FIELDS)
#: Volumes are sums of doubles; a difference this small is none.
_SAME = 1e-9


def young_from(newest: int | None, retention_ms: int) -> int:
    """The first hour whose second bars are all kept, where `newest` is the newest of them: from there on seconds may be
    written, what lies before is frozen. 0 where there is none yet."""
    return 0 if newest is None else -(-(newest - retention_ms) // HOUR_MS) * HOUR_MS


def worth_writing(held: Candles, received: Sequence[Bar]) -> list[Bar]:
    """The `received` minutes that are not `held`, or held with less volume: a gap cut them off at its edges."""
    volumes = dict(zip(held.t.tolist(), np.nan_to_num(held.fields[VOLUME]).tolist(), strict=True))
    return [bar for bar in received if bar.t not in volumes or bar.v > volumes[bar.t] * (1 + _SAME)]


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
    affected = np.isin(starts, np.array(sorted({t - t % bucket_ms for t in touched}), np.int64))
    return aggregate(Candles(minutes.t[affected], minutes.fields[:, affected]), starts[affected])


async def write_minutes(client: Redis, symbol: str, received: Sequence[Bar], schema: Schema) -> int:
    """Writes those of the `received` minutes (of frozen hours, ascending) that add something, and the larger candles that they
    belong to. Returns how many minutes. Raises redis-py's errors; done again it changes nothing.
    """
    if not received:
        return 0
    first, last = received[0].t // HOUR_MS * HOUR_MS, received[-1].t // HOUR_MS * HOUR_MS + HOUR_MS - 1
    held = await read_minutes(client, symbol, first, last)
    written = worth_writing(held, received)
    if written:
        newest = await read_newest_fields(client, symbol)
        limits = {field: young_from(t, schema.retention_ms["1s"]) for field, t in newest.items()}
        written_samples = samples(merged(held, written), written, limits)
        await write_samples(client, symbol, written_samples, newest, schema)
    return len(written)


def samples(minutes: Candles, written: Sequence[Bar], young: Mapping[str, int]) -> list[FieldSample]:
    """What to write, where `minutes` are those of all hours concerned with the `written` among them.

    The prices may be behind the volume by hours (odd lots set no price): a field whose own seconds are all kept from
    ``young[field]`` on gets its minutes there as marks among the seconds, which its rules roll up; all else goes to 1m, 5m
    and 1h. A mark holds good beside seconds of its minute too: before all of them but the first, the close after them.
    """
    found: list[FieldSample] = []
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
                    found.append(FieldSample(name, field, t, _plain(value)))
                elif name == "1m":
                    mark = t + MINUTE_MS - 1 if field == "close" else minute_mark(t)
                    found.append(FieldSample("1s", field, mark, _plain(value)))
    return found


def _plain(value: float) -> int | float:
    return int(value) if value == int(value) else value

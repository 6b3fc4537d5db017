"""A market in the store as the daemon leaves it: bars of the last hour and more, statistics, movers, alerts, gaps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from redis import Redis

from market.bar import Bar
from market.price import ticks
from market.sessions import day_of
from redis_functions.contract import keys
from redis_functions.contract.statistics import STATISTICS
from tests.support import write_bars

SYMBOLS = ("AAPL", "AMZN", "BRK.B", "MSFT", "NVDA", "TSLA")
HISTORY_MS = 65 * 60_000
SPIKE = "velocity"
#: The feed was out from so long before the end to so long before it, ms.
OUTAGE_MS = (150_000, 60_000)


def fill(redis: Redis, now: int) -> None:
    """Everything up to `now` (epoch ms, a whole second), except an outage."""
    write_bars(redis, _bars(now))
    for day in {day_of(t).date for t in (now - HISTORY_MS, now)}:
        redis.hset(keys.previous_close(day), mapping=dict.fromkeys(SYMBOLS, "100"))
    _stats(redis, now)
    redis.set(keys.MOVERS, json.dumps(_movers(now)))
    for number, symbol in enumerate(SYMBOLS):
        _alert(redis, symbol, now - 30_000 * (number + 1), "up" if number % 2 else "down")
    start = now - 300_000
    for state, end in (("open", ""), ("repaired", str(start + 20_000))):
        fields = {"gap": "g1", "symbols": "*", "from": str(start), "to": end, "reason": "reconnect", "state": state}
        redis.xadd(keys.gaps("stocks"), fields)


def _out(t: int, now: int) -> bool:
    return now - OUTAGE_MS[0] < t < now - OUTAGE_MS[1]


def _bars(now: int) -> Iterator[Bar]:
    """A bar of every symbol each three seconds: prices swing by about a percent a minute."""
    for number, symbol in enumerate(SYMBOLS):
        for t in range(now - HISTORY_MS, now + 1, 3_000):
            if _out(t, now):
                continue
            price = 100 + 20 * number + math.sin(t / 9_000 + number)
            o, c = ticks(price), ticks(price + 0.1)
            volume = 100 + t // 1000 % 7
            yield Bar(symbol, t, o, max(o, c) + 5, min(o, c) - 5, c, volume, c * volume)


#: What a daemon in good health reports; every other statistic has some figure of its own.
_HEALTHY = {"connected": 1, "clock_behind_ms": 0}


def _stats(redis: Redis, now: int) -> None:
    pipe = redis.pipeline(transaction=False)
    for place, name in enumerate(STATISTICS):
        for t in range(now - 900_000, now + 1, 5_000):
            if _out(t, now):
                continue
            value = _HEALTHY.get(name, place + t // 60_000 % 5)
            pipe.execute_command("TS.ADD", keys.stat(name), t, value)
    pipe.execute()


def _movers(now: int) -> dict[str, Any]:
    rows = [
        {
            "symbol": symbol,
            "last": 100.0 + number,
            "velocity": (number - 2) / 10,
            "change": 3.0 - number,
            "volume": 1000 * (number + 1),
            "t": now,
        }
        for number, symbol in enumerate(SYMBOLS)
    ]
    out: dict[str, Any] = {"t": now}
    for by in ("velocity", "change"):
        ranked = sorted(rows, key=lambda row: -float(row[by]))
        out |= {by: ranked, f"{by}_down": ranked[::-1]}
    return out | {"volume": sorted(rows, key=lambda row: -float(row["volume"]))}


def _alert(redis: Redis, symbol: str, t: int, direction: str) -> None:
    fields = {
        "id": f"{SPIKE}:{symbol}:{t}:{direction}",
        "t": str(t),
        "symbol": symbol,
        "rule": SPIKE,
        "severity": "warning",
        "direction": direction,
        "magnitude": "0.8" if direction == "up" else "-0.8",
        "message": f"{symbol} moved",
        "price": "100.5",
    }
    redis.xadd(keys.ALERTS, fields)

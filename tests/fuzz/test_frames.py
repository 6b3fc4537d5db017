"""Frames of any kind through the decoder, a hot path and a real daemon: nothing raises, nothing invalid is stored, and
the counters add up to what was sent."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from ingest.watchlists import Watched
from market.bar import Bar
from market.limits import MAX_NOTIONAL, MAX_TIME
from market.symbols import is_symbol
from tests.fake_vendor import KEY, VendorThread, second_bar
from tests.fuzz import LONG, times
from tests.fuzz.frames import SYMBOLS, Frames
from tests.ingest.harness import running
from tests.support import Running
from vendor.interface import Decoded
from vendor.massive.decode import decode
from vendor.vendors import DEFAULT

NOW = 1_763_650_000_000
#: A million frames in the long form.
SEEDS = range(8) if LONG else range(1)
EACH = times(20_000, 125_000)


BAR_EVENT = {
    "ev": "A", "sym": "FZ1", "v": 200, "dv": "200.0", "av": 9, "op": 25.66, "vw": 25.4, "o": 25.39, "c": 25.4, "h": 25.41,
    "l": 25.38, "s": NOW, "e": NOW + 1000,
}  # fmt: skip
PRINT_EVENT = {"ev": "T", "sym": "FZ1", "x": 4, "i": "1", "z": 3, "p": 114.125, "s": 100, "c": [12], "t": NOW, "q": 7}
HALT_EVENT = {"ev": "LULD", "T": "FZ1", "h": 2, "l": 1, "i": [17], "z": 3, "t": NOW, "q": 1}


def kinds(found: Decoded) -> Counter[str]:
    return Counter(
        second=len(found.bars), minute=len(found.minutes), trade=len(found.trades), halt=len(found.halts), band=found.bands,
        status=len(found.statuses), set_aside=found.set_aside.total(),
    )  # fmt: skip


def check(found: Decoded) -> None:
    """What was decoded adds up, and everything behind the decoder may rely on it."""
    assert kinds(found).total() == found.events
    for bar in found.bars:
        check_bar(bar, 1000)
    for bar in found.minutes:
        check_bar(bar, 60_000)
    for trade in found.trades:
        assert is_symbol(trade.sym)
        assert 0 < trade.t < MAX_TIME
        assert 0 < trade.p < 1e8
        assert 0 <= trade.s < 1e15
        assert trade.p * trade.s * 10_000 < MAX_NOTIONAL
        assert all(type(number) is int for number in trade.c)
    for halt in found.halts:
        assert is_symbol(halt.sym)
        assert 0 < halt.t < MAX_TIME


def check_bar(bar: Bar, span: int) -> None:
    assert is_symbol(bar.sym)
    assert bar.span == span
    assert bar.t % span == 0
    assert 0 < bar.t < MAX_TIME
    o, h, low, c = bar.o, bar.h, bar.l, bar.c
    assert o is not None
    assert h is not None
    assert low is not None
    assert c is not None
    assert 0 < low <= min(o, c) <= max(o, c) <= h
    assert math.isfinite(bar.v)
    assert bar.v >= 0
    assert bar.n is None or 0 <= bar.n < MAX_NOTIONAL
    assert bar.av is None or math.isfinite(bar.av)


def test_what_is_kept_of_a_frame_for_those_who_watch() -> None:
    """While the disk is full, frames are reduced to the events of watched symbols, hostile frames included."""
    frames, watched, kept = Frames(5, NOW), Watched(Redis(), DEFAULT), 0
    watched.symbols = frozenset(SYMBOLS[:3])
    for number in range(times(5_000, 200_000)):
        frame = frames.next()
        part = watched.only(frame)
        if part is not None:
            assert {event.get("sym", event.get("T")) for event in json.loads(part)} <= watched.symbols, number
            kept += 1
    assert kept > 100


@settings(max_examples=times(300, 20_000), deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    check(decode(raw))
    check(decode(b'[{"ev":"A",' + raw + b"}]"))


#: What may stand where a value is expected, valid JSON or not.
ODD_VALUES = [
    b"NaN", b"-Infinity", b"1e999", b"-1e-999", b"0x10", b"1.", b".5", b"+1", b"01", b"9" * 400, b"", b"nul", b"tru", b"{",
    b"]", b'"', b'"\\"', b'"\\ud800"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\\x"', b'"\x00\n"', b'"},{"', b"[[[",
    b'{"ev":"A"}', b"//", b"'x'",
]  # fmt: skip


@settings(max_examples=times(400, 20_000), deadline=None)
@given(
    st.sampled_from([BAR_EVENT, PRINT_EVENT, HALT_EVENT]),
    st.data(),
    st.sampled_from(ODD_VALUES) | st.binary(max_size=12) | st.text(max_size=6).map(lambda x: json.dumps(x).encode()),
)
def test_an_odd_value_in_any_field_costs_its_own_event_only(event: dict[str, Any], data: Any, odd: bytes) -> None:
    """Its neighbours are used whatever it is."""
    name = data.draw(st.sampled_from(sorted(event)))
    raw = json.dumps(event | {name: "HERE"}).encode().replace(b'"HERE"', odd)
    neighbour = json.dumps(BAR_EVENT | {"sym": "NEXT"}).encode()
    found = decode(b"[" + neighbour + b"," + raw + b"," + neighbour + b"]")
    check(found)
    assert [bar.sym for bar in found.bars].count("NEXT") == 2
    assert found.events >= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_near_valid_frames(seed: int) -> None:
    frames = Frames(seed, NOW)
    total: Counter[str] = Counter()
    for number in range(EACH):
        frame = frames.next()
        try:
            found = decode(frame)
            check(found)
        except BaseException:
            print(f"frame {number} of seed {seed}: {frame[:2000]!r}")
            raise
        total += kinds(found)
    # The generator reaches every kind, and most of what it makes can be used.
    assert set(total) == {"second", "minute", "trade", "halt", "band", "status", "set_aside"}
    assert total["set_aside"] < total.total() * 0.6


def test_a_hot_path_takes_them_and_goes_on(redis: Any, redis_url: str) -> None:
    count = times(3_000, 100_000)

    async def main() -> None:
        frames, expected = Frames(99, NOW), Counter[str]()
        async with running(redis_url, now_ms=lambda: NOW, minutes_subscribed=True, patience_s=600) as path:
            pipeline = path.pipeline
            for number in range(1, count + 1):
                frame = frames.next()
                expected += kinds(decode(frame))
                path.act(pipeline.step(pipeline.decode(frame, number)))
                await path.writer.has_capacity()
                if number % 50 == 0:
                    await asyncio.sleep(0)
            assert pipeline.counts.frames == count
            assert +pipeline.counts.kinds == expected
            assert pipeline.counts.events == expected.total()
            refused = sum(pipeline.tape.counts.rejected.values()) + pipeline.set_aside["future"]
            assert pipeline.counts.bars > 0
            assert pipeline.counts.bars + refused > expected["second"] / 2

    asyncio.run(main())
    assert b"FZ0" in redis.smembers("symbols")
    assert all(is_symbol(name.decode()) for name in redis.smembers("symbols"))


def metric(text: str, name: str) -> Counter[str]:
    """The samples of ingest's family by their own label."""
    found = re.findall(rf"^{name}_total{{(.*?)}} (\S+)$", text, re.MULTILINE)
    return Counter(
        {
            label: int(float(value))
            for labels, value in found
            for label in re.findall(r'(?:kind|reason)="(.*?)"', labels)
        }
    )


def test_a_real_daemon_takes_them_and_goes_on(redis: Any, redis_url: str) -> None:
    """All through the socket, the spool, the engine and Redis; every event is accounted for, and the next bar is stored."""
    now = time.time_ns() // 1_000_000
    frames, sent = Frames(7, now), 0
    expected: Counter[str] = Counter()
    with VendorThread() as thread, Running(
        "ingest",
        TAPEWATCH_REDIS_URL=redis_url, TAPEWATCH_FEED_URL=thread.vendor.url, MASSIVE_API_KEY=KEY,
        TAPEWATCH_SUBSCRIBE="A.*,T.*,AM.*,LULD.*", TAPEWATCH_STALL_AFTER_S="3600", TAPEWATCH_LOG_LEVEL="error",
    ) as ingest, Running("bridge", TAPEWATCH_REDIS_URL=redis_url) as bridge:  # fmt: skip
        vendor = thread.vendor
        ingest.wait(lambda: vendor.open, 30, "the subscription")
        for _ in range(times(40, 2_000)):
            batch = [frames.next() for _ in range(500)]
            for frame in batch:
                found = decode(frame)
                # The feed itself takes frames of statuses only.
                if found.statuses and len(found.statuses) == found.events and b'"status"' in frame:
                    continue
                sent += 1
                expected += kinds(found)
            for frame in batch:
                thread.call(lambda frame=frame: vendor.send_text(frame))
        thread.send([second_bar("LAST", now - 5_000)])
        sent += 1
        expected["second"] += 1

        def taken() -> Counter[str]:
            return metric(str(bridge.get("/metrics")[1]), "tapewatch_events")

        bridge.wait(lambda: taken().total() >= expected.total(), 900, "all events")
        assert taken() == expected
        assert bridge.get("/api/v1/candles", symbol="LAST", timeframe="1s")[1]
        assert ingest.process.poll() is None
        assert vendor.connections == 1
        assert "Traceback" not in ingest.output()

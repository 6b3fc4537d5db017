"""The packed command of a bar as Redis parses it, and the published JSON."""

from __future__ import annotations

import json

import hiredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from market.bar import MINUTE_MS, Bar
from market.price import NO_NOTIONAL
from redis_functions.contract import keys
from redis_functions.contract.codec import Creation, bar_json, pack, stored_notional, stored_time
from redis_functions.contract.resp import encode
from redis_functions.contract.schema import FIELDS, MINUTE_MARK_MS, Schema, create_commands

T = 1_760_103_000_000
prices = st.none() | st.integers(1, 10**12)
volumes = st.integers(0, 10**15 - 1) | st.floats(0, 1e14).map(lambda x: round(x, 6))
bars = st.builds(
    Bar,
    sym=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.:/_+-]{0,31}", fullmatch=True),
    t=st.integers(60_000, 4 * 10**12),
    o=prices, h=prices, l=prices, c=prices,
    v=volumes,
    n=st.none() | st.integers(0, 2**53),
    span=st.sampled_from([1_000, 60_000]),
)  # fmt: skip


def read(text: bytes) -> list[list[str]]:
    """The words of each packed command, by an independent parser; all must be consumed to the last byte."""
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(text)
    commands = []
    while (words := reader.gets()) is not False:
        assert isinstance(words, list)
        commands.append(words)
    assert not reader.has_data()
    return commands


def madd(bar: Bar) -> list[str]:
    """What stores a bar: its fields that are set."""
    words = ["TS.MADD"]
    values = (bar.o, bar.h, bar.l, bar.c, bar.v, stored_notional(bar))
    for field, value in zip(FIELDS, values, strict=True):
        if value is not None:
            words += [keys.series(bar.sym, "1s", field), str(stored_time(bar)), str(value)]
    return words


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(bars, st.booleans()), min_size=1, max_size=8))
def test_a_batch_stores_tells_and_sums_up_every_bar_in_order(batch: list[tuple[Bar, bool]]) -> None:
    mine = [bar for bar, _ in batch]
    texts = [bar_json(bar).decode() for bar in mine]
    latest = {bar.sym: bar_json(bar).decode() for bar, newest in batch if newest}
    expected = [madd(bar) for bar in mine]
    expected += [["SET", keys.latest(symbol), text] for symbol, text in latest.items()]
    expected += [["PUBLISH", keys.channel_bars(bar.sym), text] for bar, text in zip(mine, texts, strict=True)]
    expected += [["PUBLISH", keys.CHANNEL_BARS, f"[{','.join(texts)}]"]]
    packed = pack(mine, [newest for _, newest in batch])
    assert read(packed.payload) == expected
    assert packed.commands == len(expected)
    # An array's own line and one for each time in it; anything else is one line.
    assert packed.lines == sum(1 + len(words) // 3 if words[0] == "TS.MADD" else 1 for words in expected)


@given(st.lists(st.text(max_size=20) | st.integers(), min_size=1, max_size=6))
def test_any_command_comes_out_as_it_went_in(words: list[str | int]) -> None:
    assert read(encode(words)) == [[str(w) for w in words]]


@pytest.mark.parametrize("schema", [Schema(), Schema(labels=False)])
@given(symbol=bars.map(lambda bar: bar.sym))
def test_a_new_symbol_is_made_by_the_commands_of_the_schema(schema: Schema, symbol: str) -> None:
    creation = Creation(schema)
    creation.pack("A" * len(symbol))  # another of its length comes first
    packed = creation.pack(symbol)
    commands = [*create_commands(symbol, schema), ("SADD", keys.SYMBOLS, symbol)]
    assert read(packed.payload) == [[str(word) for word in words] for words in commands]
    assert packed.commands == len(commands)


@pytest.mark.parametrize("volume", [0, 1, 0.016, 1e-06, 1e-07, 1234567.891, 10**15 - 1, 99999999999999.98])
def test_redis_keeps_every_volume_as_it_is(redis: Redis, volume: float) -> None:
    for command in create_commands("VOL", Schema()):
        redis.execute_command(*command)
    words = read(pack([Bar("VOL", T, 1, 1, 1, 1, volume, 1)], [True]).payload)[0]
    assert redis.execute_command(*words) == [T] * 6
    ((_, stored),) = redis.execute_command("TS.RANGE", keys.series("VOL", "1s", "volume"), "-", "+")
    assert float(stored) == volume


def test_a_minute_bar_is_marked_by_its_time() -> None:
    second = Bar("AAPL", T, 1, 1, 1, 1, 1, 1)
    assert stored_time(second) == T
    assert stored_time(second._replace(span=MINUTE_MS)) == T + MINUTE_MARK_MS


@pytest.mark.parametrize(
    ("volume", "notional", "stored"), [(5, 70, 70), (5, None, NO_NOTIONAL), (0, None, 0), (0, 7, 0)]
)
def test_the_notional_says_whether_there_is_a_vwap(volume: float, notional: int | None, stored: int) -> None:
    assert stored_notional(Bar("AAPL", T, 1, 1, 1, 1, volume, notional)) == stored


def test_the_json_has_real_prices_and_nulls() -> None:
    bar = Bar("BRK.B", T, 4_900_100, 4_910_000, 4_890_000, 4_900_050, 12.5, 61_250_625)
    assert json.loads(bar_json(bar)) == {
        "sym": "BRK.B", "t": T, "o": 490.01, "h": 491.0, "l": 489.0, "c": 490.005, "v": 12.5, "vw": 490.005,
    }  # fmt: skip
    empty = json.loads(bar_json(Bar("BRK.B", T, None, None, None, None, 5, None)))
    assert empty == {"sym": "BRK.B", "t": T, "o": None, "h": None, "l": None, "c": None, "v": 5, "vw": None}
    assert json.loads(bar_json(bar._replace(v=0)))["vw"] is None

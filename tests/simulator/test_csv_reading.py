"""Reading a file: what it states counts, what is missing is an error with both readings, nothing is guessed."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.sessions import NEW_YORK
from simulator.csv_reading import CannotRead, Options, Row, settle
from simulator.csv_rows import MINUTE_MS, SECOND_MS, Reading
from simulator.csv_shapes import UnknownShape, cells_of, layout_of

PANDAS = "datetime,open,high,low,close,volume"
YAHOO = "Datetime,Open,High,Low,Close,Adj Close,Volume"
OHLCV = ",1,1,1,1,1"


def reading(text: str, name: str = "AAPL.csv", options: Options | None = None) -> Reading:
    lines = text.splitlines()
    layout = layout_of(lines[:3], options.columns if options else None)
    rows = [Row(n, cells_of(line)) for n, line in enumerate(lines, 1) if n > len(layout.heads)]
    return settle(Path(name), layout, options or Options(), rows)


def bars(header: str, *stamps: str) -> str:
    return "\n".join([header, *(stamp + "," + ",".join("1" * header.count(",")) for stamp in stamps)])


def test_what_neither_file_nor_user_says_is_an_error_with_both_readings() -> None:
    text = bars(PANDAS, "2019-02-15 16:00:00", "2019-02-15 15:59:00")
    with pytest.raises(CannotRead) as caught:
        reading(text)
    for words in ("--tz", "--stamp start|end", "line 2", "2019-02-15 21:00 UTC with --tz America/New_York",
                  "2019-02-15 16:00 UTC with --tz UTC", "2019-02-15 16:00 to 2019-02-15 16:01 with --stamp start",
                  "2019-02-15 15:59 to 2019-02-15 16:00 with --stamp end"):  # fmt: skip
        assert words in str(caught.value)
    with pytest.raises(CannotRead, match=r"stamped at its start or end: give --stamp start\|end; line 2") as caught:
        reading(text, options=Options(zone=NEW_YORK))
    assert "--tz" not in str(caught.value)
    assert "2019-02-15 21:00 to 2019-02-15 21:01 UTC with --stamp start" in str(caught.value)
    with pytest.raises(CannotRead, match="the time zone of its stamps: give --tz ZONE") as caught:
        reading(text, options=Options(stamp="end"))
    assert "--stamp" not in str(caught.value)
    assert reading(text, options=Options(zone=NEW_YORK, stamp="end")) == Reading("AAPL", NEW_YORK, "end", MINUTE_MS)


def test_what_a_source_documents_holds_for_stamps_as_it_writes_them() -> None:
    with_offset = bars(YAHOO, "2024-11-25 14:30:00+00:00", "2024-11-25 14:31:00+00:00")
    assert reading(with_offset) == Reading("AAPL", None, "start", MINUTE_MS)
    assert reading(with_offset, options=Options(stamp="end")).stamp == "end"
    with pytest.raises(CannotRead, match="--tz ZONE and --stamp"):
        reading(with_offset.replace("+00:00", ""))
    kibot = "01/03/2012,09:30,1,1,1,1,1\n01/03/2012,09:31,1,1,1,1,1"
    assert reading(kibot, "IBM_unadjusted.txt") == Reading("IBM", NEW_YORK, "start", MINUTE_MS)
    assert reading(kibot, "IBM.txt", Options(zone=ZoneInfo("UTC"))).zone == ZoneInfo("UTC")


def test_trades_need_no_more_than_a_zone() -> None:
    with pytest.raises(CannotRead, match="give --tz ZONE; line 2") as caught:
        reading("time,symbol,price,size\n2024-11-25 09:30:00.5,AAPL,1,1")
    assert "--stamp" not in str(caught.value)
    assert reading("time,symbol,price,size\n1732545000,AAPL,1,1") == Reading(None, None, "start", MINUTE_MS)


@pytest.mark.parametrize(
    ("seconds", "span"),
    [
        ([0, 60], MINUTE_MS),
        ([600, 540, 300], MINUTE_MS),
        ([0, 1, 300], SECOND_MS),
        ([1, 60], SECOND_MS),
        ([0, 7], SECOND_MS),
        ([0, 300, 600], "bars of 300 s"),
        ([0, 3600, 7200], "bars of 3600 s"),
        ([0, 86_400], "daily bars"),
        ([0, 82_800, 165_600 + 3_600], "daily bars"),
        ([0, 120, 300], "--span"),
        ([0, 420], "--span"),
        ([0], "--span"),
        ([0, 0], "--span"),
        ([59, 119], "inside one"),
        ([0, 0.5], "--span"),
    ],
)
def test_the_span_of_a_bar_follows_from_distances_or_is_asked_for(seconds: list[float], span: int | str) -> None:
    text = bars(PANDAS, *(str(1_732_545_000 + s) for s in seconds))
    if isinstance(span, int):
        assert reading(text, options=Options(stamp="start")).span_ms == span
    else:
        with pytest.raises(CannotRead, match=span):
            reading(text, options=Options(stamp="start"))


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=40, unique=True), st.sampled_from([1, 5, 60, 300]))
def test_a_span_is_only_what_two_neighbours_have_and_all_fit(numbers: list[int], span: int) -> None:
    """Whatever is missing between them; seconds also where no longer span fits."""
    seconds = [n * span for n in numbers]
    distances = [abs(a - b) for a, b in pairwise(seconds)]
    try:
        found = reading(
            bars(PANDAS, *(str(1_732_545_000 + s) for s in seconds)), options=Options(stamp="start")
        ).span_ms
    except CannotRead:
        return
    assert all(distance * 1000 % found == 0 for distance in distances)
    assert found in [distance * 1000 for distance in distances] or all(math.gcd(*distances) % n for n in (2, 3, 5))


@pytest.mark.parametrize(
    ("name", "span"),
    [
        ("AAPL_1min.csv", MINUTE_MS),
        ("AAPL-1m.csv.gz", MINUTE_MS),
        ("AAPL_1s.csv.zst", SECOND_MS),
        ("AAPL_1Min.txt", MINUTE_MS),
        ("BATS_AAPL, 1.csv", MINUTE_MS),
        ("NASDAQ_DLY_AAPL, 1S_0b8c1.csv", SECOND_MS),
        ("BATS_AAPL, 5.csv", "bars of 300 s"),
        ("BATS_AAPL, 1D.csv", "daily bars"),
        ("AAPL_5min.csv", "bars of 300 s"),
        ("AAPL_1h.csv", "bars of 3600 s"),
        ("AAPL_daily.csv", "daily bars"),
        ("us_stocks_sip/minute_aggs_v1/2025/04/2025-04-16.csv.gz", MINUTE_MS),
        ("us_stocks_sip/day_aggs_v1/2025/04/2025-04-16.csv.gz", "daily bars"),
    ],
)
def test_a_name_says_the_span(name: str, span: int | str) -> None:
    text = bars(PANDAS, "1732545000")
    if isinstance(span, int):
        assert reading(text, name, Options(stamp="start", symbol="X")).span_ms == span
    else:
        with pytest.raises(CannotRead, match=span):
            reading(text, name, Options(stamp="start", symbol="X"))


def test_a_name_that_the_rows_belie_is_an_error() -> None:
    with pytest.raises(CannotRead, match="line 3 is stamped inside one"):
        reading(bars(PANDAS, "1732545000", "1732545001"), "AAPL_1min.csv", Options(stamp="start"))
    with pytest.raises(CannotRead, match="daily bars"):
        reading(bars(PANDAS, "1732545000", "1735137000"), "AAPL_1m.csv", Options(stamp="start"))
    assert reading(bars(PANDAS, "1732545000"), options=Options(stamp="start", span_ms=SECOND_MS)).span_ms == SECOND_MS


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("AAPL.csv", "AAPL"),
        ("BRK.B_1min.csv.gz", "BRK.B"),
        ("KIMpL_1min.csv", "KIMpL"),
        ("BATS_AAPL, 1.csv", "AAPL"),
        ("NASDAQ_DLY_BRK.B, 1_0b8c1.csv", "BRK.B"),
        ("IBM_unadjusted.txt", "IBM"),
        ("my bars.csv", None),
        ("AAPL_1Min.csv", "AAPL"),
        ("BRK-B-1m.csv", "BRK-B"),
        ("2024-01-02.csv", None),
        ("2024-01-02_1min.csv", None),
        ("AAPL-2024-01-02_1min.csv", None),
        ("aapl_1min.csv", None),
        ("aapl.csv", None),
    ],
)
def test_a_name_says_the_symbol(name: str, symbol: str | None) -> None:
    text = bars(PANDAS, "1732545000", "1732545060")
    if symbol:
        assert reading(text, name, Options(stamp="start", span_ms=MINUTE_MS)).symbol == symbol
    else:
        with pytest.raises(CannotRead, match="--symbol"):
            reading(text, name, Options(stamp="start"))


def test_stooqs_period_says_the_span() -> None:
    head = "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
    options = Options(zone=ZoneInfo("Europe/Warsaw"), stamp="end")
    assert reading(head + "AAPL.US,1,20230103,153000,1,1,1,1,1,0", options=options).span_ms == MINUTE_MS
    for period, words in (("5", "bars of 300 s"), ("D", "daily bars"), ("x", "<PER>")):
        with pytest.raises(CannotRead, match=words):
            reading(head + f"AAPL.US,{period},20230103,153000,1,1,1,1,1,0", options=options)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("time,open", "names 2 columns"),
        ("time,open,high,low,close,what", "'what'"),
        ("time,time,high,low,close,volume", "at most once"),
        ("-,open,high,low,close,volume", "needs time"),
        ("time,price,-,-,-,-", "price and size"),
        ("time=when,price=datetime", "'when'"),
        ("time=datetime,open", "not both"),
    ],
)
def test_columns_that_give_no_trade_and_no_bar(columns: str, words: str) -> None:
    with pytest.raises(UnknownShape, match=words):
        layout_of([PANDAS], columns)


def test_columns_read_any_other_file() -> None:
    layout = layout_of(["When;,Px,Qty,Note,Sym"], "time,price,size,-,symbol")
    assert layout.heads == [["When;", "Px", "Qty", "Note", "Sym"]]
    assert not layout_of(["1732545000,1,2"], "time,price,size").heads
    assert dict(layout_of(["When,Px,Qty,Note"], "time=When,price=Px,size=Qty").at) == {"time": 0, "price": 1, "size": 2}

"""The shape of a header, and the error for a header without one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.csv_shapes import KIBOT, SHAPES, Shape, UnknownShape, cells_of, layout_of

THREE_LINES = ["Price,Close,High,Low,Open,Volume", "Ticker,NVDA,NVDA,NVDA,NVDA,NVDA", "Datetime,,,,,"]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_each_header_is_of_its_own_shape(shape: Shape) -> None:
    lines = THREE_LINES if shape.header == THREE_LINES[0] else [shape.header]
    layout = layout_of(lines, None)
    assert layout.shape is shape
    assert layout.width == shape.header.count(",") + 1
    if not shape.exact:
        wider = ["more", *shape.header.upper().split(",")[::-1]]
        assert layout_of([",".join(wider)], None).shape is shape


@pytest.mark.parametrize("shape", KIBOT, ids=lambda shape: shape.name)
def test_kibots_files_are_known_by_their_first_row(shape: Shape) -> None:
    row = ",".join(["01/03/2012", "09:30:00", *"1" * (shape.header.count(",") - 1)])
    assert layout_of([row], None).shape is shape
    with pytest.raises(UnknownShape, match="daily bars"):
        layout_of(["01/03/2012,1,1,1,1,1"], None)


def test_an_unknown_header_lists_what_was_found_what_is_known_and_the_nearest() -> None:
    with pytest.raises(UnknownShape) as caught:
        layout_of(["symbol,timestamp,open,high,low,close,volume_,trade_count,vwap"], None)
    text = str(caught.value)
    assert "found: symbol,timestamp,open,high,low,close,volume_,trade_count,vwap;" in text
    assert "nearest: Alpaca bars, which also has volume;" in text
    for shape in (*SHAPES, *KIBOT):
        assert shape.header in text
    with pytest.raises(UnknownShape, match="nearest: TradingView, which also has Volume"):
        layout_of(["time,open,high,low,close,VWAP"], None)
    with pytest.raises(UnknownShape, match="nearest: plain trades, which also has price, size"):
        layout_of(["Timestamp,Sym,Last,Qty"], None)
    with pytest.raises(UnknownShape, match="nearest: Massive aggregates, which also has window_start"):
        layout_of(["ticker,volume,open,close,high,low,window_begin,transactions"], None)
    with pytest.raises(UnknownShape, match="separated by ';'"):
        layout_of(["time;symbol;price;size"], None)


@pytest.mark.parametrize("columns", [None, "time=x,price=y,size=z"])
def test_control_characters_of_a_header_are_shown_as_text(columns: str | None) -> None:
    with pytest.raises(UnknownShape, match=r"a\\x1b\[2J") as caught:
        layout_of(["a\x1b[2J,b\x07"], columns)
    assert str(caught.value).isprintable()


def test_yfinances_three_lines_name_one_symbol() -> None:
    assert layout_of(THREE_LINES, None).symbol == "NVDA"
    with pytest.raises(UnknownShape, match="2 symbols side by side"):
        layout_of([THREE_LINES[0], THREE_LINES[1].replace("NVDA", "AMD", 1), THREE_LINES[2]], None)
    with pytest.raises(UnknownShape, match="Ticker"):
        layout_of([THREE_LINES[0], "2024-01-02 09:30,1,1,1,1,1"], None)


@given(st.lists(st.text(st.characters(exclude_characters='"\r\n\ufeff', exclude_categories=["Cs"])), min_size=1))
def test_a_line_without_quotes_is_cut_at_its_commas(cells: list[str]) -> None:
    assert cells_of(",".join(cells) + "\r\n") == ",".join(cells).split(",")

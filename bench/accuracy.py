"""How far the indicators are from their references, on real bars: the table of docs/indicators.md.

`python -m bench.accuracy [--short] [--page docs/indicators.md]`
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.page import keep
from bench.table import Table, command_line, report
from indicators import patterns
from indicators.entries import INDICATORS
from indicators.indicator import PRICE
from indicators.registry import Chosen, example, parse_names
from indicators.talib_library import talib
from tests.indicators import formulas, recorded

#: What the page calls the part of it that is this table.
PART = "accuracy: written by python -m bench.accuracy --page"
LIMIT = 1e-9
_TICKS = 10_000
_FORMULA = "published formula, plain Python"
#: In the short form, and where no recorded bars are.
_SHORT, _INVENTED = 2, 4

Columns = Sequence[npt.NDArray[np.float64]]


@dataclass
class Row:
    """A comparison: the largest difference (in money for prices) and how many bars had a value in it."""

    name: str
    reference: str
    difference: float = 0.0
    bars: int = 0

    def add(self, got: Columns, expected: Columns, scales: Sequence[float]) -> None:
        for mine, other, scale in zip(got, expected, scales, strict=True):
            known = ~np.isnan(mine)
            if not np.array_equal(known, ~np.isnan(other)):
                self.difference = np.inf
            self.difference = max(self.difference, float(np.nanmax(np.abs(mine - other) / scale, initial=0.0)))
        self.bars += int((~np.isnan(got[0])).sum())


def _by_formula(name: str) -> Callable[[Chosen, recorded.Bars], Columns]:
    def reference(one: Chosen, bars: recorded.Bars) -> Columns:
        got = getattr(formulas, name)(*(bars[i].tolist() for i in one.indicator.inputs), *one.arguments)
        return [np.array(column) for column in (got if isinstance(got, tuple) else (got,))]

    return reference


def _session_vwap(one: Chosen, bars: recorded.Bars) -> Columns:
    parts = np.flatnonzero(np.diff(bars["session"])) + 1
    inputs = [np.split(bars[name], parts) for name in ("high", "low", "close", "volume")]
    found = np.concatenate([talib().VWAP(*of_session) for of_session in zip(*inputs, strict=True)])
    found[np.concatenate([np.cumsum(volume) for volume in inputs[3]]) == 0] = np.nan
    return [found]


def _rolling_vwap(one: Chosen, bars: recorded.Bars) -> Columns:
    (n,) = one.arguments
    typical = (bars["high"] + bars["low"] + bars["close"]) / 3
    found = talib().VWMA(typical, bars["volume"], n)
    found[n - 1 :][np.lib.stride_tricks.sliding_window_view(bars["volume"], n).sum(axis=1) == 0] = np.nan
    return [found]


def _donchian(one: Chosen, bars: recorded.Bars) -> Columns:
    found: Columns = talib().DONCHIAN(bars["high"], bars["low"], *one.arguments)
    return found


#: Functions of TA-Lib that the project does not use, by the indicator that they check.
_TALIB: dict[str, tuple[str, Callable[[Chosen, recorded.Bars], Columns]]] = {
    "vwap": ("TA-Lib VWAP of each session", _session_vwap),
    "vwap_rolling": ("TA-Lib VWMA of typical prices", _rolling_vwap),
    "donchian": ("TA-Lib DONCHIAN", _donchian),
}


def _compared(name: str, reference: str, expected: Callable[[Chosen, recorded.Bars], Columns], all_bars: Bars) -> Row:
    (one,) = parse_names(example(name))
    row = Row(one.name, reference)
    scales = [_TICKS if output.unit == PRICE else 1.0 for output in one.outputs.values()]
    for bars in all_bars:
        row.add(list(one.compute(bars).values()), expected(one, bars), scales)
    return row


def _candles(all_bars: Bars) -> Row:
    """Each of the 61 patterns through `find`, against one call of TA-Lib over the same prices."""
    names = [name for name in patterns.TITLES if name.startswith("CDL")]
    row = Row(f"{len(names)} candlestick patterns", "TA-Lib's function, called directly")
    for bars in all_bars:
        prices = {name: bars[name] / _TICKS for name in ("open", "high", "low", "close")}
        for name in names:
            mine = np.zeros(len(bars["t"]))
            for found in patterns.find(prices, [name]):
                mine[found.row] = found.value
            row.add([mine], [getattr(talib(), name)(*prices.values()).astype(float)], [1.0])
    row.bars //= len(names)
    return row


def _signals(all_bars: Bars) -> Row:
    row = Row("golden_cross, death_cross, macd_buy, macd_sell", _FORMULA)
    for bars in all_bars:
        prices = {name: bars[name] / _TICKS for name in ("open", "high", "low", "close")}
        close = bars["close"].tolist()
        line, signal, _ = formulas.macd(close, 12, 26, 9)
        for up, down, fast, slow in (
            ("golden_cross", "death_cross", formulas.sma(close, 50), formulas.sma(close, 200)),
            ("macd_buy", "macd_sell", line, signal),
        ):
            mine, expected = np.zeros(len(close)), np.zeros(len(close))
            for found in patterns.find(prices, [up, down]):
                mine[found.row] = found.value
            gap = np.round(np.subtract(fast, slow), 6)  # in ticks: below it both lines are equal
            expected[1:][(gap[1:] > 0) & (gap[:-1] <= 0)] = 100
            expected[1:][(gap[1:] < 0) & (gap[:-1] >= 0)] = -100
            row.add([mine], [expected], [1.0])
    row.bars //= 2
    return row


Bars = Sequence[recorded.Bars]


def _data(short: bool) -> tuple[Bars, str]:
    found = [recorded.bars(symbol, kind) for kind in ("1min", "daily") for symbol in recorded.names(kind)]
    if not found:
        text = f"{_INVENTED} invented symbols of 2,000 minutes each: {recorded.ABSENT}."
        invented = [recorded.invented(2_000, seed) for seed in range(_INVENTED)]
        # TA-Lib knows no notional, as the recorded bars have none.
        return [bars | {"notional": np.full(len(bars["t"]), np.nan)} for bars in invented], text
    text = "24 US stocks and funds, five days of minutes (February 2019) and thirteen months of days."
    return (found[:_SHORT] if short else found), text


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.accuracy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="two symbols")
    parser.add_argument("--page", type=Path, metavar="FILE", help="also puts the table into that page")
    args = parser.parse_args(argv)
    all_bars, text = _data(args.short)
    rows = []
    for name in INDICATORS:
        rows.append(_compared(name, _FORMULA, _by_formula(name), all_bars))
        if name in _TALIB:
            rows.append(_compared(name, *_TALIB[name], all_bars))
    rows += [_candles(all_bars), _signals(all_bars)]
    table = Table(
        "Accuracy of the indicators",
        ["indicator", "reference", "largest difference", "bars compared"],
        command_line("bench.accuracy"),
    )
    for row in rows:
        table.add(row.name, row.reference, f"{row.difference:.1e}" if row.difference else "0", f"{row.bars:,}")
    table.notes.append(f"{text} Differences of prices are in dollars.")
    worst = max(row.difference for row in rows)
    table.require("largest difference of an indicator to its reference", worst, at_most=LIMIT)
    if args.page:
        keep(args.page, PART, f"{table.grid()}\n\n{table.notes[0]}")
    if worst > LIMIT:
        raise SystemExit(f"{table.markdown()}\nbench.accuracy: {worst:.1e} is more than {LIMIT:g}")
    return [table]


if __name__ == "__main__":
    report(run())

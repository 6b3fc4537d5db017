"""How the vendor's own indicator API differs from ours, and why: shown on its own sample answers and the same real closes.

- EMA: its seed is the mean of the first `window` closes of the requested range, so a value depends on where the request
  begins. Ours begins so far back that the seed weighs below 1e-10.
- MACD: in its sample the signal line starts at about the height of the price and decays from there; it is no average of the
  MACD that it stands beside.
- RSI: its sample holds values above 100, which no RSI has.
So its answers are no reference for ours, nor are ours wrong where both differ.
"""

from __future__ import annotations

import csv
import gzip
import json
from typing import Any

import numpy as np
import pytest

from indicators.registry import parse_names
from tests.support import DATA

MOCKS = DATA / "massive-rest" / "mocks" / "v1" / "indicators"
DAILY = DATA / "sp500-daily-2013-2018" / "bars.csv.gz"

pytestmark = pytest.mark.skipif(
    not (MOCKS.exists() and DAILY.exists()), reason=f"the vendor's samples and daily bars are not in {DATA}"
)


def sample(name: str) -> list[dict[str, Any]]:
    """The rows of its answer, oldest first."""
    (path,) = (MOCKS / name).iterdir()
    rows: list[dict[str, Any]] = json.loads(path.read_text())["results"]["values"]
    return rows[::-1]


def apple() -> tuple[list[str], np.ndarray[Any, np.dtype[np.float64]]]:
    """Dates and closes, as they were before the split of 2020, like those of the sample (`adjusted=false`)."""
    with gzip.open(DAILY, "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["Name"] == "AAPL"]
    return [row["date"] for row in rows], np.array([float(row["close"]) for row in rows])


def test_its_ema_is_ours_only_when_ours_begins_where_its_request_does() -> None:
    vendor = [row["value"] for row in sample("ema")]
    dates, closes = apple()
    first, last = dates.index("2016-10-25"), dates.index("2016-11-04")  # the `underlying` of its answer
    (ema,) = parse_names("ema:5")
    cut = ema.compute({"close": closes[first : last + 1]})["ema_5"]
    # The first value that it shows is the second one that the range gives: the seed itself is left out.
    assert np.abs(cut[5:9] - vendor).max() < 1e-9
    assert cut[4] == pytest.approx(closes[first : first + 5].mean(), abs=1e-9)

    whole = {"close": closes[: last + 1]}
    ours = ema.compute(whole)["ema_5"][-4:]
    assert ema.converged(whole)[-4:].all()
    assert not ema.converged({"close": closes[first : last + 1]}).any()
    differences = np.abs(ours - vendor)
    assert differences[0] > 0.2  # 25 cents on its first value, a third less with each day
    assert differences[1:] == pytest.approx(differences[:-1] * 2 / 3, abs=1e-9)


def test_its_signal_line_is_no_average_of_its_macd() -> None:
    rows = sample("macd")
    line = np.array([row["value"] for row in rows])
    signal = np.array([row["signal"] for row in rows])
    # It goes on by the usual rule for `signal_window=10`, and the histogram is the difference, ...
    assert signal[1:] == pytest.approx(signal[:-1] + 2 / 11 * (line[1:] - signal[:-1]), abs=1e-9)
    assert [row["histogram"] for row in rows] == pytest.approx(line - signal, abs=1e-9)
    # ... but an average of the line lies within the line's range, and this one is far above it.
    assert signal[0] > 20 * line.max()
    (macd,) = parse_names("macd:12:20:10")
    _, closes = apple()
    ours = macd.compute({"close": closes})
    started = ~np.isnan(ours["macd_12_20_10_signal"])
    assert np.abs(ours["macd_12_20_10_signal"][started]).max() <= np.abs(ours["macd_12_20_10"][started]).max()


def test_its_sample_of_rsi_is_none() -> None:
    assert min(row["value"] for row in sample("rsi")) > 100
    (rsi,) = parse_names("rsi:20")
    ours = rsi.compute({"close": apple()[1]})["rsi_20"]
    assert 0 <= np.nanmin(ours) <= np.nanmax(ours) <= 100

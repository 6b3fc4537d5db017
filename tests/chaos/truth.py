"""What the simulator sent: its truth file as columns, the planted spikes, and the final version of a bar."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from simulator.market import Market
from simulator.prints import generate
from simulator.spikes import Spike
from tests.chaos.bars import SECONDS, Bars, Ints


class Truth(NamedTuple):
    """`bars`: the last version of every second; `lost`: keys of seconds of which no version was sent; `unsent`: keys of
    which some version was not sent (it was due while no client was connected)."""

    bars: Bars
    lost: Ints
    unsent: Ints
    events: int

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last second."""
        seconds = self.bars.second
        return int(seconds.min()), int(seconds.max())


def read_truth(path: Path, names: Iterable[str]) -> Truth:
    """The ``A`` events of the file; its last line may be half written."""
    number = {name: i for i, name in enumerate(names)}
    key, sent, columns = array("q"), array("b"), [array("d") for _ in range(6)]
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            e = orjson.loads(line)
            if e["ev"] != "A":
                continue
            key.append(number[e["sym"]] * SECONDS + e["s"] // 1000)
            sent.append(e["sent"])
            ticks = [round(e[name] * 10_000) for name in "ohlc"]
            for column, value in zip(columns, (*ticks, e["v"], round(e["vw"] * e["v"] * 10_000)), strict=True):
                column.append(value)
    keys = np.frombuffer(key, np.int64)
    fate = np.frombuffer(sent, np.int8).astype(bool)
    # The last version of a key in the file counts: a later event restates an earlier one.
    order = np.argsort(keys, kind="stable")
    last = order[np.append(np.flatnonzero(np.diff(keys[order])), len(order) - 1)] if len(order) else order
    bars = Bars(keys[last], np.stack([np.frombuffer(column, np.float64)[last] for column in columns]))
    return Truth(bars, np.setdiff1d(keys[~fate], keys[fate]), np.unique(keys[~fate]), len(keys))


class Expectation:
    """What the simulated market will have sent in the end."""

    def __init__(self, market: Market) -> None:
        self.market = market

    def spikes(self, start: int, end: int) -> list[Spike]:
        """The planted spikes whose jump begins in the seconds start..end-1."""
        return self.market.spikes.between(start, end)

    def final(self, keys: Ints) -> Bars:
        """The bars of these keys as REST returns them: with late prints that the feed may not have sent yet."""
        found: list[tuple[int, list[int]]] = []
        for key in keys.tolist():
            who, second = divmod(key, SECONDS)
            generated = generate(self.market, np.array([who]), second, second + 1)
            rows = np.flatnonzero((generated.sec == second) & (generated.final.c >= 0))
            if rows.size:
                final = generated.final
                o, h, low, c = (int(x[rows[0]]) for x in (final.o, final.h, final.l, final.c))
                volume = int(final.v[rows[0]])
                # As the simulator's REST rounds it: Python's own round has other halves (14.03625).
                vwap = float(np.round(int(final.n[rows[0]]) / volume / 10_000, 4))
                found.append((key, [o, h, low, c, volume, round(vwap * volume * 10_000)]))
        fields = np.array([values for _, values in found], np.float64).reshape(-1, 6).T
        return Bars(np.array([key for key, _ in found], np.int64), fields)

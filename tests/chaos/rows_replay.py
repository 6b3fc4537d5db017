"""A recording with a DST change, a midnight, an opening and a close, replayed at full speed while Redis is killed."""

from __future__ import annotations

import csv
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from market.price import NO_NOTIONAL
from simulator.spikes import Spike
from tests.chaos.bars import SECONDS, Bars, Ints, difference, stored_candles
from tests.chaos.rows import row
from tests.chaos.scene import Scene, let_pass
from tests.chaos.truth import Expectation, Truth
from tests.support import Running

_NEW_YORK = ZoneInfo("America/New_York")
_NAMES = [f"R{chr(65 + i // 26)}{chr(65 + i % 26)}" for i in range(24)]
#: Seconds between the bars of a symbol; with this spacing sums of the "no VWAP" marker stay exact.
_EVERY_S = 4


def _at(text: str) -> int:
    """Epoch seconds of a wall clock time in New York."""
    return int(datetime.fromisoformat(text).replace(tzinfo=_NEW_YORK).timestamp())


#: Stretches (begin, end): a close, the night in which clocks go back (with its midnight), an opening; then the same in
#: spring. Chosen so that hours, days and sessions begin and end within them.
AUTUMN = (
    (_at("2025-10-31 15:50"), _at("2025-10-31 16:10")),
    (_at("2025-11-01 23:30"), _at("2025-11-02 03:30")),
    (_at("2025-11-03 09:20"), _at("2025-11-03 09:40")),
    (_at("2025-11-03 23:50"), _at("2025-11-04 00:10")),
)
SPRING = (
    (_at("2025-03-07 19:50"), _at("2025-03-07 20:00")),
    (_at("2025-03-08 23:30"), _at("2025-03-09 04:30")),
    (_at("2025-03-10 03:55"), _at("2025-03-10 04:20")),
)


class ReplayScene(Scene):
    """A scene whose market is a recording in the vendor's format of aggregates."""

    def __init__(self, stretches: tuple[tuple[int, int], ...], **more: Any) -> None:
        # Everything is kept, however long the recording is.
        keep = {f"TAPEWATCH_RETENTION_{level}": str(10 * 365 * 86_400) for level in ("1S", "1M", "5M", "1H")}
        # The end of a recording is no stall.
        super().__init__(ingest=keep | {"TAPEWATCH_STALL_AFTER_S": "600"}, **more)
        self.names = _NAMES
        self.stretches = stretches
        #: One in the middle of each stretch.
        self.spikes = [
            Spike((begin + end) // 2 // _EVERY_S * _EVERY_S, i, 0.02) for i, (begin, end) in enumerate(stretches)
        ]
        self.expectation = _Recorded(self.spikes)
        self.bars = self._made()
        self.beside.append(self._days_differ)

    def _made(self) -> Bars:
        seconds = np.array([t for begin, end in self.stretches for t in range(begin, end, _EVERY_S)])
        parts = []
        for who in range(len(_NAMES)):
            close = 100_0000 + who * 10_000 + (seconds // _EVERY_S * 7 % 31) * 100
            for spike in self.spikes:
                if spike.who == who:
                    close = np.where(seconds >= spike.t, close * 102 // 100 // 100 * 100, close)
            volume = 100 + (seconds + who) % 900
            fields = [close - 100, close + 200, close - 300, close, volume, np.full(len(seconds), NO_NOTIONAL)]
            parts.append(Bars(who * SECONDS + seconds, np.stack(fields).astype(float)))
        return Bars(np.concatenate([p.key for p in parts]), np.concatenate([p.fields for p in parts], axis=1))

    def start_simulator(self) -> None:
        path = self.folder / "recording.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["ticker", "volume", "open", "close", "high", "low", "window_start", "transactions"])
            for key, (o, h, low, c, v, _) in zip(self.bars.key.tolist(), self.bars.fields.T.tolist(), strict=True):
                prices = [x / 10_000 for x in (o, c, h, low)]
                writer.writerow([_NAMES[key // SECONDS], int(v), *prices, key % SECONDS * 10**9, 1])
        words = ["replay", str(path), "--span=1s", f"--port={self.ws_port}", "--speed=0"]
        self._start("simulator", Running(*words, data_dir=self.folder / "s"))
        self.parts["simulator"].wait(lambda: "ready:" in self.parts["simulator"].output(), 60, "the replayer")

    def truth(self) -> Truth:
        nothing = np.empty(0, np.int64)
        return Truth(self.bars, nothing, nothing, len(self.bars.key))

    def freeze(self) -> None:
        replayer = self.parts["simulator"]
        self.wait(lambda: "replayed all" in replayer.output(), 90, "the end of the recording")
        self.drained()

    def _days_differ(self, expected: Bars) -> list[str]:
        """Compares the daily candles: days of New York, of 23 to 25 hours."""
        found = stored_candles(self.client, self.names, "1d")
        starts = {t: _at(f"{datetime.fromtimestamp(t, _NEW_YORK).date()} 00:00") for t in set(expected.second.tolist())}
        day = np.array([starts[t] for t in expected.second.tolist()])
        key = expected.key - expected.second + day
        first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        last = np.append(first[1:], len(key)) - 1
        o, h, low, c, v, _ = expected.fields
        fields = [o[first], np.maximum.reduceat(h, first), np.minimum.reduceat(low, first), c[last]]
        fields += [np.add.reduceat(v, first), found.fields[5] if len(found.key) == len(first) else v[first]]
        seen = difference(Bars(key[first], np.stack(fields)), found)
        return [f"1d: {len(seen.missing)} lost, {len(seen.extra)} never sent, {len(seen.differing)} different"] * bool(
            seen.total
        )


class _Recorded(Expectation):
    """The spikes of a recording; it has no late prints."""

    def __init__(self, spikes: list[Spike]) -> None:
        self._spikes = spikes

    def spikes(self, start: int, end: int) -> list[Spike]:
        return [spike for spike in self._spikes if start <= spike.t < end]

    def final(self, keys: Ints) -> Bars:
        return Bars(np.empty(0, np.int64), np.empty((6, 0)))


@row("replay over a DST change and session boundaries (autumn)", scene=ReplayScene, stretches=AUTUMN)
def autumn(scene: Scene) -> None:
    _kill_redis_midway(scene)


@row("replay over a DST change and session boundaries (spring)", scene=ReplayScene, stretches=SPRING)
def spring(scene: Scene) -> None:
    _kill_redis_midway(scene)


def _kill_redis_midway(scene: Scene) -> None:
    let_pass(1)
    scene.kill("redis")
    let_pass(1)
    scene.start_redis()

"""The four cells of a row: the store at the end against what the simulator sent, by set difference."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import orjson
from redis import Redis

from ingest.repair.gap_log import NOT_RUNNING
from redis_functions.contract import keys
from redis_functions.read.gaps import REPAIRED, Gap
from simulator.spikes import Spike
from tests.chaos.bars import (
    SECONDS,
    TIMEFRAMES,
    Bars,
    Difference,
    described,
    difference,
    replaced,
    rolled,
    stored_candles,
    stored_seconds,
)
from tests.chaos.scene import Scene
from tests.chaos.truth import Truth

COLUMNS = ("raw bars", "downsampled bars", "alerts", "gap records")
#: Seconds that a repair looks beyond the ends of its gap: bars are restated for minutes, and the events of one second
#: arrive one after the other.
_BEFORE_S, _EDGE_S = 910, 3
#: Seconds before a spike that the detector needs to see it, and seconds that the spike takes.
_WARM_S, _RISE_S = 9, 2
#: Age of the oldest price that the detector compares with after a gap: window + max_age, in seconds.
_LOOKS_BACK_S = 35


@dataclass(frozen=True)
class Promise:
    """What must hold in a row besides that nothing is lost, duplicated or invented.

    `gaps`: one pattern for the reason of each gap record that must exist; `perhaps`: patterns of records that may exist;
    `widest`: the longest gap, in seconds.
    """

    gaps: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    widest: float = 25.0
    repaired_within_s: float = 240.0


class Cell(NamedTuple):
    """`text`: the counts, or what failed; of a row that cannot run here, the reason (`passed` is then None)."""

    passed: bool | None
    text: str


class Outcome(NamedTuple):
    """Everything that is compared: gap records and alerts, the truth, stored and expected bars."""

    gaps: list[Gap]
    alerts: list[dict[str, Any]]
    truth: Truth
    found: Bars
    expected: Bars


def judge(scene: Scene, promise: Promise) -> dict[str, Cell]:
    """Waits for repairs, stops market and daemon, and compares. Raises AssertionError when one of these takes too long."""
    scene.until_repaired(promise.repaired_within_s)
    # Read now: stopping the market is an outage, too.
    gaps = scene.settled_gaps = [gap for gap in scene.gaps() if not gap.reason.startswith(NOT_RUNNING)]
    scene.freeze()
    code = scene.end("ingest" if "standby" not in scene.parts else "standby")
    assert code == 0, f"the daemon ended with {code}; {scene.last_words()}"
    truth = scene.truth()
    found = stored_seconds(scene.client, scene.names)
    outcome = Outcome(gaps, read_alerts(scene.client), truth, found, _expected(scene, truth, found, gaps))
    beside = [words for look in scene.beside for words in look(outcome.expected)]
    return {
        "raw bars": Cell(False, "; ".join(beside)) if beside else _raw(outcome, scene.names),
        "downsampled bars": _downsampled(outcome, scene.client, scene.names),
        "alerts": _alerts(outcome, scene),
        "gap records": _gaps(outcome, promise),
    }


def read_alerts(client: Redis) -> list[dict[str, Any]]:
    """Every entry of the stream, with `t` in seconds."""
    entries: Any = client.xrange(keys.ALERTS)
    return [
        {k.decode(): v.decode() for k, v in fields.items()} | {"t": int(fields[b"t"]) // 1000} for _, fields in entries
    ]


def _expected(scene: Scene, truth: Truth, found: Bars, gaps: Sequence[Gap]) -> Bars:
    """The truth, corrected where a repair has read a late print from REST that the feed has not sent yet."""
    seen = difference(truth.bars, found)
    doubtful = np.concatenate([seen.differing, seen.extra])
    near = np.array([_within(key, gaps, _BEFORE_S, _EDGE_S) for key in doubtful.tolist()], bool)
    doubtful = doubtful[near]
    final = scene.expectation.final(doubtful)
    wrong = difference(final, found.where(np.isin(found.key, final.key)))
    return replaced(truth.bars, final.where(~np.isin(final.key, wrong.differing)))


def _within(key: int, gaps: Sequence[Gap], before_s: float = 0, after_s: float = 0) -> bool:
    """Whether the second of a key or time lies in a gap, or at most `before_s` or `after_s` from one."""
    t = key % SECONDS
    return any((g.start or 0) / 1000 - before_s <= t <= (g.end or 0) / 1000 + after_s for g in gaps)


# --- bars


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _shown(found: Difference, names: Sequence[str], expected: Bars, stored: Bars) -> str:
    parts = [
        f"{len(part)} {what}"
        for part, what in zip(found, ("lost", "never sent", "different"), strict=True)
        if len(part)
    ]
    for part in found:
        parts += [
            f"{described(int(k), names, expected)} is stored as {described(int(k), names, stored)}" for k in part[:2]
        ]
    return "; ".join(parts)


def _raw(outcome: Outcome, names: Sequence[str]) -> Cell:
    seen = difference(outcome.expected, outcome.found)
    if seen.total:
        return Cell(False, _shown(seen, names, outcome.expected, outcome.found))
    repaired = len(np.intersect1d(outcome.truth.lost, outcome.found.key))
    text = f"{_count(len(outcome.found.key), 'bar')}, 0 lost, 0 duplicated"
    return Cell(True, f"{text}; {repaired:,} due while the socket was down, repaired" if repaired else text)


def _downsampled(outcome: Outcome, client: Redis, names: Sequence[str]) -> Cell:
    total, wrong = 0, []
    for timeframe, span in TIMEFRAMES.items():
        expected, found = rolled(outcome.expected, span), stored_candles(client, names, timeframe)
        seen = difference(expected, found)
        total += len(found.key)
        if seen.total:
            wrong.append(f"{timeframe}: {_shown(seen, names, expected, found)}")
    return Cell(not wrong, "; ".join(wrong) or f"{_count(total, 'candle')} equal, volume included")


# --- alerts


def _alerts(outcome: Outcome, scene: Scene) -> Cell:
    start, end = outcome.truth.span
    planted = [(scene.names[s.who], s) for s in scene.expectation.spikes(start - _LOOKS_BACK_S, end + 1)]
    wrong = [
        f"{one} was raised {number} times"
        for one, number in Counter(a["id"] for a in outcome.alerts).items()
        if number > 1
    ]
    raised: Counter[Spike] = Counter()
    for alert in outcome.alerts:
        spike = _spike_of(alert, planted, outcome.gaps, start)
        if spike is None:
            wrong.append(f"{alert['id']} matches no spike")
        else:
            raised[spike] += 1
    wrong += [f"the spike at {spike.t} was alerted {number} times" for spike, number in raised.items() if number > 1]
    named = _named(outcome.gaps)
    in_gaps = 0
    for symbol, spike in planted:
        if not start + _WARM_S <= spike.t <= end - _RISE_S or raised[spike]:
            continue
        if any(name == symbol and spike.t <= t <= spike.t + _LOOKS_BACK_S for name, t in named):
            in_gaps += 1
        else:
            wrong.append(f"the spike of {symbol} at {spike.t} was not alerted")
    text = f"{_count(raised.total(), 'spike')} alerted, 0 duplicated"
    return Cell(not wrong, "; ".join(wrong[:4]) or (f"{text}; {in_gaps} named in gap records" if in_gaps else text))


def _spike_of(
    alert: dict[str, Any], planted: Sequence[tuple[str, Spike]], gaps: Sequence[Gap], start: int
) -> Spike | None:
    """The spike that raised the alert. A spike in a gap or in the first seconds may be alerted later, once there are prices to
    compare, as the price has not returned yet."""
    for symbol, spike in planted:
        if symbol != alert["symbol"] or (spike.size > 0) != (alert["direction"] == "up"):
            continue
        later = alert["t"] - spike.t
        cut = spike.t <= start + _WARM_S or _within(spike.t, gaps, _WARM_S, _WARM_S)
        if 0 <= later <= (_LOOKS_BACK_S + 10 if cut else _RISE_S):
            return spike
    return None


def _named(gaps: Sequence[Gap]) -> list[tuple[str, int]]:
    return [(s["symbol"], s["t"] // 1000) for gap in gaps for s in orjson.loads(gap.spikes)]


# --- gaps


def _gaps(outcome: Outcome, promise: Promise) -> Cell:
    wrong = []
    missing = list(promise.gaps)
    for gap in outcome.gaps:
        pattern = next((p for p in missing if re.search(p, gap.reason)), None)
        if pattern is not None:
            missing.remove(pattern)
        elif not any(re.search(p, gap.reason) for p in promise.perhaps):
            wrong.append(f"a record without an outage: {gap}")
        if gap.state != REPAIRED:
            wrong.append(f"{gap.state}: {gap.reason}")
        if gap.start is None or gap.end is None or gap.end - gap.start > promise.widest * 1000:
            wrong.append(f"{gap.reason} from {gap.start} to {gap.end} is longer than {promise.widest:g} s")
    wrong += [f"no record of {pattern!r}" for pattern in missing]
    outside = [key for key in outcome.truth.lost.tolist() if not _within(key, outcome.gaps)]
    if outside:
        wrong.append(f"{len(outside)} lost bars lie in no gap, the first at second {outside[0] % SECONDS}")
    return Cell(not wrong, "; ".join(wrong[:4]) or _listed(outcome))


def _listed(outcome: Outcome) -> str:
    if not outcome.gaps:
        return "none: nothing was lost"
    repaired = sum(gap.repaired_bars for gap in outcome.gaps)
    return f"{_count(len(outcome.gaps), 'gap')}, nothing lost outside; repaired with {_count(repaired, 'bar')}"

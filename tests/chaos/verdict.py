"""The four cells of a row: what the store holds at the end, against what the simulator said, by set difference."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import orjson
from redis import Redis

from redis_functions.contract import keys
from redis_functions.read.gaps import REPAIRED, Gap
from simulator.spikes import Spike
from tests.chaos.bars import (
    SECONDS,
    TIMEFRAMES,
    Bars,
    Difference,
    difference,
    replaced,
    rolled,
    stored_candles,
    stored_seconds,
    told,
)
from tests.chaos.scene import Scene
from tests.chaos.truth import Truth

COLUMNS = ("raw bars", "downsampled bars", "alerts", "gap records")
#: A repair looks so far beyond the ends of its gap: bars are corrected minutes later, and one second's events come
#: one after the other.
_BEFORE_S, _EDGE_S = 910, 3
#: A spike needs a window before it to be seen, and its own seconds.
_WARM_S, _RISE_S = 9, 2
#: After a gap the detector compares with a price up to window + max_age seconds old.
_LOOKS_BACK_S = 35


@dataclass(frozen=True)
class Promise:
    """What a row promises beyond nothing lost, nothing twice, nothing else: `gaps`, a pattern for the reason of each record
    that must be there; `perhaps`, for those that may be; `widest` in seconds. `unrepairable`: REST cannot help."""

    gaps: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    widest: float = 25.0
    repaired_within_s: float = 240.0


class Cell(NamedTuple):
    """`text`: what was held with its numbers, or what was not; of a row that cannot be played here, why (`held` is None)."""

    held: bool | None
    text: str


class Outcome(NamedTuple):
    """The gaps and what the store holds of bars and alerts, to be judged."""

    gaps: list[Gap]
    alerts: list[dict[str, Any]]
    truth: Truth
    found: Bars
    expected: Bars


def judge(scene: Scene, promise: Promise) -> dict[str, Cell]:
    """Waits for repairs, stops the market and the daemon, and compares. Raises AssertionError where that cannot be done."""
    scene.until_repaired(promise.repaired_within_s)
    # Now, as the stopped market that follows is an outage, too.
    gaps = scene.settled_gaps = scene.gaps()
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
    """The truth; but a repair may know a late print that the feed has not told yet."""
    seen = difference(truth.bars, found)
    doubtful = np.concatenate([seen.differing, seen.extra])
    near = np.array([_within(key, gaps, _BEFORE_S, _EDGE_S) for key in doubtful.tolist()], bool)
    doubtful = doubtful[near]
    final = scene.expectation.final(doubtful)
    wrong = difference(final, found.where(np.isin(found.key, final.key)))
    return replaced(truth.bars, final.where(~np.isin(final.key, wrong.differing)))


def _within(key: int, gaps: Sequence[Gap], before_s: float = 0, after_s: float = 0) -> bool:
    """Whether the second (of a key, or of a time) lies in a gap, or so near to one."""
    t = key % SECONDS
    return any((g.start or 0) / 1000 - before_s <= t <= (g.end or 0) / 1000 + after_s for g in gaps)


# --- bars


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _shown(found: Difference, names: Sequence[str], expected: Bars, stored: Bars) -> str:
    parts = [
        f"{len(part)} {what}"
        for part, what in zip(found, ("lost", "never told", "different"), strict=True)
        if len(part)
    ]
    for part in found:
        parts += [f"{told(int(k), names, expected)} is {told(int(k), names, stored)}" for k in part[:2]]
    return "; ".join(parts)


def _raw(outcome: Outcome, names: Sequence[str]) -> Cell:
    seen = difference(outcome.expected, outcome.found)
    if seen.total:
        return Cell(False, _shown(seen, names, outcome.expected, outcome.found))
    repaired = len(np.intersect1d(outcome.truth.lost, outcome.found.key))
    text = f"{_count(len(outcome.found.key), 'bar')}, 0 lost, 0 twice"
    return Cell(True, f"{text}; {repaired:,} were due while the socket was down, repaired" if repaired else text)


def _downsampled(outcome: Outcome, client: Redis, names: Sequence[str]) -> Cell:
    total, wrong = 0, []
    for timeframe, span in TIMEFRAMES.items():
        expected, found = rolled(outcome.expected, span), stored_candles(client, names, timeframe)
        seen = difference(expected, found)
        total += len(found.key)
        if seen.total:
            wrong.append(f"{timeframe}: {_shown(seen, names, expected, found)}")
    return Cell(not wrong, "; ".join(wrong) or f"{_count(total, 'candle')} equal, volume too")


# --- alerts


def _alerts(outcome: Outcome, scene: Scene) -> Cell:
    start, end = outcome.truth.span
    planted = [(scene.names[s.who], s) for s in scene.expectation.spikes(start - _LOOKS_BACK_S, end + 1)]
    wrong = [f"{number} times {one}" for one, number in Counter(a["id"] for a in outcome.alerts).items() if number > 1]
    raised: Counter[Spike] = Counter()
    for alert in outcome.alerts:
        spike = _spike_of(alert, planted, outcome.gaps, start)
        if spike is None:
            wrong.append(f"no spike for {alert['id']}")
        else:
            raised[spike] += 1
    wrong += [f"{number} alerts of one spike at {spike.t}" for spike, number in raised.items() if number > 1]
    named = _named(outcome.gaps)
    told_by_gap = 0
    for symbol, spike in planted:
        if not start + _WARM_S <= spike.t <= end - _RISE_S or raised[spike]:
            continue
        if any(name == symbol and spike.t <= t <= spike.t + _LOOKS_BACK_S for name, t in named):
            told_by_gap += 1
        else:
            wrong.append(f"the spike of {symbol} at {spike.t} was not alerted")
    text = f"{_count(raised.total(), 'spike')} once, 0 twice"
    return Cell(
        not wrong, "; ".join(wrong[:4]) or (f"{text}; {told_by_gap} named in gap records" if told_by_gap else text)
    )


def _spike_of(
    alert: dict[str, Any], planted: Sequence[tuple[str, Spike]], gaps: Sequence[Gap], start: int
) -> Spike | None:
    """The spike that the alert is of. One that lies in a gap, or in the first seconds, may be seen when there are prices to
    compare: it is still away."""
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
    wanted = list(promise.gaps)
    for gap in outcome.gaps:
        pattern = next((p for p in wanted if re.search(p, gap.reason)), None)
        if pattern is not None:
            wanted.remove(pattern)
        elif not any(re.search(p, gap.reason) for p in promise.perhaps):
            wrong.append(f"a record that tells of no outage: {gap}")
        if gap.state != REPAIRED:
            wrong.append(f"{gap.state}: {gap.reason}")
        if gap.start is None or gap.end is None or gap.end - gap.start > promise.widest * 1000:
            wrong.append(f"{gap.reason} from {gap.start} to {gap.end} is too wide")
    wrong += [f"no record of {pattern!r}" for pattern in wanted]
    outside = [key for key in outcome.truth.lost.tolist() if not _within(key, outcome.gaps)]
    if outside:
        wrong.append(f"{len(outside)} lost bars lie in no gap, the first at second {outside[0] % SECONDS}")
    return Cell(not wrong, "; ".join(wrong[:4]) or _listed(outcome))


def _listed(outcome: Outcome) -> str:
    if not outcome.gaps:
        return "none, as nothing was lost"
    told = sum(gap.repaired_bars for gap in outcome.gaps)
    return f"{_count(len(outcome.gaps), 'gap')}, nothing lost outside; repaired with {_count(told, 'bar')}"

"""What is sent, second by second: trades that give the bars, minutes that give their sum, late prints, halts."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import numpy as np
import pytest

from market.sessions import trading_day
from simulator.event_generator import EventGenerator
from simulator.market import Halt, Market
from simulator.prints import generate
from tests.simulator.support import Body, tape_bars

ALL = {"A", "AM", "T", "LULD"}
DAY = trading_day(date(2026, 10, 14))
NIGHT, REGULAR = DAY.start // 1000 + 7200, DAY.regular_open // 1000 + 600


def generated(market: Market, start: int, seconds: int, channels: set[str] = ALL) -> list[tuple[int, Body]]:
    return [
        (second, event.body)
        for second, events in EventGenerator(market).seconds(start, start + seconds, channels)
        for event in events
    ]


@pytest.mark.parametrize("start", [NIGHT, REGULAR, DAY.regular_open // 1000 - 120, DAY.regular_close // 1000 - 120])
def test_trades_give_the_bars_by_the_tapes_rules(start: int) -> None:
    bodies = [b for _, b in generated(Market(60, 45, 5), start, 360)]
    bars = {(b["sym"], b["s"]): b for b in bodies if b["ev"] == "A"}
    plain = tape_bars(b for b in bodies if b["ev"] == "T")
    settled = (start + 300) * 1000  # later bars may still wait for a late print
    compared = 0
    for key, bar in plain.items():
        if key[1] >= settled:
            continue
        if "c" not in bar:
            assert key not in bars
            assert bar["v"] == 0
            continue
        sent = bars[key]
        assert (sent["o"], sent["h"], sent["l"], sent["c"], sent["v"]) == tuple(bar[k] for k in "ohlcv")
        assert sent["vw"] == pytest.approx(bar["n"] / bar["v"], abs=5.1e-5)
        assert sent["e"] == sent["s"] + 1000
        compared += 1
    assert compared == sum(1 for _, s in bars if s < settled) > 10_000


def test_the_afternoon_of_an_early_close_is_extended_hours() -> None:
    """2026-11-27 closes at 13:00 New York: every print after it carries a code of the extended session, and gives bars."""
    early = trading_day(date(2026, 11, 27))
    bodies = [b for _, b in generated(Market(20, 15, 5), early.start // 1000 + 14 * 3600, 120, {"T", "A"})]
    assert all({12, 13, 15, 16} & set(b["c"]) for b in bodies if b["ev"] == "T")
    assert sum(b["ev"] == "A" for b in bodies) > 1000
    assert early.regular_close // 1000 - early.start // 1000 == 13 * 3600


def test_the_conditions_of_the_tape_all_occur() -> None:
    bodies = [b for _, b in generated(Market(60, 45, 5), REGULAR, 1800, {"T"})]
    codes = {code for b in bodies for code in b.get("c", ())}
    assert {10, 12, 14, 15, 16, 22, 37, 41, 2} <= codes
    assert all("c" not in b or b["c"] for b in bodies)
    assert any(b["s"] < 100 for b in bodies)
    assert any(round(b["p"] * 10_000) % 100 for b in bodies)
    at_night = [b for _, b in generated(Market(60, 45, 5), NIGHT, 60, {"T"})]
    assert all({12, 13, 15, 16} & set(b["c"]) for b in at_night)


def test_every_print_can_be_told_by_its_id_and_its_sequence_number() -> None:
    bodies = [b for _, b in generated(Market(20, 15, 5), REGULAR, 600, {"T"})]
    assert len({(b["sym"], b["x"], b["i"]) for b in bodies}) == len(bodies)
    assert len({(b["sym"], b["q"]) for b in bodies}) == len(bodies)
    for symbol in {b["sym"] for b in bodies}:
        mine = sorted((b for b in bodies if b["sym"] == symbol), key=lambda b: b["q"])
        assert [b["t"] for b in mine] == sorted(b["t"] for b in mine)


def test_a_minute_is_the_sum_of_its_bars_as_they_read_when_it_is_sent() -> None:
    bars: dict[tuple[str, int], Body] = {}
    minutes = 0
    for second, body in generated(Market(30, 20, 8), REGULAR, 900, {"A", "AM"}):
        if body["ev"] == "A":
            bars[body["sym"], body["s"]] = body
            continue
        minutes += 1
        assert (second + 1) * 1000 >= body["e"] == body["s"] + 60_000
        mine = [bars[k] for k in sorted(bars) if k[0] == body["sym"] and body["s"] <= k[1] < body["e"]]
        assert body["o"] == mine[0]["o"]
        assert body["c"] == mine[-1]["c"]
        assert body["h"] == max(b["h"] for b in mine)
        assert body["l"] == min(b["l"] for b in mine)
        assert body["v"] == sum(b["v"] for b in mine)
        assert body["av"] == mine[-1]["av"]
        assert body["vw"] == pytest.approx(sum(b["vw"] * b["v"] for b in mine) / body["v"], abs=1e-3)
    assert minutes >= 30 * 15


def test_late_prints_correct_bars_within_a_minute() -> None:
    market = Market(60, 45, 5)
    sent: dict[tuple[str, int], list[Body]] = defaultdict(list)
    late_prints = 0
    for second, body in generated(market, REGULAR, 1200):
        if body["ev"] == "A":
            sent[body["sym"], body["s"]].append(body)
            assert body["e"] <= (second + 1) * 1000 <= body["e"] + 60_000
        elif body["ev"] == "T":
            late_prints += body["t"] < second * 1000
    corrected = {k: bodies for k, bodies in sent.items() if len(bodies) > 1}
    assert 0.002 < len(corrected) / len(sent) < 0.01
    assert late_prints == len(corrected)
    assert all(len(bodies) == 2 and bodies[0]["v"] < bodies[1]["v"] for bodies in corrected.values())
    final = generate(market, np.arange(60), REGULAR, REGULAR + 1200).final
    assert sum(bodies[-1]["v"] for k, bodies in sent.items()) <= int(final.v.sum())


def test_a_minute_is_sent_again_when_a_late_print_corrects_it() -> None:
    times: dict[tuple[str, int], int] = defaultdict(int)
    for _, body in generated(Market(60, 45, 5), REGULAR, 1200, {"AM"}):
        times[body["sym"], body["s"]] += 1
    assert {1, 2} <= set(times.values())
    assert max(times.values()) < 5


def test_a_halt_silences_a_symbol_and_is_announced() -> None:
    market = Market(20, 15, 2)
    generator = EventGenerator(market)
    halt = generator.halt(REGULAR + 10, 25)
    assert halt in market.halts
    name = market.names[halt.who]
    bodies = [e.body for _, events in generator.seconds(REGULAR, REGULAR + 60, ALL) for e in events]
    of_it = [b["s"] // 1000 for b in bodies if b["ev"] == "A" and b["sym"] == name]
    assert not [s for s in of_it if halt.start <= s < halt.end]
    assert not [b for b in bodies if b["ev"] == "T" and b["sym"] == name and halt.start <= b["t"] // 1000 < halt.end]
    assert min(of_it) < halt.start < halt.end <= max(of_it)
    signs = [(b["t"] // 10**9, b["i"]) for b in bodies if b["ev"] == "LULD" and b["T"] == name and b["i"] != [21]]
    assert signs == [(halt.start, [17]), (halt.end - 1, [18])]


def test_only_what_is_asked_for_is_told() -> None:
    assert {b["ev"] for _, b in generated(Market(5, 4, 1), NIGHT, 60, {"AM"})} == {"AM"}
    assert generated(Market(5, 4, 1), NIGHT, 60, set()) == []


def test_the_official_open_is_zero_until_the_session_opens() -> None:
    start = DAY.regular_open // 1000 - 30
    bars = [b for _, b in generated(Market(5, 4, 1), start, 60, {"A"})]
    assert {b["op"] for b in bars if b["s"] < DAY.regular_open} == {0.0}
    opened = {(b["sym"], b["op"]) for b in bars if b["s"] >= DAY.regular_open}
    assert len(opened) == 5
    assert all(op > 0 for _, op in opened)


def test_halted_volume_is_nobodys() -> None:
    """A halt only takes bars away: no other symbol's bars change."""
    plain, halted = Market(10, 8, 3), Market(10, 8, 3, halts=[Halt(4, REGULAR, REGULAR + 60)])
    one, other = (generate(m, np.arange(10), REGULAR, REGULAR + 60) for m in (plain, halted))
    kept = one.who != 4
    assert other.final.c.tolist() == one.final.c[kept].tolist()
    assert 4 not in other.who

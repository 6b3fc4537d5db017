"""The built-in rule over accepted bars: its words, its severity, and whose previous close it divides by."""

from __future__ import annotations

from ingest.bars.market_state import MarketState
from ingest.velocity_rule import VelocityConfig, VelocityRule
from market.bar import Bar
from market.sessions import day_of
from redis_functions.contract.alerts import Alert

T = 1_760_104_800_000  # 10:00 in New York, a Friday
DAY = 86_400_000


class Watching:
    """A market state with the rule behind it, fed bar by bar."""

    def __init__(self, **config: float) -> None:
        self.tape = MarketState(3_600_000)
        self.rule = VelocityRule(VelocityConfig(**config), self.tape)  # type: ignore[arg-type]

    def bar(self, symbol: str, t: int, price: float | None) -> list[Alert]:
        ticks = None if price is None else round(price * 10_000)
        day, alerts = self.tape.day, []
        taken = self.tape.take([Bar(symbol, t, ticks, ticks, ticks, ticks, 1, 1)], t)
        self.rule.learn_symbols()
        if self.tape.day is not day:
            self.rule.begin_day()
        for one in taken:
            alerts += self.rule.watch(one)
        return alerts

    def closes(self, **closes: float) -> None:
        assert self.tape.day is not None
        self.rule.set_previous_closes(self.tape.day, closes)


def test_the_words_of_an_alert_and_its_severity() -> None:
    made = Watching()
    made.bar("A", T, 200.0)
    made.closes(A=100.0)
    made.bar("A", T + 1000, 200.0)
    (alert,) = made.bar("A", T + 6000, 201.0)
    assert alert.message == "A up 1.00 % in 5 s, 200 to 201"
    assert (alert.symbol, alert.t, alert.direction, alert.severity) == ("A", T + 6000, "up", "warning")
    assert (alert.magnitude, alert.price) == (1.0, 201.0)
    (alert,) = made.bar("A", T + 11_000, 198.0)
    assert (alert.direction, alert.severity) == ("down", "critical")


def test_test_symbols_and_seconds_without_a_price_raise_nothing() -> None:
    made = Watching()
    for symbol in ("ZVZZT", "A"):
        made.bar(symbol, T, 100.0)
    made.closes(A=100.0, ZVZZT=100.0)
    assert made.bar("ZVZZT", T + 5000, 150.0) == []
    assert made.bar("A", T + 5000, None) == []
    assert len(made.bar("A", T + 6000, 150.0)) == 1


def test_on_a_new_day_the_last_prices_stand_for_previous_closes_until_those_are_set() -> None:
    made = Watching()
    made.bar("A", T, 100.0)
    tomorrow = T + 3 * DAY  # a Monday
    made.bar("A", tomorrow, 100.0)
    (alert,) = made.bar("A", tomorrow + 5000, 101.0)
    assert alert.magnitude == 1.0
    made.closes(A=50.0)
    (alert,) = made.bar("A", tomorrow + 10_000, 100.0)
    assert (alert.direction, alert.magnitude) == ("down", 2.0)


def test_closes_of_another_day_are_ignored_and_those_of_later_symbols_kept() -> None:
    made = Watching()
    made.bar("A", T, 100.0)
    made.rule.set_previous_closes(day_of(T - DAY), {"A": 1.0})
    (alert,) = made.bar("A", T + 5000, 100.6)
    assert alert.magnitude == 0.6  # of the reference price, as no previous close is known
    made.closes(B=100.0)
    made.bar("B", T + 5000, 100.0)
    assert len(made.bar("B", T + 10_000, 101.0)) == 1

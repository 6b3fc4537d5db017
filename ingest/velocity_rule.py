"""The built-in rule `velocity`: the detector over accepted bars, and the words of its alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from indicators.velocity import Detector, Spike
from ingest.bars.market_state import MarketState, Taken
from market.price import SCALE, text
from market.sessions import TradingDay
from redis_functions.contract.alerts import Alert, alert_id

VELOCITY_RULE = "velocity"
#: A move of so many thresholds is critical.
CRITICAL = 4.0


@dataclass(frozen=True)
class VelocityConfig:
    """Percent over a window in seconds of event time, and the cooldown per symbol and direction."""

    window_s: int = 5
    threshold: float = 0.5
    cooldown_s: int = 300
    base: str = "previous_close"
    max_age_s: int = 30


class VelocityRule:
    """Watches the bars that a market state accepts. The exchanges' test symbols raise nothing."""

    def __init__(self, config: VelocityConfig, tape: MarketState) -> None:
        self.detector = Detector(
            window_s=config.window_s,
            threshold=config.threshold,
            cooldown_s=config.cooldown_s,
            base=config.base,
            max_age_s=config.max_age_s,
        )
        self._config = config
        self._tape = tape
        self._known = 0  # symbols that the detector knows
        self._previous: Mapping[str, float] = {}

    def learn_symbols(self) -> None:
        """Numbers new symbols in the detector as the market state does, with their previous close if it is known."""
        symbols = self._tape.symbols
        for idx in range(self._known, len(symbols)):
            self.detector.index(symbols[idx])
            if (close := self._previous.get(symbols[idx])) is not None:
                self._tape.previous_close[idx] = close
                self.detector.set_previous_close(idx, close)
        self._known = len(symbols)

    def begin_day(self) -> None:
        """Until the day's previous closes are set, the last prices of the day before stand for them."""
        self._previous = {}
        for idx, close in enumerate(self._tape.previous_close[: self._known].tolist()):
            if close == close:
                self.detector.set_previous_close(idx, close)

    def set_previous_closes(self, day: TradingDay, closes: Mapping[str, float]) -> None:
        """The previous closes of `day` in real prices, also of symbols that have not traded yet. Ignored for another day."""
        if day != self._tape.day:
            return
        self._previous = closes
        for symbol, close in closes.items():
            idx = self._tape.index.get(symbol)
            if idx is not None and idx < self._known:
                self._tape.previous_close[idx] = close
                self.detector.set_previous_close(idx, close)

    def watch(self, taken: Taken) -> list[Alert]:
        """The alerts of a batch of second bars, in its order."""
        priced = taken.close == taken.close
        if np.count_nonzero(priced) < len(priced):
            found = self.detector.update(taken.idx[priced], taken.t[priced], taken.close[priced] / SCALE)
        else:
            found = self.detector.update(taken.idx, taken.t, taken.close / SCALE)
        return [self._alert(spike) for spike in found.spikes if not self._tape.is_test[spike.idx]]

    def _alert(self, spike: Spike) -> Alert:
        symbol = self._tape.symbols[spike.idx]
        direction = "up" if spike.velocity > 0 else "down"
        size = abs(spike.velocity)
        window = self._config.window_s
        return Alert(
            id=alert_id(VELOCITY_RULE, symbol, spike.t, direction),
            t=spike.t,
            symbol=symbol,
            rule=VELOCITY_RULE,
            severity="critical" if size >= CRITICAL * self._config.threshold else "warning",
            direction=direction,
            magnitude=round(size, 4),
            message=f"{symbol} {direction} {size:.2f} % in {window} s, {text(spike.reference)} to {text(spike.close)}",
            price=spike.close,
        )

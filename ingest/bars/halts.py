"""Which symbols are halted. The feed may miss a resumption, so a halt also ends with the next trade, and with its day."""

from __future__ import annotations

from collections.abc import Sequence

from market.bar import Bar


class Halts:
    """Halted symbols, each with the event time (epoch ms) of its halt. Every method returns the symbols that it changed."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._since)

    @property
    def since(self) -> dict[str, int]:
        """A copy: symbol to the event time of its halt."""
        return dict(self._since)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._since

    def halt(self, symbol: str, t: int) -> list[str]:
        """Trading stopped at `t`."""
        changed = [] if symbol in self._since else [symbol]
        self._since[symbol] = max(t, self._since.get(symbol, t))
        return changed

    def resume(self, symbol: str, t: int) -> list[str]:
        """Trading goes on from `t`; a resumption before the halt changes nothing."""
        return self._end([symbol] if t >= self._since.get(symbol, t + 1) else [])

    def trade(self, bars: Sequence[Bar]) -> list[str]:
        """Bars came: a price in one that starts after the halt ends it."""
        if not self._since:
            return []
        never = 1 << 62
        return self._end([bar.sym for bar in bars if bar.c is not None and bar.t > self._since.get(bar.sym, never)])

    def begin_day(self, start: int) -> list[str]:
        """A trading day began at `start` (epoch ms): halts of days before it end."""
        return self._end([symbol for symbol, since in self._since.items() if since < start])

    def _end(self, symbols: list[str]) -> list[str]:
        return [symbol for symbol in symbols if self._since.pop(symbol, None) is not None]

"""The prints of the simulated market and the bars that the tape's rules make of them; a pure function like the market.

A bar is aggregated from its prints by the sale-condition rules, never computed beside them. A second whose only print
may set nothing (a re-sent official price) has no bar; a second in which volume alone is printed does not occur, so that
bars built from the trades and bars as sent come to the same volume in every timeframe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.conditions import ConditionTable
from simulator.market import PRINTS, Market, days_between
from simulator.noise import Floats, Hashes, Ints, hashed

Bools = NDArray[np.bool_]

LOT = 100
#: Most prints of one bar that set prices.
MOST_PRINTS = 8
#: Prints a second may have at most: the distance of the sequence numbers of two seconds.
SEQUENCE_STEP = 64

#: Kind of a print -> its condition ids in the regular session and outside of it, where code 12 marks every print.
KINDS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((), (12,)),
    ((14,), (12, 14)),
    ((14, 41), (12, 14, 41)),
    # odd lots
    ((37,), (12, 37)),
    ((14, 37, 41), (12, 14, 37, 41)),
    # set high and low, but neither open nor close
    ((10,), (10, 12)),
    ((22,), (12, 22)),
    # volume only
    ((2,), (2, 12)),
    ((7,), (7, 12)),
    ((12,), (13,)),
    ((21,), (12, 21)),
    ((53,), (12, 53)),
    # official prices sent again: nothing
    ((15,), (15,)),
    ((16,), (16,)),
)
_ODD, _OTHER, _VOLUME_ONLY, _OFFICIAL = 3, 5, 7, 12

#: In how many of 65,536 bars there is an odd lot besides, another print that does not set every value, or an official
#: price.
_ODD_SHARE, _OTHER_SHARE, _OFFICIAL_SHARE = 18_000, 1_300, 200
#: How many of 65,536 bars of two prints and more get one of them late: about one bar in 200.
_LATE_SHARE = 600
#: How many of 65,536 silent seconds hold one official price, and so no bar.
_BARLESS_SHARE = 60
_LATEST_S = 55

#: Exchange ids by share of prints; 4 is a trade reporting facility.
_EXCHANGES = np.array([4, 4, 4, 4, 4, 12, 12, 12, 11, 11, 19, 19, 8, 8, 10, 15], np.int64)


class Ohlcv(NamedTuple):
    """Columns of bars: prices and notional in 1/10000, volume in shares, `trades` the prints that count as volume.

    Where no print may set open and close, `c` is -1: that second has no bar.
    """

    o: Ints
    h: Ints
    l: Ints  # noqa: E741 - the field's own name
    c: Ints
    v: Ints
    n: Ints
    trades: Ints


@dataclass(frozen=True)
class Prints:
    """Columns of prints, in order of time and sequence within a second and symbol. `cell` is the row of the second in
    `Generated`; `late` the seconds by which the print comes late, nearly always 0."""

    cell: Ints
    t: Ints
    q: Ints
    price: Ints
    size: Ints
    kind: Ints
    exchange: Ints
    late: Ints
    regular: Bools

    def take(self, rows: Ints) -> Prints:
        return Prints(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Generated:
    """What happened in some seconds: one row per symbol and second with prints, ordered by second, then symbol.

    `av` is the volume since New York midnight, the row included. `late` > 0: a print comes that many seconds later, and
    until then the bar reads as in `first` (its rows are those of `late_rows`).
    """

    sec: Ints
    who: Ints
    final: Ohlcv
    av: Ints
    late: Ints
    late_rows: Ints
    first: Ohlcv
    prints: Prints
    starts: Ints


def _effects() -> NDArray[np.bool_]:
    """[kind, regular session?, (high and low, open and close, volume)] by the tape's rules."""
    table = ConditionTable.frozen()
    effects = np.zeros((len(KINDS), 2, 3), bool)
    for kind, (inside, outside) in enumerate(KINDS):
        for regular, conditions in ((1, inside), (0, outside)):
            effect = table.effect(conditions, bool(regular))
            effects[kind, regular] = effect.high_low, effect.open_close, effect.volume
    return effects


_EFFECTS = _effects()


def generate(market: Market, who: Ints, start: int, end: int) -> Generated:
    """Everything that the symbols `who` (indices, ascending) print in the seconds start..end-1."""
    sec, rank, previous, barless = _cells(market, who, start, end)
    symbol = who[rank]
    day_start, regular = _sessions(sec, start, end)
    av = market.lots(symbol, sec + 1, day_start)
    before = market.lots(symbol, np.maximum(previous + 1, day_start), day_start)
    # The floor of 1 only ever matters where rounding in the cascade would make a second's volume vanish.
    lots = np.where(barless, 0, np.maximum(av - before, 1))
    prints, starts, late = _prints(market, symbol, sec, lots, regular, day_start)
    final = aggregate(prints, starts)
    late_rows = np.flatnonzero(late)
    kept = prints.take(np.flatnonzero((late[prints.cell] > 0) & (prints.late == 0)))
    first_starts = np.flatnonzero(np.diff(kept.cell, prepend=-1))
    return Generated(sec, symbol, final, av * LOT, late, late_rows, aggregate(kept, first_starts), prints, starts)


def aggregate(prints: Prints, starts: Ints) -> Ohlcv:
    """Bars of prints by the tape's rules; a bar's prints are those from its entry of `starts` to the next one's."""
    if not starts.size:
        return Ohlcv(*(np.zeros(0, np.int64) for _ in Ohlcv._fields))
    effects = _EFFECTS[prints.kind, prints.regular.astype(np.int64)]
    high_low, open_close, volume = effects[:, 0], effects[:, 1], effects[:, 2]
    row = np.arange(prints.price.size)
    first = np.minimum.reduceat(np.where(open_close, row, row.size), starts)
    last = np.maximum.reduceat(np.where(open_close, row, -1), starts)
    none = last < 0
    size = np.where(volume, prints.size, 0)
    highest = np.iinfo(np.int64).max
    return Ohlcv(
        np.where(none, -1, prints.price[np.where(none, 0, first)]),
        np.maximum.reduceat(np.where(high_low, prints.price, -1), starts),
        np.minimum.reduceat(np.where(high_low, prints.price, highest), starts),
        np.where(none, -1, prints.price[last]),
        np.add.reduceat(size, starts),
        np.add.reduceat(size * prints.price, starts),
        np.add.reduceat(volume.astype(np.int64), starts),
    )


def combine(bars: Ohlcv, starts: Ints) -> Ohlcv:
    """Larger bars out of bars in order of time: each from its entry of `starts` to the next one's."""
    ends = np.append(starts[1:], bars.c.size) - 1
    summed = (np.add.reduceat(column, starts) for column in (bars.v, bars.n, bars.trades))
    return Ohlcv(
        bars.o[starts], np.maximum.reduceat(bars.h, starts), np.minimum.reduceat(bars.l, starts), bars.c[ends], *summed
    )


def _cells(market: Market, who: Ints, start: int, end: int) -> tuple[Ints, Ints, Ints, Bools]:
    """Seconds with prints: second, column in `who`, the symbol's previous second with a bar, and whether this one has
    an official price only. The previous second is looked for no further back than the lookback, whatever was asked."""
    back = market.lookback
    active = market.active(who, start - back, end)
    rows = np.arange(start - back, end)[:, None]
    latest = np.maximum.accumulate(np.where(active, rows, start - back - 1), axis=0)
    silent = ~active[back:]
    chance = hashed(market.keys[who][None, :], PRINTS, rows[back:]) & np.uint64(0xFFFF)
    barless = silent & (chance < _BARLESS_SHARE)
    for halt in market.halts:
        column = np.flatnonzero(who == halt.who)
        barless[max(0, halt.start - start) : max(0, halt.end - start), column] = False
    at, column = np.nonzero(~silent | barless)
    sec = at + start
    previous = np.maximum(latest[at + back - 1, column], sec - back)
    return sec, column, previous, barless[at, column]


def _sessions(sec: Ints, start: int, end: int) -> tuple[Ints, Bools]:
    """Each second's New York midnight (as a second), and whether it lies in the regular session."""
    days = days_between(start, end)
    at = np.searchsorted([day.start // 1000 for day in days], sec, "right") - 1
    regular = np.zeros(sec.shape, bool)
    for day in days:
        regular |= (sec >= day.regular_open // 1000) & (sec < day.regular_close // 1000)
    return np.array([day.start // 1000 for day in days])[at], regular


def _bits(hashes: Hashes, shift: int, count: int) -> Ints:
    """`count` bits of each hash from bit `shift` on."""
    return ((hashes >> np.uint64(shift)) & np.uint64((1 << count) - 1)).astype(np.int64)


def _prints(
    market: Market, who: Ints, sec: Ints, lots: Ints, regular: Bools, day_start: Ints
) -> tuple[Prints, Ints, Ints]:
    """The prints of all rows, where each row's begin, and by how many seconds one of its prints comes late."""
    chosen = hashed(market.keys[who], PRINTS, sec, 1)
    # One print in half of the bars, two in a quarter of them, and so on; never more than there are round lots.
    setting = np.minimum(np.minimum(1 + _ones(_bits(chosen, 0, 10)), lots), MOST_PRINTS)
    kind = _extra_kind(chosen, lots)
    extra = kind >= 0
    count = setting + extra
    starts = np.cumsum(count) - count
    cell = np.repeat(np.arange(who.size), count)
    j = np.arange(cell.size) - starts[cell]
    place = np.where(extra, _bits(chosen, 12, 10) % np.maximum(count, 1), MOST_PRINTS + 1)
    is_extra = j == place[cell]
    rank = j - (j > place[cell])
    one = hashed(chosen[cell], j)
    price = _prices(market, who, sec, cell, j, rank, count, setting, is_extra, kind, one)
    late = np.where(
        (setting >= 2) & (_bits(chosen, 22, 16) < _LATE_SHARE), 2 + _bits(chosen, 38, 10) % (_LATEST_S - 1), 0
    )
    late_rank = _bits(chosen, 48, 8) % np.maximum(setting, 1)
    late_one = ~is_extra & (rank == late_rank[cell])
    _lead(price, starts, is_extra, kind[cell], np.where(late_rank == setting - 1, 0, setting - 1), place, cell)
    q = (sec - day_start) * SEQUENCE_STEP + 1000
    return (
        Prints(
            cell,
            sec[cell] * 1000 + _millisecond(j, count[cell], one),
            q[cell] + j,
            price,
            _sizes(cell, starts, rank, is_extra, kind, setting, lots, one),
            np.where(is_extra, kind[cell], _main_kind(one)),
            _EXCHANGES[_bits(one, 4, 4)],
            np.where(late_one, late[cell], 0),
            regular[cell],
        ),
        starts,
        late,
    )


def _ones(bits: Ints) -> Ints:
    """How many of the lowest bits are 1 before the first 0 (at most 7): a geometric law."""
    lowest_zero = ~bits & (bits + 1)
    return np.asarray(np.minimum(np.log2(np.maximum(lowest_zero, 1)).astype(np.int64), 7))


def _extra_kind(chosen: Hashes, lots: Ints) -> Ints:
    """The kind of the one print besides those that set prices; -1 for none. It takes its size from them, so they must
    have a lot to spare, unless it is an official price, which is not counted."""
    draw, pick = _bits(chosen, 24, 16), _bits(chosen, 40, 8)
    kind = np.full(lots.shape, -1)
    kind = np.where(draw < _ODD_SHARE, _ODD + pick % (_OTHER - _ODD), kind)
    kind = np.where(
        (draw >= _ODD_SHARE) & (draw < _ODD_SHARE + _OTHER_SHARE), _OTHER + pick % (_OFFICIAL - _OTHER), kind
    )
    kind = np.where(lots < MOST_PRINTS + 1, -1, kind)
    return np.where((lots == 0) | (draw >= 65_536 - _OFFICIAL_SHARE), _OFFICIAL + pick % 2, kind)


def _main_kind(one: Hashes) -> Ints:
    draw = _bits(one, 0, 4)
    return np.where(draw < 9, 0, np.where(draw < 13, 2, 1))


def _millisecond(j: Ints, count: Ints, one: Hashes) -> Ints:
    """Prints of a second are spread over it in order."""
    return np.minimum(((j + _bits(one, 8, 10) / 1024) * 1000 / count).astype(np.int64), 999)


def _prices(
    market: Market, who: Ints, sec: Ints, cell: Ints, j: Ints, rank: Ints, count: Ints, setting: Ints, is_extra: Bools,
    kind: Ints, one: Hashes,
) -> Ints:  # fmt: skip
    """Prices in 1/10000: along the way from the second's first price to its last, a cent or so to and fro; the last
    print that sets prices is exact, so that closes move as calmly as the market does."""
    begin = market.price(who, sec)
    end = market.price(who, sec + 1)
    along = (j + 0.5) / count[cell]
    way = begin[cell] + (end - begin)[cell] * along
    draw = _bits(one, 18, 8)
    odds = np.where(way >= 20.0, 40, 8)
    step = np.where(draw < odds, 1, np.where(draw >= 256 - odds, -1, 0))
    # Dear stocks have wider spreads; a print that sets the high or low may stick out further than one that does not.
    wide = np.where(
        is_extra,
        np.where((kind[cell] >= _OTHER) & (kind[cell] < _VOLUME_ONLY), 2, 1),
        1 + (way // 250).astype(np.int64),
    )
    cents = np.rint(way * 100).astype(np.int64) + step * wide
    finer = np.where(is_extra | (_bits(one, 26, 7) != 0), 0, np.where(_bits(one, 33, 1) == 1, 50, 1))
    last = ~is_extra & (rank == setting[cell] - 1)
    return np.where(last, np.rint(end[cell] * 100).astype(np.int64) * 100, np.maximum(cents, 1) * 100 + finer)


def _lead(price: Ints, starts: Ints, is_extra: Bools, kind: Ints, rank: Ints, place: Ints, cell: Ints) -> None:
    """Keeps prints of volume only within a cent of the print of that `rank` (of those that set prices, and not late): a
    bar's VWAP must not leave its range, even where the price jumps within the second."""
    rows = np.flatnonzero(is_extra & (kind < _OFFICIAL) & ~((kind >= _OTHER) & (kind < _VOLUME_ONLY)))
    at = cell[rows]
    leader = starts[at] + rank[at] + (place[at] <= rank[at])
    price[rows] = price[leader] + np.clip(price[rows] - price[leader], -100, 100) // 100 * 100


def _sizes(
    cell: Ints, starts: Ints, rank: Ints, is_extra: Bools, kind: Ints, setting: Ints, lots: Ints, one: Hashes
) -> Ints:
    """Shares of each print, so that those which count come to the second's round lots."""
    if not cell.size:
        return np.zeros(0, np.int64)
    weight: Floats = np.where(is_extra, 0.0, (_bits(one, 34, 12) + 1.0) ** 2)
    total = np.add.reduceat(weight, starts)
    size = np.where(
        is_extra, 0, 1 + np.floor((lots - setting)[cell] * weight / np.maximum(total, 1.0)[cell]).astype(np.int64)
    )
    rest = lots - np.add.reduceat(size, starts)
    first = ~is_extra & (rank == 0)
    size[first] += rest[cell[first]]
    size *= LOT
    extra = np.flatnonzero(is_extra)
    if extra.size:
        size[extra] = np.where(kind[cell[extra]] < _OTHER, 1 + _bits(one[extra], 46, 12) % (LOT - 1), LOT)
        taker = extra[kind[cell[extra]] < _OFFICIAL]
        giver = _biggest(size, cell, starts, is_extra)[cell[taker]]
        size[giver] -= size[taker]
    return size


def _biggest(size: Ints, cell: Ints, starts: Ints, is_extra: Bools) -> Ints:
    """The row of the biggest print that sets prices, of each cell."""
    ranked = np.where(is_extra, 0, size) * (MOST_PRINTS * 2) + (
        MOST_PRINTS * 2 - 1 - (np.arange(cell.size) - starts[cell])
    )
    best = np.maximum.reduceat(ranked, starts)
    return np.asarray(starts + MOST_PRINTS * 2 - 1 - best % (MOST_PRINTS * 2))

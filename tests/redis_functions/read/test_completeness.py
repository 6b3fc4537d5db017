"""Minutes that are live, repaired or missing: against counting every minute of every symbol one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from market.calendar import Hours
from redis_functions.read.completeness import Coverage, completeness, coverage
from redis_functions.read.gaps import Gap

MINUTE = 60_000
OPENS = 1_760_083_200_000
HOURS = Hours(OPENS, OPENS + 100 * MINUTE)


def at(minute: float) -> int:
    return OPENS + round(minute * MINUTE)


TIMES = st.one_of(st.none(), st.integers(-20 * 60, 130 * 60).map(lambda s: OPENS + s * 1_000))
GAPS = st.lists(
    st.builds(
        Gap,
        st.sampled_from([("*",), ("A",), ("B",), ("A", "C")]),
        TIMES,
        TIMES,
        st.just("stall"),
        st.sampled_from(["open", "repaired", "unrepairable"]),
    ).filter(lambda g: g.start is None or g.end is None or g.start <= g.end),
    max_size=8,
)


def touches(gap: Gap, minute: int) -> bool:
    """Whether the gap, its end excluded unless it is also its begin, has an instant in the minute."""
    start = at(0) if gap.start is None else gap.start
    end = at(10_000) if gap.end is None else max(gap.end, start + 1 if gap.start is not None else gap.end)
    return max(start, at(minute)) < min(end, at(minute + 1))


@given(GAPS, st.integers(-5 * 60, 120 * 60))
def test_each_minute_of_a_symbol_counts_once(gaps: list[Gap], second: int) -> None:
    now = OPENS + second * 1_000
    counts = {"live": 0, "repaired": 0, "missing": 0}
    for symbol in ("A", "B", "C"):
        for minute in range(100):
            if at(minute) < now:
                inside = [g.state for g in gaps if g.concerns(symbol) and touches(g, minute)]
                missing = any(state != "repaired" for state in inside)
                counts["missing" if missing else "repaired" if inside else "live"] += 1
    got = coverage(gaps, 3, HOURS, now)
    assert got[1:] == (counts["live"], counts["repaired"], counts["missing"])
    total = sum(counts.values())
    exact = 1 - counts["missing"] / total if total else 1.0
    assert exact - 1e-6 < got.fraction <= exact + 1e-12


def test_a_part_of_a_minute_misses_the_minute() -> None:
    gap = Gap(("A",), at(10.5), at(10.6), "drop", "open")
    assert coverage([gap], 2, HOURS, at(50)) == Coverage(0.99, 99, 0, 1)
    assert coverage([gap._replace(state="repaired")], 2, HOURS, at(50)) == Coverage(1.0, 99, 1, 0)


def test_a_day_that_is_not_whole_never_reads_as_whole() -> None:
    gap = Gap(("A",), at(10), at(11), "drop", "unrepairable")
    assert coverage([gap], 10_000_000, HOURS, at(100)).fraction == 0.999999


def test_gaps_are_counted_by_state() -> None:
    gaps = [
        Gap(("*",), at(i), at(i + 1), "drop", s) for i, s in enumerate(("open", "open", "repaired", "unrepairable"))
    ]
    found = completeness(gaps, 1, HOURS, at(10))
    assert (found.open, found.repaired, found.unrepairable) == (2, 1, 1)
    assert found.coverage == Coverage(0.7, 6, 1, 3)


def test_a_closed_day_is_whole() -> None:
    closed = Hours(OPENS, OPENS)
    assert coverage([Gap(("*",), at(0), None, "drop", "open")], 5, closed, at(10)) == Coverage(1.0, 0, 0, 0)

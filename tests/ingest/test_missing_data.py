"""How many rejected events are missing data: not one among thousands, but all, and a share of all."""

from __future__ import annotations

from collections import Counter

from ingest.missing_data import LEAST, WINDOW_MS, MissingData

T = 1_760_104_800_000
FUTURE = Counter({"future": 1})


def test_every_bar_rejected_is_missing_data_from_the_earliest_on() -> None:
    data = MissingData()
    changes = [data.note(T + 1000 * i, 0, FUTURE, T + 18_000 + 1000 * i) for i in range(LEAST + 2)]
    assert changes == [False] * (LEAST - 1) + [True, False, False]
    assert data.missing == ("future", LEAST, T + 18_000)


def test_an_odd_event_among_many_is_none() -> None:
    data = MissingData()
    assert not any(data.note(T + i, 300, FUTURE if i % 2 else Counter()) for i in range(50))
    assert data.missing is None


def test_a_tenth_of_all_is_where_it_was_rejected_for_its_time() -> None:
    data = MissingData()
    assert not data.note(T, 97, Counter({"too_late": 3}))
    assert data.note(T + 1, 0, Counter({"too_late": 9}))


def test_what_cannot_be_read_is_missing_data_only_where_little_else_comes() -> None:
    data = MissingData()
    assert not data.note(T, 100, Counter({"not_json": 90}))
    assert not data.note(T + WINDOW_MS + 1, 0, Counter({"not_json": 90}))  # the window before had data
    assert data.note(T + WINDOW_MS + 2, 0, Counter({"bad_price": 50}))
    assert data.missing is not None
    assert (data.missing.reason, data.missing.since) == ("not_json", None)


def test_it_ends_with_a_window_of_usable_events() -> None:
    data = MissingData()
    for i in range(LEAST):
        data.note(T + i, 0, FUTURE, T)
    times = [T + WINDOW_MS + 1, T + WINDOW_MS + 500, T + 2 * WINDOW_MS + 2]
    assert [data.note(t, 10, Counter()) for t in times] == [False, False, True]
    assert data.missing is None


def test_a_clock_that_is_set_back_begins_a_window() -> None:
    data = MissingData()
    data.note(T, 0, FUTURE, T)
    assert not data.note(T - 3_600_000, 0, Counter({"future": LEAST - 1}), T)

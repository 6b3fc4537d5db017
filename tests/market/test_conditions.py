"""The sale-condition rules, id by id."""

from __future__ import annotations

import itertools
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.conditions import Condition, ConditionTable, Effect

NOTHING = Effect(False, False, False)
PRICES_ONLY = Effect(True, True, False)
VOLUME_ONLY = Effect(False, False, True)
NOT_LAST = Effect(True, False, True)
EVERYTHING = Effect(True, True, True)

# Written from the vendor's table of 2026-07, not from our file.
RULES = {
    NOTHING: (15, 16),
    PRICES_ONLY: (38,),
    VOLUME_ONLY: (2, 7, 12, 13, 20, 21, 29, 37, 52, 53),
    NOT_LAST: (5, 10, 22, 32, 33),
    EVERYTHING: (0, 1, 3, 4, 6, 8, 9, 11, 14, 17, 18, 19, 23, 24, 25, 27, 28, 30, 31, 34, 35, 36, 41, 55),
}
IGNORED = (*range(57, 61), *range(62, 72))
BY_ID = [(number, effect) for effect, numbers in RULES.items() for number in numbers]


@pytest.fixture
def table() -> ConditionTable:
    return ConditionTable.frozen()


@pytest.mark.parametrize(("number", "effect"), BY_ID)
def test_each_id_in_the_regular_session(table: ConditionTable, number: int, effect: Effect) -> None:
    assert table.effect((number,), regular=True) == effect


@pytest.mark.parametrize(("number", "effect"), [(n, EVERYTHING if n == 12 else effect) for n, effect in BY_ID])
def test_each_id_outside_it_where_only_form_t_differs(table: ConditionTable, number: int, effect: Effect) -> None:
    assert table.effect((number,), regular=False) == effect


def test_the_table_holds_these_ids_and_no_more(table: ConditionTable) -> None:
    assert sorted(table.conditions) == sorted(number for number, _ in BY_ID)
    assert table.ignored == set(IGNORED)
    assert all(condition.name for condition in table.conditions.values())


def test_no_condition_is_a_regular_sale(table: ConditionTable) -> None:
    assert table.effect((), regular=True) == table.effect((), regular=False) == EVERYTHING


@pytest.mark.parametrize(
    ("conditions", "regular", "effect"),
    [
        ((14, 37), True, VOLUME_ONLY),
        ((14, 12), True, VOLUME_ONLY),
        ((14, 12), False, EVERYTHING),
        ((14, 12, 37), False, VOLUME_ONLY),  # an odd lot stays one in the extended session
        ((12, 13), False, VOLUME_ONLY),
        ((12, 22), False, NOT_LAST),
        ((12, 2), False, VOLUME_ONLY),
        ((38, 10), True, Effect(True, False, False)),
        ((38, 37), True, NOTHING),
        ((15, 38), True, NOTHING),
        ((0, 12), True, VOLUME_ONLY),
    ],
)
def test_of_several_codes_any_no_wins(
    table: ConditionTable, conditions: tuple[int, ...], regular: bool, effect: Effect
) -> None:
    for order in itertools.permutations(conditions):
        assert table.effect(order, regular) == effect


@given(st.lists(st.sampled_from([number for number, _ in BY_ID]), max_size=5), st.booleans())
def test_a_combination_allows_what_each_of_its_codes_allows(numbers: list[int], regular: bool) -> None:
    table = ConditionTable.frozen()
    alone = [table.effect((number,), regular) for number in numbers]
    assert table.effect(tuple(numbers), regular) == tuple(all(flags) for flags in zip(*alone, strict=True)) or not alone


@pytest.mark.parametrize("number", IGNORED)
def test_marks_that_are_no_sale_conditions_change_nothing_and_are_not_unknown(
    table: ConditionTable, number: int
) -> None:
    assert table.effect((number,), regular=True) == EVERYTHING
    assert table.effect((number, 37), regular=True) == VOLUME_ONLY
    assert not table.unknown


def test_unknown_ids_change_nothing_and_every_print_of_them_is_counted(table: ConditionTable) -> None:
    assert table.effect((999,), regular=True) == EVERYTHING
    assert table.effect((37, 999, 1000), regular=True) == VOLUME_ONLY
    assert table.effect((37, 999, 1000), regular=False) == VOLUME_ONLY
    assert table.unknown == {999: 3, 1000: 2}
    assert table.unknown_prints == 3


def test_neither_cache_nor_unknown_ids_grow_without_end(table: ConditionTable) -> None:
    for number in range(100, 1100):
        table.effect((number,), regular=True)
    for combination in itertools.islice(itertools.product(table.conditions, repeat=3), 5000):
        table.effect(combination, regular=True)
    assert len(table.unknown) == 256
    assert table.unknown_prints == 1000
    assert len(table._regular) <= 4096
    assert table.effect((10,), regular=True) == NOT_LAST


def test_json_is_the_shipped_file_again(table: ConditionTable) -> None:
    assert table.to_json() == resources.files("market").joinpath("conditions.json").read_text()


def test_a_table_survives_json() -> None:
    table = ConditionTable({77: Condition("new", Effect(False, True, True))}, [62], as_of="2027-01-01")
    again = ConditionTable.from_json(table.to_json())
    assert (again.conditions, again.ignored, again.as_of) == (table.conditions, table.ignored, "2027-01-01")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"conditions": [{}], "ignored": [], "as_of": ""}', "null"])
def test_text_that_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a table of sale conditions"):
        ConditionTable.from_json(text)

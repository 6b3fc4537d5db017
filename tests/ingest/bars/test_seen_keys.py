"""The set of recent keys: exact within its span, forgets older keys, bounded in memory."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.bars.seen_keys import REMEMBER_MS, SeenKeys

MINUTE = 60_000
START = 1_514_887_200_000

# Few enough different keys that repetitions are common, among them the ends of the range.
keys = st.one_of(st.integers(0, 40), st.sampled_from([-(2**63), -1, 2**63 - 1]))


@given(st.lists(st.tuples(keys, st.integers(0, 20_000)), max_size=400))
def test_within_the_time_it_is_a_set(steps: list[tuple[int, int]]) -> None:
    seen, now, model = SeenKeys(), START, dict[int, int]()
    for key, pause in steps:
        now += pause
        known = key in model and now - model[key] < REMEMBER_MS
        fresh = seen.add(key, now)
        assert not (fresh and known)
        assert fresh or key in model
        if fresh:
            model[key] = now


def test_many_keys_are_told_apart_whatever_has_been_sealed() -> None:
    dice = random.Random(3)
    numbers = [dice.getrandbits(64) - 2**63 for _ in range(5_000)]
    seen = SeenKeys()
    assert all(seen.add(number, START + i) for i, number in enumerate(numbers))
    assert not any(seen.add(number, START + 5_000) for number in numbers)
    assert len(seen) == 5_000


def test_a_key_is_known_for_a_quarter_of_an_hour_and_forgotten_in_the_end() -> None:
    seen = SeenKeys()
    for key in range(100):
        seen.add(key, START)
    seen.tidy(START + REMEMBER_MS - 1)
    assert not any(seen.add(key, START + REMEMBER_MS - 1) for key in range(100))
    seen.tidy(START + REMEMBER_MS + 16 * MINUTE)
    assert len(seen) == 0


def test_only_the_old_keys_are_forgotten() -> None:
    dice = random.Random(11)
    numbers = dice.sample(range(10**6), 200)
    seen, later = SeenKeys(), START + 14 * MINUTE
    for number in numbers[:100]:
        seen.add(number, START)
    seen.tidy(START)
    for number in numbers[100:]:
        seen.add(number, later)
    seen.tidy(later)
    seen.tidy(later + 5 * MINUTE)
    assert len(seen) == 100
    assert not any(seen.add(number, later + 5 * MINUTE) for number in numbers[100:])


def test_ages_are_right_where_their_16_bits_wrap() -> None:
    wrap = 2**16 * MINUTE * 400
    seen = SeenKeys()
    for key in range(50):
        seen.add(key, wrap - 1)
    seen.tidy(wrap + REMEMBER_MS - MINUTE)
    assert not any(seen.add(key, wrap + REMEMBER_MS - MINUTE) for key in range(50))


def test_clear_forgets_everything() -> None:
    seen = SeenKeys()
    for key in range(100):
        seen.add(key, START)
    seen.clear()
    assert len(seen) == 0
    assert all(seen.add(key, START) for key in range(100))


@pytest.mark.parametrize("key", [2**63, 2**64 - 1, 2**64 + 5, -(2**63) - 1])
def test_wider_integers_are_cut_to_64_bits_alike_before_and_after_sealing(key: int) -> None:
    seen = SeenKeys()
    assert seen.add(key, START)
    for other in range(1000, 1100):
        seen.add(other, START)
    assert not seen.add(key, START)


def test_a_busy_symbol_takes_few_bytes_a_print() -> None:
    dice = random.Random(5)
    tracemalloc.start()
    try:
        seen = SeenKeys()
        for i in range(30_000):
            seen.add(dice.getrandbits(64) - 2**63, START + i * 30)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(seen) == 30_000
    assert size / 30_000 < 25

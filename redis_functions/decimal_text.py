"""Many numbers written in ASCII, read at once by numpy: without an object for each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.intp]

_WORD = 8
#: Digits that two words hold: all integers that a float64 holds exactly.
_MOST_DIGITS = 2 * _WORD
_ZEROS = np.uint64(0x3030303030303030)
_SIXES = np.uint64(0x0606060606060606)
_HIGH_NIBBLES = np.uint64(0xF0F0F0F0F0F0F0F0)
_LOW_NIBBLES = np.uint64(0x0F0F0F0F0F0F0F0F)
#: Eight digits become four pairs, two fours, one eight: (mask, 256**n * 10**n + 1, bits of n bytes).
_STEPS = tuple(
    (np.uint64(mask), np.uint64(factor), np.uint64(shift))
    for mask, factor, shift in (
        (0xFFFFFFFFFFFFFFFF, (10 << 8) + 1, 8),
        (0x00FF00FF00FF00FF, (100 << 16) + 1, 16),
        (0x0000FFFF0000FFFF, (10_000 << 32) + 1, 32),
    )
)


def parse(text: bytes, starts: Positions, ends: Positions) -> npt.NDArray[np.float64]:
    """The numbers at ``text[start:end]``, in the shape of `starts`. Raises ValueError where one is none.

    Each must end 8 bytes or more after the beginning of the text. Digits are read eight at a time: a word of eight
    characters is one number for the processor, and three multiplications turn it into their value.
    """
    shape, starts, ends = starts.shape, starts.ravel(), ends.ravel()
    if not len(starts):
        return np.empty(shape)
    words, lengths = _words(text), ends - starts
    values, odd = _eight(words[ends - _WORD], np.minimum(lengths, _WORD))
    odd |= lengths <= 0
    long = np.flatnonzero(lengths > _WORD)
    if len(long):
        before = words[np.maximum(ends[long] - _MOST_DIGITS, 0)]
        high, also_odd = _eight(before, np.minimum(lengths[long] - _WORD, _WORD))
        values[long] += high * np.uint64(10**_WORD)
        odd[long] |= also_odd | (lengths[long] > _MOST_DIGITS)
    found = values.astype(np.float64)
    # Signs, fractions and exponents are rare: one by one.
    for place in np.flatnonzero(odd).tolist():
        found[place] = float(text[starts[place] : ends[place]])
    return found.reshape(shape)


def same_rows(text: bytes, starts: Positions, ends: Positions) -> bool:
    """Whether all rows of numbers at ``text[start:end]`` are written like the first one; told only of 8 to 16 characters."""
    lengths = ends - starts
    if not starts.size or lengths.max() > _MOST_DIGITS or lengths.min() < _WORD:
        return not starts.size
    words = _words(text)
    begin, finish = words[starts], words[ends - _WORD]
    return bool((begin == begin[0]).all() and (finish == finish[0]).all() and (lengths == lengths[0]).all())


def _words(text: bytes) -> npt.NDArray[np.uint64]:
    """At each place of the text the word of eight characters that begins there."""
    return np.ndarray((len(text) - _WORD + 1,), np.dtype("<u8"), text, 0, (1,))


def _eight(words: npt.NDArray[np.uint64], lengths: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint64], Any]:
    """Of each word's last `lengths` characters the value, and whether one of them is no digit."""
    # The first character is the lowest byte: what precedes the number is shifted out, and zeros take its place.
    unused = ((_WORD - lengths) * 8).astype(np.uint64)
    kept = (words >> unused) << unused
    # Digits are 0x30 to 0x39: six more do not change their upper half, which it does with : ; < = > ?
    digits = (_ZEROS >> unused) << unused
    odd = (kept & _HIGH_NIBBLES != digits) | (kept + _SIXES & _HIGH_NIBBLES != digits)
    values = kept & _LOW_NIBBLES
    for mask, factor, shift in _STEPS:
        values = ((values & mask) * factor) >> shift
    return values, odd

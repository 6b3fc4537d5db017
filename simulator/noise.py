"""Randomness that can be asked for any instant: hashes of integers, noise over octaves, a multiplicative cascade.

Nothing here keeps a state, so the same question has the same answer in every process and in any order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_SALT = np.uint64(0xD6E8FEB86659FD93)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_UNIT = 1.0 / (1 << 53)

#: The price's octaves: periods of 2 seconds to 2**21 seconds (24 days).
OCTAVES = range(1, 22)
#: Levels of the volume cascade: it spreads a mass over 2**17 seconds, a little more than a day of 25 hours.
CASCADE_LEVELS = 17


def mix(value: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): each bit of the result depends on each bit of `value`."""
    value = (value ^ (value >> _S30)) * _MIX_A
    value = (value ^ (value >> _S27)) * _MIX_B
    return value ^ (value >> _S31)


def hashed(key: Any, *words: Any) -> Hashes:
    """One 64-bit hash per element of `key` combined with `words` (integers or arrays that broadcast with it)."""
    state = np.asarray(key, np.uint64)
    # Arithmetic modulo 2**64 is what is meant; numpy warns about it for single numbers only.
    with np.errstate(over="ignore"):
        for word in words:
            step = np.asarray(word).astype(np.uint64) * _GOLDEN + _SALT
            state = mix(state ^ step)
    return state


def unit(key: Any, *words: Any) -> Floats:
    """Uniform numbers in [0, 1)."""
    return (hashed(key, *words) >> _S11).astype(np.float64) * _UNIT


def value_noise(keys: Hashes, t: Ints) -> Floats:
    """Smooth noise at the seconds `t` (one key an element), which wanders like a random walk over every span it knows.

    The sum over octaves k of sqrt(2**k) times value noise of period 2**k: the amplitude grows with the root of the
    span, as it does for prices. Within 5 s it changes by less than 27, typically by 3.
    """
    total = np.zeros(t.shape)
    for k in OCTAVES:
        octave = hashed(keys, k)
        # Every octave has its own phase, or all would have their knots at the same instants.
        shifted = t + (octave >> np.uint64(40)).astype(np.int64)
        cell = shifted >> k
        part = (shifted & ((1 << k) - 1)) / (1 << k)
        part = part * part * (3.0 - 2.0 * part)
        left = unit(octave, cell)
        total += (2.0 * (left + (unit(octave, cell + 1) - left) * part) - 1.0) * (1 << k) ** 0.5
    return total


def cascade(keys: Hashes, t: Ints) -> Floats:
    """Which share of a mass of 1 has come by the second `t` (0..2**17), in bursts of every length; never falls.

    A binary multiplicative cascade: each half of each span gets 30 to 70 % of what the span holds, by hash.
    """
    come = np.zeros(t.shape)
    mass = np.ones(t.shape)
    for level in range(CASCADE_LEVELS - 1, -1, -1):
        left = 0.3 + 0.4 * unit(keys, (t >> (level + 1)) * 32 + level)
        second_half = ((t >> level) & 1).astype(bool)
        come += np.where(second_half, mass * left, 0.0)
        mass *= np.where(second_half, 1.0 - left, left)
    return come

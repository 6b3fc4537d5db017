"""The consolidated tape's own marks, as recorded files carry them: sale-condition letters and correction codes.

The vendor's feed uses numeric ids instead; `parse_letters` translates, so that one rule table serves both.
"""

from __future__ import annotations

#: Letter of the tape to the vendor's condition id whose rule it follows. A blank, and ``@``, is a regular sale.
LETTER_IDS: dict[str, int] = {
    "B": 2,  # average price
    "C": 7,  # cash sale
    "F": 14,  # intermarket sweep
    "I": 37,  # odd lot; the vendor's id 6 has the same letter in its list and is another thing
    "M": 15,  # market center official close
    "N": 20,  # next day
    "O": 17,  # market center opening
    "P": 22,  # prior reference price
    "Q": 16,  # market center official open
    "R": 29,  # seller
    "T": 12,  # form T, extended hours
    "U": 13,  # extended hours, sold out of sequence
    "V": 52,  # contingent
    "Z": 32,  # sold out of sequence
    "4": 10,  # derivatively priced
    "6": 19,  # market center closing
    "7": 53,  # qualified contingent
}
_REGULAR = " @"

#: Corrections whose record does not count: 7 erroneous, 8 cancelled, 10 the record that cancels, 11 the record of the
#: error. 0 is a regular print, 1 an original that was later corrected, 12 its corrected version.
UNCOUNTED_CORRECTIONS = frozenset({7, 8, 10, 11})


def parse_letters(text: str) -> tuple[int, ...]:
    """The condition ids of a print's letters, in their order: ``parse_letters("FTI") == (14, 12, 37)``.

    Raises ValueError on a letter that is not known: a rule left out would give wrong prices without a sound.
    """
    try:
        return tuple([LETTER_IDS[letter] for letter in text if letter not in _REGULAR])
    except KeyError as error:
        raise ValueError(f"unknown sale condition {error.args[0]!r} in {text[:20]!r}") from None


def counts(correction: int) -> bool:
    """Whether a print with this correction code counts: ``counts(0)``, but not the cancelled ``counts(8)``."""
    return correction not in UNCOUNTED_CORRECTIONS

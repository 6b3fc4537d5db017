"""Text of others as it may be shown in a log, a terminal or an error: nothing in it steers what shows it."""

from __future__ import annotations

import re

#: Controls, the marks that turn the direction of text around, separators of lines, the byte-order mark, and halves of
#: characters, which no output can encode.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_NAMES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """`text` with each character that steers a terminal as its escape.

    >>> printable("bye \\x1b[2J\\u202eback")
    'bye \\\\x1b[2J\\\\u202eback'
    """
    return _STEERING.sub(_escape, text) if not (text.isascii() and text.isprintable()) else text


def _escape(found: re.Match[str]) -> str:
    char = found.group()
    code = ord(char)
    return _NAMES.get(char) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")

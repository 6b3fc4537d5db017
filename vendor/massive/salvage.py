"""What can still be read of a frame that is no JSON: cut into its events, each of which is read by itself.

One NaN, one number that overflows, one broken character or a cut end would otherwise cost every event of the frame.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

#: A whole string, or a brace or bracket outside of strings; a quote alone opens a string that has no end.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]"]', re.DOTALL)
#: Where an event begins: its first field is its kind.
_BEGINNING = re.compile(rb'(?=\{\s*"ev"\s*:)')
#: Longer whole numbers are none that a field could hold, and cost the more the longer they are.
_LONGEST_WHOLE = 40


def events_of(frame: bytes) -> list[dict[str, Any] | None]:
    """Each event of the frame in order, None for what lies between two of them and cannot be read.

    The cost grows with the frame's bytes only.
    """
    pieces = cut(frame)
    if pieces is not None:
        events = [read_anyhow(piece) for piece in pieces]
        if all(isinstance(event, dict) for event in events):
            return events
    # A string without its end hides what follows it: only where an event begins can be trusted.
    parts = _BEGINNING.split(frame)
    if len(parts) > 1 and not parts[0].strip(b" \t\r\n["):
        parts = parts[1:]
    found: list[dict[str, Any] | None] = []
    for part in parts:
        end = part.rfind(b"}") + 1 or len(part)
        event = read_anyhow(part[:end])
        if isinstance(event, dict):
            found.append(event)
        if not isinstance(event, dict) or part[end:].strip(b" \t\r\n,]"):
            found.append(None)
    return [event for at, event in enumerate(found) if event is not None or at == 0 or found[at - 1] is not None]


def cut(frame: bytes) -> list[bytes] | None:
    """The objects that stand in the frame's outer list, in order; None where the frame is no list of objects."""
    pieces, depth, begun = [], 0, -1
    for token in _TOKEN.finditer(frame):
        mark = token.group()
        if mark in (b"{", b"["):
            if begun < 0 and mark == b"{":
                begun, depth = token.start(), 0
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if begun >= 0 and depth <= 0:
                pieces.append(frame[begun : token.end()])
                begun = -1
        elif begun < 0 or mark == b'"':
            return None
    return pieces if pieces and begun < 0 else None


def read_anyhow(piece: bytes) -> Any:
    """The JSON value of `piece`, read as tolerantly as possible; None where even that fails.

    NaN, infinity and numbers beyond a double become non-finite floats, so that only the field with them is unusable; broken
    text becomes replacement characters.
    """
    try:
        return json.loads(piece.decode("utf-8", "replace"), strict=False, parse_int=_whole)
    except (ValueError, RecursionError):
        return None


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _LONGEST_WHOLE else math.copysign(math.inf, -1 if digits[0] == "-" else 1)

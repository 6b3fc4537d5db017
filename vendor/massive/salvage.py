"""What can still be read of a frame that is no JSON: cut into its events, each of which is read by itself.

One NaN, one number that overflows, one broken character or a cut end would otherwise cost every event of the frame.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

#: A whole string, or a brace or bracket outside of strings; a quote alone opens a string that has no end.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]"]', re.DOTALL)
#: Longer whole numbers are none that a field could hold, and cost the more the longer they are.
_LONGEST_WHOLE = 40


def cut(frame: bytes) -> Iterator[bytes]:
    """The objects that stand in the frame's outer list, in order; what is cut off at the end comes as it is.

    A frame without any object comes as one piece. The cost grows with the frame's bytes only.
    """
    depth, begun, found = 0, -1, False
    for token in _TOKEN.finditer(frame):
        mark = token.group()
        if mark in (b"{", b"["):
            if begun < 0 and mark == b"{":
                begun, depth = token.start(), 0
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if begun >= 0 and depth <= 0:
                yield frame[begun : token.end()]
                begun, found = -1, True
        elif mark == b'"':
            break
    if begun >= 0:
        yield frame[begun:]
    elif not found:
        yield frame


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

"""Channel `LULD`: price bands of limit up, limit down; two of its indicators announce that trading stops or resumes.

``{"ev":"LULD","T":"MSFT","h":218.96,"l":198.11,"i":[21],"z":3,"t":1601316752683746,"q":290317}``; `t` in µs or ns. The two
indicators are sent for Nasdaq-listed symbols only.
"""

from __future__ import annotations

from typing import Any

import msgspec

from market.limits import MAX_TIME
from vendor.interface import Decoded, Halt
from vendor.massive.channels.channel import Channel, Unusable, check_symbol, epoch_ms, text, whole, wholes

HALTED, RESUMED = 17, 18


class Luld(msgspec.Struct, tag_field="ev", tag="LULD"):
    """The fields of a price band that are used; `T` is the symbol."""

    T: str
    t: int
    i: tuple[int, ...] = ()


def read(event: dict[str, Any]) -> Luld:
    """A price band in any spelling of its numbers."""
    return Luld(text(event, "T"), whole(event, "t"), wholes(event, "i"))


def _take(event: Any, out: Decoded) -> None:
    check_symbol(event.T)
    t = epoch_ms(event.t)
    if not 0 < t < MAX_TIME:
        raise Unusable("bad_time")
    indicators = [indicator for indicator in event.i if indicator in (HALTED, RESUMED)]
    if indicators:
        out.halts.append(Halt(event.T, t, indicators[-1] == HALTED))
    else:
        out.bands += 1


HALTS = Channel("LULD", Luld, read, _take, symbol="T")

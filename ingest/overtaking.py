"""Under overload, second bars of watched symbols overtake the backlog, so that their latency and their alerts' stay bounded.

When input exceeds what the machine can store, records wait in the spool and everything else comes late. Nothing is lost by
that, and nothing is shed. Built seconds do not overtake: a second is built of all its prints, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator

from ingest.frame_queue import FrameQueue
from ingest.spool.segment import DATA, Record
from ingest.watchlists import Watched
from market.bar import Bar
from vendor.interface import Decoded, Decoder

#: From this age of the record whose turn it is, watched symbols overtake; ms.
AFTER_MS = 1_000
#: Records looked through between two records in order.
AT_ONCE = 16


class Overtaking:
    """Cuts watched bars out of records that wait, and out of the same records when their turn comes: all of them in their own
    order, so that state and alerts are those without overtaking."""

    def __init__(self, queue: FrameQueue, watched: Watched, decode: Decoder) -> None:
        self._queue = queue
        self._watched = watched
        self._decode = decode
        self._next = 0  # the next record to be looked through
        self._symbols: dict[int, frozenset[str]] = {}  # by the number of a record, whose bars overtook

    def bars(self, record: Record, now_ms: int) -> Iterator[list[Bar]]:
        """Watched bars of `record`, whose turn it is, and of those behind it, in order; nothing while it is young."""
        if now_ms - record.received_ms < AFTER_MS or not self._watched.symbols:
            return
        own = [record] if record.number >= self._next else []
        for later in own + self._queue.behind(max(self._next, record.number + 1), AT_ONCE):
            self._next = later.number + 1
            if later.kind != DATA or (part := self._watched.only(later.payload)) is None:
                continue
            if found := self._decode(part).bars:
                self._symbols[later.number] = self._watched.symbols
                yield found

    def left(self, number: int, events: Decoded) -> Decoded:
        """The events of record `number`, whose turn it is, without those that overtook it."""
        if self._symbols and (symbols := self._symbols.pop(number, None)):
            events.bars = [bar for bar in events.bars if bar.sym not in symbols]
        return events

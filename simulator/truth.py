"""The truth file: every event that the feed sent or that was due while no client was connected, one JSON object a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import orjson

from simulator.events import Event


class Truth:
    """Writes events with a running number ``n`` and ``sent`` (false: due, but lost as at the vendor)."""

    def __init__(self, path: Path | None) -> None:
        """Raises OSError where the file cannot be written. Without a path nothing is written."""
        self._file: BinaryIO | None = path.open("wb") if path else None
        self._n = 0

    def write(self, events: Sequence[Event], fate: Sequence[bool | None]) -> None:
        """`fate` as `Feed.publish` returns it; events without a subscription are left out."""
        if self._file is None:
            return
        lines = []
        for event, sent in zip(events, fate, strict=True):
            if sent is not None:
                self._n += 1
                lines.append(orjson.dumps(event.body | {"n": self._n, "sent": sent}))
        if lines:
            self._file.write(b"\n".join(lines) + b"\n")
            self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()

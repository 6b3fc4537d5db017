"""Frames such as a broken or hostile feed could send: near-valid ones mostly, by a seed, fast enough for millions."""

from __future__ import annotations

import json
import random
from typing import Any

#: A fixed set, so that a million frames do not make a million series.
SYMBOLS = [f"FZ{number}" for number in range(40)] + ["BRK.B", "KIMpL", "O:SPY251219C00650000", "BTC-USD"]
ODD_SYMBOLS: list[Any] = [
    "", " ", "A B", "{X}", "*", "\x00", "A" * 33, "ÅÄÖ", "\U0001f600", "\ud800", "ts:{A}:1s:close", "A\r\nPING", None, 7, [],
    {}, ["FZ1"],
]  # fmt: skip
ODD_NUMBERS: list[Any] = [
    0, -0.0, -1, 1, 0.00005, 0.00004, 1e-320, 1e15, 9.9e14, 1e308, float("nan"), float("inf"), float("-inf"), 2**53, 2**63,
    2**64, -(2**63) - 1, 10**400, 99_999_999.9999, 1e8, "1", " 12.5 ", "1e5", "1_000", "٣", "", "NaN", "x" * 300, "9" * 400,
    True, False, None, [], [1], {}, {"v": 1},
]  # fmt: skip
ODD_TEXTS: list[Any] = ["", "\x00", "\ud83d", "é" * 100, "A" * 5000, "%s%n{0}", 5, None, [], {}]
#: None of them ends a connection, so that frames can also be sent to a real daemon.
WORDS = ["success", "info", "connected", "odd word", ""]
_FIELDS = [
    "v",
    "o",
    "h",
    "l",
    "c",
    "vw",
    "s",
    "e",
    "t",
    "p",
    "q",
    "i",
    "x",
    "z",
    "ds",
    "dv",
    "av",
    "trfi",
    "T",
    "sym",
    "ev",
]
_RUBBISH = [
    b"", b"[", b"]", b"[]", b"{}", b"null", b"0", b'"status"', b"[[[[]]]]", b"[" * 100_000, b'{"ev":' * 5_000, b"\xef\xbb\xbf[]",
    b"\xff\xfe", b"[{]", b'[{"ev":"A"', b'[{"ev":"A","ev":"T"}]', b"[1e999999]", b'["\\ud800"]', b"\x00" * 50, b"[nan]", b" \n\t",
]  # fmt: skip


class Frames:
    """Endless frames by `seed`; times lie within `span_s` before `now_ms`."""

    def __init__(self, seed: int, now_ms: int, span_s: int = 100) -> None:
        self._random = random.Random(seed)
        self._now_s = now_ms // 1000
        self._span_s = span_s

    def next(self) -> bytes:
        at = self._random.random()
        if at < 0.03:
            return self._random.choice(_RUBBISH)
        events: Any = [self._event() for _ in range(self._random.choice((1, 1, 1, 2, 3, 6)))]
        if at < 0.06:
            events = events[0]
        elif at < 0.08:
            events.append(self._random.choice([None, 5, "A", [], {}, [events[0]], True]))
        raw = json.dumps(events, separators=(",", ":"), ensure_ascii=at < 0.5).encode("utf-8", "surrogatepass")
        return self._damaged(raw) if at > 0.9 else raw

    def _event(self) -> dict[str, Any]:
        rng = self._random
        event: dict[str, Any] = getattr(self, rng.choice(_KINDS))()
        if rng.random() < 0.35:
            for _ in range(rng.choice((1, 1, 2, 4))):
                self._bend(event)
        return event

    def _bend(self, event: dict[str, Any]) -> None:
        """Makes one field invalid, absent, or of another type."""
        rng = self._random
        name = rng.choice(list(event) or _FIELDS) if rng.random() < 0.8 else rng.choice(_FIELDS)
        how = rng.random()
        if how < 0.2:
            event.pop(name, None)
        elif name in ("sym", "T"):
            event[name] = rng.choice(ODD_SYMBOLS)
        elif name in ("ev", "status", "message"):
            event[name] = rng.choice(["A", "AM", "T", "Q", "LULD", *ODD_TEXTS] if name == "ev" else ODD_TEXTS)
        elif how < 0.3 and isinstance(event.get(name), int | float):
            event[name] = str(event[name])
        elif how < 0.4 and isinstance(event.get(name), int | float) and abs(event[name]) < 1e300:
            event[name] = event[name] * rng.choice([-1, 1000, 1_000_000, 0.001, 1.0000001])
        else:
            event[name] = rng.choice(ODD_NUMBERS)

    def _damaged(self, raw: bytes) -> bytes:
        """Bytes flipped, cut out, put in, doubled."""
        rng, data = self._random, bytearray(raw)
        for _ in range(rng.choice((1, 1, 3))):
            at = rng.randrange(len(data) + 1)
            how = rng.randrange(5)
            if how == 0 and at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            elif how == 1:
                del data[at : at + rng.randrange(1, 20)]
            elif how == 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 8))
            elif how == 3:
                data[at:at] = data[at : at + rng.randrange(1, 60)]
            else:
                del data[at:]
        return bytes(data)

    # --- what is well-formed

    def _time(self) -> int:
        ms = (self._now_s - self._random.randrange(self._span_s)) * 1000
        return ms * self._random.choice((1, 1, 1, 1000, 1_000_000))

    def _prices(self) -> list[float]:
        base = self._random.choice((0.0001, 1.0, 25.39, 114.125, 999.99, 700_000.0))
        return sorted(round(base * self._random.uniform(0.99, 1.01), 4) for _ in range(4))

    def _second(self) -> dict[str, Any]:
        low, o, c, high = self._prices()
        rng = self._random
        return {
            "ev": "A", "sym": rng.choice(SYMBOLS), "v": rng.choice((0, 1, 100, 200.5, 10**9)), "vw": o, "o": o, "c": c, "h": high,
            "l": low, "s": self._time(), "av": rng.randrange(10**7),
        }  # fmt: skip

    def _minute(self) -> dict[str, Any]:
        return self._second() | {"ev": "AM"}

    def _trade(self) -> dict[str, Any]:
        rng = self._random
        return {
            "ev": "T", "sym": rng.choice(SYMBOLS), "x": rng.randrange(1, 22), "i": str(rng.randrange(10**6)), "z": 3,
            "p": self._prices()[0], "s": rng.choice((1, 100, 0)), "ds": "1.5", "c": rng.sample(range(60), rng.randrange(4)),
            "t": self._time() + rng.randrange(1000), "q": rng.randrange(10**6),
        }  # fmt: skip

    def _halt(self) -> dict[str, Any]:
        words = self._random.choice(([17], [18], [16, 21], [17, 18], []))
        return {"ev": "LULD", "T": self._random.choice(SYMBOLS), "h": 2, "l": 1, "i": words, "t": self._time()}

    def _status(self) -> dict[str, Any]:
        return {"ev": "status", "status": self._random.choice(WORDS), "message": "subscribed to: A.*"}

    def _other(self) -> dict[str, Any]:
        return {"ev": self._random.choice(("Q", "FMV", "NOI")), "sym": self._random.choice(SYMBOLS), "bp": 1, "t": 1}


_KINDS = ["_second"] * 5 + ["_minute"] + ["_trade"] * 4 + ["_halt", "_status", "_other"]

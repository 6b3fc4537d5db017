"""Requests to the vendor's REST: at a bounded rate, tried again where that may help, and whole answers within limits.

An answer has so many bytes unpacked and so many seconds in all, its head included, however slowly it drips: `httpx` lets the
body be read as it comes and the whole be cancelled. Its redirects are off.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import math
import ssl
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from vendor import address
from vendor.interface import RestConfig, RestRefused, RestUnavailable
from vendor.massive.salvage import read_anyhow

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("tapewatch.rest")

#: Tries of one request, the seconds between them unless the vendor sends Retry-After, and the longest wait it may request.
TRIES = 5
BACKOFF_S = (0.5, 1.0, 2.0, 5.0)
LONGEST_WAIT_S = 3_600.0
#: A whole answer: seconds from the request to its last byte, and bytes unpacked.
ANSWER_S, ANSWER_BYTES = 60.0, 64 << 20
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 20.0
#: Requests under way at once: at 50 a second, answers may take 160 ms each.
AT_ONCE = 8
#: Unpacked at a time.
_STEP_BYTES = 1 << 20
#: Statuses that may pass; any other but 200 means that asking again will not help.
_PASSING = {408, 413, 425, 429, 499}


class _Again(Exception):
    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Clock(Protocol):
    """Monotonic seconds, and the waiting for them."""

    def now(self) -> float: ...
    async def wait(self, seconds: float, ended: asyncio.Event, /) -> None:
        """Returns after so many seconds, or as soon as `ended` is set."""


class Monotonic:
    """The clock of the running loop."""

    def now(self) -> float:
        return time.monotonic()

    async def wait(self, seconds: float, ended: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended.wait()


class Pace:
    """A token bucket that holds one token: requests begin at least ``1 / per_second`` seconds apart."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1.0 / per_second
        self._next = self._paused_to = -math.inf

    def take(self, now: float) -> float:
        """Takes the next token; in how many seconds it is there."""
        at = max(now, self._next)
        self._next = at + self._interval
        return at - now

    def pause(self, now: float, seconds: float) -> None:
        """No token for so many seconds."""
        self._next = max(self._next, now + seconds)
        self._paused_to = self._next

    def paused(self, now: float) -> float:
        """How many seconds of a pause are left."""
        return max(0.0, self._paused_to - now)


class Http:
    """Fetches JSON. `requests` and `retried` count since the start."""

    def __init__(self, config: RestConfig, clock: Clock | None = None) -> None:
        self.requests = self.retried = 0
        self._config = config
        self._clock = clock or Monotonic()
        self._pace = Pace(config.per_second)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._client: httpx.AsyncClient | None = None
        self._closed = asyncio.Event()

    async def fetch(self, path: str, query: dict[str, str]) -> dict[str, Any] | list[Any]:
        """The JSON object or list at `path`, asked for again while it may help and the tries last.

        Raises RestRefused and RestUnavailable.
        """
        client = self._connected()
        async with self._places:
            for attempt in range(TRIES):
                await self._await_turn()
                try:
                    return await self._once(client, path, query)
                except _Again as again:
                    if attempt == TRIES - 1:
                        raise RestUnavailable(str(again)) from None
                    self._pause(again, attempt)
        raise AssertionError

    async def close(self) -> None:
        """Ends the connections; later requests raise RestUnavailable."""
        self._closed.set()
        if self._client is not None:
            await self._client.aclose()

    def _pause(self, again: _Again, attempt: int) -> None:
        wait = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)] if again.after_s is None else again.after_s
        level = logging.INFO if wait > 1 else logging.DEBUG
        log.log(level, "the vendor's REST failed: %s; next try in %.1f s", again, wait)
        self.retried += 1
        self._pace.pause(self._clock.now(), wait)

    async def _await_turn(self) -> None:
        wait = self._pace.take(self._clock.now())
        while wait > 1e-6 and not self._closed.is_set():
            await self._clock.wait(wait, self._closed)
            # Another request may have been asked to wait longer.
            wait = self._pace.paused(self._clock.now())
        if self._closed.is_set():
            raise RestUnavailable("stopped")
        self.requests += 1

    async def _once(self, client: httpx.AsyncClient, path: str, query: dict[str, str]) -> dict[str, Any] | list[Any]:
        from httpx import HTTPError

        try:
            async with asyncio.timeout(ANSWER_S), client.stream("GET", self._config.base + path, params=query) as reply:
                if reply.status_code != 200:
                    raise _failure(reply.status_code, reply.headers.get("Retry-After"))
                raw = await read_whole(reply)
        except TimeoutError:
            raise _Again(f"no whole answer within {ANSWER_S:g} s") from None
        except HTTPError as error:
            # Its text may hold the address that was asked.
            raise _Again(f"no answer ({type(error).__name__})") from None
        return _content(raw)

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            config = self._config
            place = _place(config.base)
            if address.exposes(config.base, config.key) and not config.allow_plaintext_key:
                raise RestRefused(
                    f"the key would go unencrypted to {place}: use https://, or set TAPEWATCH_ALLOW_PLAINTEXT_KEY=true"
                )
            # Imported here: 7 MB and 0.1 s, which only a daemon with something to ask pays.
            import httpx

            self._client = httpx.AsyncClient(
                headers={"Authorization": f"Bearer {config.key or 'none'}", "Accept-Encoding": "gzip"},
                timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, pool=None),
                limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
                verify=ssl.create_default_context(), trust_env=False, follow_redirects=False,
            )  # fmt: skip
        return self._client


async def read_whole(reply: httpx.Response) -> bytearray:
    """The body, unpacked. Raises _Again where it ends early, RestUnavailable where it passes `ANSWER_BYTES`."""
    encoding = reply.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise _Again(f"an answer packed with {encoding[:20]!r}, expected gzip")
    unpack = None if encoding == "identity" else zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    body = bytearray()
    async for raw in reply.aiter_raw():
        if unpack is None:
            body += raw
        while unpack is not None and raw and not unpack.eof and len(body) <= ANSWER_BYTES:
            try:
                body += unpack.decompress(raw, _STEP_BYTES)
            except zlib.error:
                raise _Again("an answer that cannot be unpacked") from None
            raw = unpack.unconsumed_tail
        if len(body) > ANSWER_BYTES:
            raise RestUnavailable(f"an answer of more than {ANSWER_BYTES >> 20} MiB")
    if unpack is not None and not unpack.eof:
        raise _Again("an answer that ends early")
    return body


def _place(base: str) -> str:
    try:
        return address.shown(base, ("http", "https"))
    except ValueError as error:
        raise RestRefused(f"the address of the vendor's REST cannot be used: {error}") from None


def _content(raw: bytearray) -> dict[str, Any] | list[Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = read_anyhow(bytes(raw))  # one NaN or one broken character costs its own row only
        if body is None:
            raise _Again("an answer that is not JSON") from None
    if isinstance(body, dict) and body.get("status") == "ERROR":
        raise _Again("an answer with the status ERROR")
    if not isinstance(body, (dict, list)):
        raise _Again("an answer of no known shape")
    return body


def _failure(status: int, retry_after: str | None) -> Exception:
    if status in _PASSING or status >= 500:
        return _Again(f"status {status}", seconds_of(retry_after))
    return RestRefused(f"the vendor's REST answers {status}")


def seconds_of(retry_after: str | None) -> float | None:
    """How long a Retry-After header asks to wait: a number of seconds or an HTTP date; None where it is neither."""
    text = (retry_after or "").strip()
    if not text:
        return None
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = (email.utils.parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait, 0.0), LONGEST_WAIT_S) if wait == wait else None

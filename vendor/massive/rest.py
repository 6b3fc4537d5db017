"""The vendor's REST by its own client, `massive`, behind a small face: bars of one symbol, in order, at a bounded rate.

Requests are made by a few threads of our own, so the event loop never waits, and an answer that takes longer than the rate
allows between requests does not slow them down. The client's retries are off: it would try again at once, without regard to
the rate or to Retry-After.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from market.bar import MINUTE_MS, SECOND_MS, Bar
from market.price import notional, ticks

log = logging.getLogger("tapewatch.rest")

T = TypeVar("T")
#: Tries of one request, the seconds between them unless the vendor says how long, and the longest wait it may ask for.
TRIES = 5
BACKOFF_S = (0.5, 1.0, 2.0, 5.0)
LONGEST_WAIT_S = 3_600.0
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 20.0
#: Requests under way at once: at 50 a second, answers may take 160 ms each.
THREADS = 8
#: Base aggregates in one page, the vendor's most.
PAGE = 50_000
_UNITS = {SECOND_MS: "second", MINUTE_MS: "minute"}
#: Statuses that may pass; any other but 200 is a refusal.
_PASSING = {408, 413, 425, 429, 499}


class Refused(Exception):
    """The vendor will not answer this, now or later: the plan, the key or the path. The text is one short line."""


class Unavailable(Exception):
    """No usable answer within the tries; later there may be one."""


class _Again(Exception):
    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Pace:
    """A token bucket that holds one token: requests begin at least ``1 / per_second`` seconds apart."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1.0 / per_second
        self._clock = clock
        self._next = self._paused_to = -math.inf

    def take(self) -> float:
        """Takes the next token; how many seconds from now it is there."""
        now = self._clock()
        at = max(now, self._next)
        self._next = at + self._interval
        return at - now

    def pause(self, seconds: float) -> None:
        """No token for so many seconds."""
        self._next = max(self._next, self._clock() + seconds)
        self._paused_to = self._next

    def paused(self) -> float:
        """How many seconds of a pause are left."""
        return max(0.0, self._paused_to - self._clock())


class VendorRest:
    """Answers `bars`. `requests` and `retried` count since the start."""

    def __init__(
        self, base: str, key: str, per_second: float, *, pace: Pace | None = None,
        sleep: Callable[[float], object] | None = None, read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:  # fmt: skip
        self.requests = self.retried = 0
        self._base, self._key = base.rstrip("/"), key
        self._read_timeout_s = read_timeout_s
        self._pace = pace or Pace(per_second)
        self._turn = threading.Lock()  # of the pace, and of the counts
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._under_way = 0
        self._client: Any = None
        self._pool: _Watched | None = None

    async def bars(self, symbol: str, span_ms: int, start: int, end: int) -> list[Bar]:
        """The vendor's second (or minute) bars of `symbol` that start in `start`..`end` (epoch ms), ascending.

        Of prices as they were, not adjusted for splits: like the feed's. Raises Refused and Unavailable.
        """
        return await self._run(lambda: self._bars(symbol, span_ms, start, end))

    async def json(self, ask: Callable[[Any], Any]) -> Any:
        """The parsed reply to ``ask(client)``, a call of the vendor's client with ``raw=True``. Raises the same."""
        return await self._run(lambda: self._json(ask))

    def close(self) -> None:
        """Ends the threads; what is under way is given up."""
        self._stopped.set()
        for _ in self._threads:
            self._jobs.put(lambda: None)

    # --- the threads

    async def _run(self, work: Callable[[], T]) -> T:
        if self._stopped.is_set():
            raise Unavailable("stopped")
        if len(self._threads) < min(THREADS, self._under_way + 1):
            # A daemon, so that the end of the process does not wait for a vendor that is slow to answer.
            thread = threading.Thread(target=self._work, name="vendor-rest", daemon=True)
            self._threads.append(thread)
            thread.start()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            result: Any = None
            error: BaseException | None = None
            try:
                result = work()
            except Exception as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_settle, done, result, error)

        self._under_way += 1
        try:
            self._jobs.put(job)
            return await done
        finally:
            self._under_way -= 1

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._jobs.get()()

    # --- requests

    def _bars(self, symbol: str, span_ms: int, start: int, end: int) -> list[Bar]:
        path, unit = quote(symbol, safe=""), _UNITS[span_ms]
        found: list[Bar] = []
        while start <= end:
            body = self._json(partial(_ask_bars, path, unit, start, end))
            rows = body.get("results") or [] if isinstance(body, dict) else None
            if not isinstance(rows, list):
                raise Unavailable("an answer of another shape than bars")
            page = [bar for row in rows if (bar := to_bar(symbol, row, span_ms)) and start <= bar.t <= end]
            found += page
            # The next page is asked for by its time: `next_url` may lead anywhere and says nothing more.
            if not body.get("next_url") or not page:
                break
            start = page[-1].t + span_ms
        return found

    def _json(self, ask: Callable[[Any], Any]) -> Any:
        """The reply to `ask(client)`, asked again while it may help and the tries last."""
        for attempt in range(TRIES):
            self._await_turn()
            try:
                return self._once(ask)
            except _Again as again:
                if attempt == TRIES - 1:
                    raise Unavailable(str(again)) from None
                wait = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)] if again.after_s is None else again.after_s
                log.log(
                    logging.INFO if wait > 1 else logging.DEBUG, "the vendor's REST: %s; again in %.1f s", again, wait
                )
                with self._turn:
                    self.retried += 1
                    self._pace.pause(wait)
        raise AssertionError

    def _await_turn(self) -> None:
        with self._turn:
            wait = self._pace.take()
        while wait > 1e-6 and not self._stopped.is_set():
            self._sleep(wait)
            # Another thread may have been told to wait longer.
            with self._turn:
                wait = self._pace.paused()
        if self._stopped.is_set():
            raise Unavailable("stopped")
        with self._turn:
            self.requests += 1

    def _once(self, ask: Callable[[Any], Any]) -> Any:
        client, pool = self._connect()
        from massive.exceptions import BadResponse
        from urllib3.exceptions import HTTPError

        try:
            raw = ask(client).data
        except BadResponse:
            raise _failure(pool.status, pool.retry_after) from None
        except HTTPError as error:
            # Its text may hold the address that was asked.
            raise _Again(f"no answer ({type(error).__name__})") from None
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise _Again("an answer that is not JSON") from None
        if isinstance(body, dict) and body.get("status") == "ERROR":
            raise _Again("an answer that says ERROR")
        if not isinstance(body, (dict, list)):
            raise _Again("an answer of no known shape")
        return body

    def _connect(self) -> tuple[Any, _Watched]:
        with self._turn:
            if self._client is None or self._pool is None:
                self._client, self._pool = self._make()
            return self._client, self._pool

    def _make(self) -> tuple[Any, _Watched]:
        # Imported here: 19 MB and 0.2 s, which only a daemon with something to ask pays.
        from massive import RESTClient

        client = RESTClient(
            api_key=self._key or "none", base=self._base, retries=0, connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=self._read_timeout_s, connection_pool_kw={"retries": False, "maxsize": THREADS},
        )  # fmt: skip
        client.client = _Watched(client.client)
        return client, client.client


def _ask_bars(path: str, unit: str, start: int, end: int, client: Any) -> Any:
    return client.list_aggs(path, 1, unit, start, end, adjusted=False, sort="asc", limit=PAGE, raw=True)


class _Watched(threading.local):
    """The client's connection pool; keeps what the client's errors do not tell: status and Retry-After of the thread's last
    reply."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.status = 0
        self.retry_after: str | None = None

    def request(self, *args: Any, **kwargs: Any) -> Any:
        self.status, self.retry_after = 0, None
        reply = self._pool.request(*args, **kwargs)
        self.status, self.retry_after = reply.status, reply.headers.get("Retry-After")
        return reply


def _settle(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)


def _failure(status: int, retry_after: str | None) -> Exception:
    if status in _PASSING or status >= 500:
        return _Again(f"status {status}", _seconds(retry_after))
    return Refused(f"the vendor's REST answers {status}")


def _seconds(retry_after: str | None) -> float | None:
    """How long a Retry-After header asks to wait: a number of seconds or an HTTP date."""
    text = (retry_after or "").strip()
    if not text:
        return None
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = (email.utils.parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(wait, 0.0), LONGEST_WAIT_S) if wait == wait else None


def to_bar(symbol: str, row: Any, span_ms: int) -> Bar | None:
    """One aggregate of the vendor as a bar; None for one that cannot be right."""
    try:
        t, o, h, low, c, v = int(row["t"]), row["o"], row["h"], row["l"], row["c"], row["v"]
        vw = row.get("vw")
        # One chain finds every bad price: NaN and disorder make a comparison false.
        if t <= 0 or not (0.0 < low <= o <= h < math.inf and low <= c <= h) or not 0 <= v < math.inf:
            return None
        money = notional(vw, v) if vw is not None and 0.0 <= vw < math.inf else None
        return Bar(symbol, t - t % span_ms, ticks(o), ticks(h), ticks(low), ticks(c), _plain(v), money, span_ms)
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError):
        return None


def _plain(volume: float) -> float:
    return int(volume) if volume == int(volume) else volume

"""The lease of a feed: the vendor allows one connection, so one daemon owns the lease and the others wait as hot standbys.

An owner that renews is never evicted. One that died is followed within `ttl_s` and some two seconds; one that stopped
cleanly within a poll. While Redis is unreachable nobody can take the lease, so its owner continues; when Redis is back, the
owner renews before a standby may take what has expired meanwhile. The fencing token that comes with the lease guards
what is written about the feed (watermark, gaps): see lua/_tokens.lua.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from redis_functions.contract import keys
from redis_functions.lua.calls import Words, call_async

log = logging.getLogger("tapewatch.lease")

#: Seconds: how often a standby looks, and how often once the lease has vanished.
POLL_S = 1.0
POLL_VANISHED_S = 0.25
#: How long a standby must have seen the lease missing, in answers without a failure in between, before it takes it.
MISSING_S = 1.6
#: A try that takes longer is repeated this much later, so that the owner is back first after an outage.
TRY_S = 1.0
RETRY_S = 0.3


def new_owner() -> str:
    """A name that no other process has: host, process id, and chance (containers may share the other two)."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


class Lease:
    """``lease:{feed}`` for one owner: `wait` for it, `hold` it until it is lost or the task is cancelled, `release` it.

    No two living processes may have the same `owner`; a process that knows its predecessor to be dead (it holds the same
    locked folder) may use the predecessor's name and has the lease at once, with a new token.
    """

    def __init__(
        self,
        client: AsyncRedis,
        feed: str,
        owner: str,
        ttl_s: float = 5.0,
        renew_s: float = 1.5,
        *,
        poll_s: float = POLL_S,
        missing_s: float = MISSING_S,
    ) -> None:
        if not 0 < renew_s < ttl_s:
            raise ValueError("a lease must be renewed before it expires")
        self.feed = feed
        self.owner = owner
        #: The fencing token while the lease is held, else 0.
        self.token = 0
        #: The owner as last seen; "" for none.
        self.current = ""
        #: Whether Redis answered the last try.
        self.answered = False
        self._client = client
        self._ttl_ms = round(ttl_s * 1000)
        self._renew_s, self._poll_s, self._missing_s = renew_s, poll_s, missing_s
        self._seen = 0

    async def wait(self) -> int:
        """Waits until the lease is acquired and returns its token. Redis may be unreachable meanwhile."""
        missing_since: float | None = None
        waiting_for: str | None = None
        unreachable = False
        while True:
            ripe = missing_since is not None and time.monotonic() - missing_since >= self._missing_s
            try:
                async with asyncio.timeout(TRY_S):
                    token, current, seen = await call_async(self._client, self._acquire("take" if ripe else "leave"))
            except (RedisError, OSError, TimeoutError) as error:
                if not unreachable:
                    log.warning("the lease of %s waits for Redis: %s", self.feed, _reason(error))
                unreachable, missing_since, self.answered = True, None, False
                await asyncio.sleep(RETRY_S)
                continue
            unreachable, self.answered = False, True
            self.current, self._seen = current.decode(), max(self._seen, int(seen))
            if token:
                self.token = int(token)
                log.info("acquired the lease of %s", self.feed, extra={"token": self.token})
                return self.token
            if self.current:
                missing_since = None
                if waiting_for != self.current:
                    log.info("standby: %s owns the lease of %s", self.current, self.feed)
                waiting_for = self.current
            elif missing_since is None:
                missing_since = time.monotonic()
            await asyncio.sleep(self._poll_s if self.current else min(self._poll_s, POLL_VANISHED_S))

    async def hold(self, on_lost: Callable[[], None]) -> None:
        """Renews until the lease is lost, then calls `on_lost` and returns; continues through outages of Redis.

        Raises RuntimeError unless the lease was acquired before.
        """
        if not self.token:
            raise RuntimeError("hold() before wait(): there is no lease to renew")
        unreachable = False
        while True:
            await asyncio.sleep(RETRY_S if unreachable else self._renew_s)
            try:
                async with asyncio.timeout(TRY_S):
                    kept = await call_async(self._client, self._renew())
            except (RedisError, OSError, TimeoutError) as error:
                if not unreachable:
                    log.warning("the lease of %s cannot be renewed, continuing: %s", self.feed, _reason(error))
                unreachable = True
                continue
            if not kept:
                self.token = 0
                log.error("the lease of %s is lost to another process", self.feed)
                on_lost()
                return
            if unreachable:
                log.info("the lease of %s is renewed", self.feed)
            unreachable = False

    async def release(self) -> bool:
        """Gives the lease back, so that a standby follows at once; returns False if it was not owned or Redis is unreachable."""
        token, self.token = self.token, 0
        if not token:
            return False
        names = (keys.lease(self.feed), keys.lease_token(self.feed), keys.lease_released(self.feed))
        try:
            async with asyncio.timeout(TRY_S):
                return bool(await call_async(self._client, ("FCALL", "lease_release", 3, *names, self.owner, token)))
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("the lease of %s was not given back, it expires: %s", self.feed, _reason(error))
            return False

    def _acquire(self, vanished: str) -> Words:
        names = (keys.lease(self.feed), keys.lease_token(self.feed), keys.lease_released(self.feed))
        return ("FCALL", "lease_acquire", 3, *names, self.owner, self._ttl_ms, vanished, self._seen)

    def _renew(self) -> Words:
        names = (keys.lease(self.feed), keys.lease_token(self.feed))
        return ("FCALL", "lease_renew", 2, *names, self.owner, self.token, self._ttl_ms)


def _reason(error: Any) -> str:
    return str(error) or type(error).__name__

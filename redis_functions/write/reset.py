"""Empties the store: every key of ours but the watchlists, and no key of anybody else."""

from __future__ import annotations

from collections.abc import Callable

from redis import Redis

from redis_functions.contract import keys

#: Keys in one round trip.
BATCH = 500


def reset(client: Redis, progress: Callable[[int], None] = lambda deleted: None) -> int:
    """Deletes what was stored, gaps, alerts, leases and the stamp; watchlists stay, as they are somebody's own work.

    Returns how many keys were deleted; `progress` is called with that number in between. Raises redis.RedisError.
    """
    deleted = 0
    batch: list[bytes] = []
    for name in client.scan_iter(count=5_000):
        text = name.decode(errors="replace")
        if keys.is_ours(text) and not keys.is_watchlist(text):
            batch.append(name)
        if len(batch) >= BATCH:
            deleted += _delete(client, batch)
            batch = []
            progress(deleted)
    return deleted + _delete(client, batch)


def _delete(client: Redis, names: list[bytes]) -> int:
    # One command a key: they lie in different cluster slots.
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.unlink(name)
    return sum(pipe.execute()) if names else 0

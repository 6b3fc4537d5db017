"""Which errors of Redis are worth another try."""

from __future__ import annotations

from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

#: redis-py takes the first word off the texts of these, so only their class tells them.
_PASSING = (OutOfMemoryError, BusyLoadingError, ReadOnlyError, MasterDownError, ClusterDownError, TryAgainError)
#: How the texts of the others begin; the first ones come from inside a function.
_WORDS = ("OOM", "LOADING", "READONLY", "MASTERDOWN", "BUSY", "MISCONF", "NOREPLICAS")


def may_pass(error: RedisError) -> bool:
    """Whether the same command may succeed later: Redis is away, full, loading, no master for a while."""
    return not isinstance(error, ResponseError) or isinstance(error, _PASSING) or str(error).startswith(_WORDS)

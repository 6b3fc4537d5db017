"""For commands that work on Redis and end: a client, or one clear line."""

from __future__ import annotations

import sys
from collections.abc import Callable

from redis import Redis
from redis.exceptions import AuthenticationError, AuthorizationError, ConnectionError, RedisError, TimeoutError

from redis_functions.errors import Kind, kind_of
from redis_functions.server.connection import connect
from tapewatch.cli import CannotGoOn
from tapewatch.commands.config import shown
from tapewatch.settings import Settings


def with_store(settings: Settings, work: Callable[[Redis], int]) -> int:
    """The exit code of `work(client)`; 1 with a line on stderr when Redis is not there or refuses.

    Raises CannotGoOn when trying again will not help: a refused password, a Redis without the module or too old.
    """
    try:
        with connect(settings.store_url, timeout=30) as client:
            return work(client)
    except (AuthenticationError, AuthorizationError) as error:
        raise CannotGoOn(f"Redis refuses us: {error}") from None
    except (ConnectionError, TimeoutError) as error:
        hint = "" if settings.redis_url else ": start it with `tapewatch run` or `tapewatch redis`"
        print(f"tapewatch: no Redis at {shown('redis_url', settings.store_url)} ({error}){hint}", file=sys.stderr)
    except RedisError as error:
        if kind_of(error) is Kind.NO_COMMAND:
            raise CannotGoOn("this Redis is not 7 or newer with the TimeSeries module: take Redis 8") from None
        print(f"tapewatch: Redis refuses: {error}", file=sys.stderr)
    return 1

"""For commands that work on Redis and end: gives them a client, or prints one line."""

from __future__ import annotations

import sys
from collections.abc import Callable

from redis import Redis
from redis.exceptions import AuthenticationError, AuthorizationError, ConnectionError, RedisError, TimeoutError

from market.printable import printable
from redis_functions.errors import Kind, StoreRefused, kind_of
from redis_functions.server.connection import connect
from tapewatch.cli import CannotGoOn
from tapewatch.commands.config import shown
from tapewatch.settings import Settings


def with_store(settings: Settings, work: Callable[[Redis], int]) -> int:
    """Returns the exit code of `work(client)`, or 1 after a line on stderr when Redis is unreachable or returns an error.

    Raises CannotGoOn when trying again will not help: a rejected password, a Redis that is too old or lacks the module.
    """
    try:
        with connect(settings.store_url, timeout=30) as client:
            return work(client)
    except (AuthenticationError, AuthorizationError) as error:
        raise CannotGoOn(f"Redis rejects the login: {error}") from None
    except (ConnectionError, TimeoutError) as error:
        hint = "" if settings.redis_url else ": start it with `tapewatch run` or `tapewatch redis`"
        print(
            printable(f"tapewatch: no Redis at {shown('redis_url', settings.store_url)} ({error}){hint}"),
            file=sys.stderr,
        )
    except StoreRefused as error:
        raise CannotGoOn(str(error)) from None
    except RedisError as error:
        if kind_of(error) is Kind.NO_COMMAND:
            raise CannotGoOn("this Redis is older than 7 or lacks the TimeSeries module: use Redis 8") from None
        print(printable(f"tapewatch: Redis returned an error: {error}"), file=sys.stderr)
    return 1

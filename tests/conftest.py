"""A real Redis with the real module for every test that asks; nothing is mocked but clocks and the vendor."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from redis_functions.server import embedded
from redis_functions.server.connection import connect
from tests.support import DATA, wait_until


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a real Redis with TimeSeries on a Unix socket of its own, for this session."""
    folder = Path(tempfile.mkdtemp(prefix="tw-redis-"))
    server = subprocess.Popen(embedded.command(folder), stdout=subprocess.DEVNULL)
    url = embedded.url(folder)
    client = connect(url)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except RedisError:
            return False

    wait_until(answers, 10, "the test's Redis")
    client.close()
    yield url
    server.terminate()
    server.wait(10)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A client of that Redis, emptied before the test."""
    with connect(redis_url) as client:
        client.flushall()
        client.function_flush()
        yield client


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real market data; without it the test is skipped (in CI too: the data is not ours to ship)."""
    if not DATA.is_dir():
        pytest.skip(f"no market data in {DATA} (set TAPEWATCH_TEST_DATA)")
    return DATA


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> Iterator[None]:
    """No setting of the developer's shell reaches a test."""
    saved = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith(("TAPEWATCH_", "MASSIVE_", "POLYGON_"))}
    yield
    os.environ.update(saved)

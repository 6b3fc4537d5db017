"""Slow and vanishing clients by the hundred against the real bridge: others are served, and it ends as it began."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.fuzz import LONG, times
from tests.fuzz.clients import KINDS, play_many, requests
from tests.grafana.harness import SYMBOLS, fill
from tests.support import Running, wait_until

TOKEN = "a-token-of-this-test"
#: More at once than one address has connections.
AT_ONCE = 80
#: Seconds within which another address is served, and the memory that the bridge may take. The suite's form runs beside other
#: tests on the same cores.
HEALTH_S, CANDLES_S = (1.0, 3.0) if LONG else (3.0, 9.0)
MEMORY_MB = 300


@pytest.fixture
def bridge(redis: Redis, redis_url: str) -> Iterator[Running]:
    fill(redis, time.time_ns() // 1_000_000_000 * 1000)
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url, TAPEWATCH_TOKEN=TOKEN) as running:
        running.wait(lambda: running.get("/healthz")[0] == 200, 20, "/healthz")
        yield running


def peak_mb(bridge: Running) -> float:
    """The most memory that the bridge had, in MB."""
    status = Path(f"/proc/{bridge.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def held(bridge: Running) -> int:
    """Connections that the bridge has not closed: ESTABLISHED or CLOSE_WAIT."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(at.endswith(f":{bridge.bridge_port:04X}") and state in ("01", "08") for _, at, _, state, *_ in lines)


def test_slow_and_vanishing_clients_leave_the_others_their_turn(bridge: Running) -> None:
    number = times(3 * AT_ONCE, 6_000)
    attack = threading.Thread(
        target=lambda: asyncio.run(play_many(bridge.bridge_port, requests(SYMBOLS, TOKEN), number, AT_ONCE))
    )
    attack.start()
    health, candles = [], []
    while attack.is_alive():
        health.append(_timed(bridge, "/healthz"))
        candles.append(_timed(bridge, f"/api/v1/candles?symbol={SYMBOLS[0]}&timeframe=1m"))
        time.sleep(0.05)
    attack.join()
    assert len(health) >= 10
    assert max(health) < HEALTH_S
    assert max(candles) < CANDLES_S
    assert peak_mb(bridge) < MEMORY_MB
    wait_until(lambda: held(bridge) == 0, 40, "the end of their connections", every=0.2)
    assert "Traceback" not in bridge.output()


def _timed(bridge: Running, path: str) -> float:
    """Seconds until the answer, which must be a good one."""
    began = time.monotonic()
    status, _ = bridge.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert status == 200, f"{path}: {status}"
    return time.monotonic() - began


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_played(kind: object) -> None:
    """By the seeds of the short form already."""
    assert kind in {random.Random(seed).choice(KINDS) for seed in range(3 * AT_ONCE)}

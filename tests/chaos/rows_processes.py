"""Rows in which the daemon or Redis is killed, paused, filled or emptied."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from redis_functions.server.connection import connect
from tests.chaos.hurt import FAKETIME, cut_last_record, flip_bit, step_clock
from tests.chaos.rows import AFTER_S, BEFORE_S, row
from tests.chaos.scene import Scene, let_pass
from tests.chaos.verdict import Promise
from tests.support import wait_until

PAUSE_S = 60.0
#: Seconds within which a standby takes over after the owner of the lease was killed.
TAKE_OVER_S = 10.0


@row("SIGKILL ingester", Promise(gaps=("restart",)), quick=True)
def kill_ingest(scene: Scene) -> None:
    let_pass(BEFORE_S)
    scene.kill("ingest")
    let_pass(3)
    scene.start_ingest()
    scene.until_flowing()
    let_pass(AFTER_S)


@row("SIGTERM mid-batch", Promise(gaps=("stopped",)), rate=800.0, symbols=1500)
def end_ingest(scene: Scene) -> None:
    """SIGTERM while the frames of a second arrive and Redis is slow to take the batch."""
    let_pass(BEFORE_S)
    scene.at_frames()
    scene.signal("redis", signal.SIGSTOP)
    let_pass(0.3)
    scene.signal("ingest", signal.SIGTERM)
    let_pass(1)
    scene.signal("redis", signal.SIGCONT)
    code = scene.parts["ingest"].process.wait(20)
    assert code == 0, f"SIGTERM ended it with {code}; {scene.last_words()}"
    scene.start_ingest()
    scene.until_flowing()
    let_pass(AFTER_S)


@row("SIGKILL Redis (AOF everysec)", quick=True)
def kill_redis(scene: Scene) -> None:
    let_pass(BEFORE_S)
    scene.kill("redis")
    let_pass(2)
    scene.start_redis()
    let_pass(AFTER_S)


@row("SIGKILL Redis and ingester at once", Promise(gaps=("restart",)))
def kill_both(scene: Scene) -> None:
    let_pass(BEFORE_S)
    scene.kill("redis")
    scene.kill("ingest")
    let_pass(1)
    scene.start_ingest()
    let_pass(3)
    scene.start_redis()
    scene.until_flowing()
    let_pass(AFTER_S)


@row("Redis paused 60 s")
def pause_redis(scene: Scene) -> None:
    let_pass(BEFORE_S)
    scene.pause("redis", PAUSE_S)
    let_pass(AFTER_S)


@row("Redis restarted empty")
def empty_redis(scene: Scene) -> None:
    let_pass(BEFORE_S)
    scene.kill("redis")
    shutil.rmtree(scene.redis_data / "redis")
    scene.start_redis()
    let_pass(AFTER_S)


@row("Redis emptied while it runs (FLUSHALL)")
def flush_redis(scene: Scene) -> None:
    let_pass(BEFORE_S)
    scene.client.flushall()
    scene.forget_the_morning()
    let_pass(AFTER_S)


@row("Redis at maxmemory")
def fill_redis(scene: Scene) -> None:
    let_pass(BEFORE_S)
    scene.client.config_set("maxmemory", "1mb")
    let_pass(10)
    scene.client.config_set("maxmemory", "0")
    let_pass(AFTER_S)


@row("torn last spool record", Promise(gaps=("restart",)))
def torn_record(scene: Scene) -> None:
    let_pass(BEFORE_S)
    scene.signal("redis", signal.SIGSTOP)
    let_pass(3)
    scene.kill("ingest")
    cut_last_record(scene.spool_files()[-1])
    scene.signal("redis", signal.SIGCONT)
    scene.start_ingest()
    scene.until_flowing()
    let_pass(AFTER_S)


@row("flipped bit", Promise(gaps=("restart", "damaged")))
def flipped_bit(scene: Scene) -> None:
    """In a record whose effects are not in Redis yet."""
    let_pass(BEFORE_S)
    scene.signal("redis", signal.SIGSTOP)
    let_pass(6)
    scene.kill("ingest")
    flip_bit(scene.spool_files()[-1], from_the_end=3)
    scene.signal("redis", signal.SIGCONT)
    scene.start_ingest()
    scene.until_flowing()
    let_pass(AFTER_S)


@row("slow reader (pub/sub)", rate=800.0, symbols=1500)
def slow_reader(scene: Scene) -> None:
    """Clients subscribe to every bar and read nothing: Redis disconnects them, the daemon is not affected."""
    scene.client.config_set("client-output-buffer-limit", "pubsub 256kb 64kb 5")
    readers = [connect(scene.environment["TAPEWATCH_REDIS_URL"]).pubsub() for _ in range(3)]
    for reader in readers:
        reader.psubscribe("bars*")
    let_pass(20)

    def disconnected() -> bool:
        return not scene.client.client_list(_type="pubsub")

    wait_until(disconnected, 20, "Redis to disconnect the clients that do not read")
    for reader in readers:
        reader.close()


@row("clock step", clock=True, needs="" if FAKETIME.exists() else "libfaketime (Debian's package faketime)")
def clock_step(scene: Scene) -> None:
    """The daemon's wall clock steps by an hour in both directions; the market's does not."""
    for seconds in (-3600, 3600, 0, 3600, -3600, 0):
        let_pass(4)
        step_clock(scene.clock_file, seconds)
    let_pass(AFTER_S)


@row("two daemons", Promise(gaps=("restart|took over",)))
def two_daemons(scene: Scene) -> None:
    """The second daemon, with a data folder of its own, waits while the first one runs, and takes over when it is killed."""
    _take_over(scene, scene.folder / "e")


@row("two daemons of one data folder", Promise(gaps=("restart",)))
def two_daemons_one_folder(scene: Scene) -> None:
    _take_over(scene, scene.data)


def _take_over(scene: Scene, folder: Path) -> None:
    scene.start_standby(folder)
    standby = scene.parts["standby"]
    let_pass(BEFORE_S + TAKE_OVER_S)
    assert "connected to" not in standby.output(), "two daemons hold the feed"
    scene.kill("ingest")
    scene.wait(lambda: "connected to" in standby.output(), TAKE_OVER_S, "the standby to take over")
    scene.until_flowing()
    let_pass(AFTER_S)

"""Rows in which a process or its Redis dies, sleeps, or is emptied."""

from __future__ import annotations

import shutil

from tests.chaos.rows import AFTER_S, BEFORE_S, row
from tests.chaos.scene import Scene, let_pass
from tests.chaos.verdict import Promise


@row("SIGKILL ingester", Promise(gaps=("restart",)), quick=True)
def kill_ingest(scene: Scene) -> None:
    let_pass(BEFORE_S)
    scene.kill("ingest")
    let_pass(3)
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


@row("Redis restarted empty")
def empty_redis(scene: Scene) -> None:
    let_pass(BEFORE_S)
    scene.kill("redis")
    shutil.rmtree(scene.redis_data / "redis")
    scene.start_redis()
    let_pass(AFTER_S)

"""Rows in which Redis is reached over TCP: another server takes over, and connections die without being closed."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any

from tests.chaos.rows import AFTER_S, BEFORE_S, row
from tests.chaos.scene import Scene, let_pass
from tests.redis_pair import RedisPair

#: How far the replica is behind when it takes over: asynchronous replication promises nothing better.
_LAG_S = 2.0
#: Seconds within which a silent connection is given up (REPLY_TIMEOUT_S of the hot one, 15), and bars flow again.
_GIVEN_UP_S = 30.0


class PairScene(Scene):
    """A scene whose Redis is a primary with its replica, behind one address."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._held = contextlib.ExitStack()
        self.pair: RedisPair

    def start_redis(self) -> None:
        self.pair = self._held.enter_context(RedisPair())
        self.environment["TAPEWATCH_REDIS_URL"] = self.pair.url
        self.use_primary()

    def use_primary(self) -> None:
        """What is compared in the end is what the primary holds."""
        self.client = self.pair.primary

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        super().__exit__(kind, error, tb)
        self._held.close()


@row("Redis failover", scene=PairScene)
def failover(scene: Scene) -> None:
    """A replica that is some seconds behind takes over while the old primary runs on; then the new
    one crashes and the old primary, its replica by now, takes over."""
    assert isinstance(scene, PairScene)
    let_pass(BEFORE_S)
    scene.pair.cut_replication()
    let_pass(_LAG_S)
    scene.pair.fail_over()
    scene.use_primary()
    scene.until_flowing()
    let_pass(AFTER_S)
    scene.pair.await_replica()
    scene.pair.kill_primary()
    scene.use_primary()
    scene.until_flowing()
    let_pass(AFTER_S)


@row("Redis connection goes dead without closing", scene=PairScene)
def dead_connections(scene: Scene) -> None:
    """As behind a firewall that forgot them: bytes vanish in both directions, new connections work."""
    assert isinstance(scene, PairScene)
    let_pass(BEFORE_S)
    assert scene.pair.proxy.black_hole() >= 2, "the hot connection and the pool's are expected"
    let_pass(1)
    scene.until_flowing(_GIVEN_UP_S)
    let_pass(AFTER_S)

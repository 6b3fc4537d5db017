"""Rows in which the spool cannot take everything: unwatched symbols are shed first, and gap records show it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import orjson
from redis.client import PubSub

from redis_functions.contract import keys
from redis_functions.server.connection import connect
from tests.chaos.bars import SECONDS, Bars
from tests.chaos.rows import AFTER_S, row
from tests.chaos.scene import Scene, let_pass
from tests.chaos.verdict import Promise

_WATCHED = 3
_SHED = Promise(gaps=("overload: unwatched",), perhaps=("overload: unwatched",), widest=60.0)
_MANY: dict[str, Any] = {"rate": 480.0, "symbols": 500}


def _watch(scene: Scene) -> None:
    """Puts a few symbols on a watchlist before the daemon starts; each of their bars must have been published live."""
    watched = scene.names[:_WATCHED]
    scene.client.sadd(keys.watchlist("chaos"), *watched)
    subscriber = connect(scene.environment["TAPEWATCH_REDIS_URL"]).pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe(*(keys.channel_bars(symbol) for symbol in watched))
    scene.beside.append(lambda expected: _missed(scene, subscriber, expected))


def _missed(scene: Scene, subscriber: PubSub, expected: Bars) -> list[str]:
    """Repaired bars are not published, so a bar that was not received had been shed."""
    received = set()
    silent = 0
    while silent <= _WATCHED:  # None is also the reply to a subscription
        message = subscriber.get_message(timeout=0.2)
        silent = silent + 1 if message is None else 0
        if message is not None:
            bar = orjson.loads(message["data"])
            received.add(scene.names.index(bar["sym"]) * SECONDS + bar["t"] // 1000)
    subscriber.close()
    due = expected.key[expected.key < _WATCHED * SECONDS]
    lost = np.setdiff1d(due, np.array(sorted(received), np.int64))
    return [f"{len(lost)} of {len(due)} bars of watched symbols were shed"] if len(lost) else []


@row("spool full", _SHED, ingest={"TAPEWATCH_SPOOL_MB": "1"}, before=_watch, **_MANY)
def spool_full(scene: Scene) -> None:
    """Redis is paused for longer than the spool has space."""
    let_pass(4)
    scene.pause("redis", 15)
    let_pass(AFTER_S)


@row(
    "disk full", _SHED, own_redis=True, disk_kb=1536, before=_watch,
    needs="" if os.geteuid() == 0 else "root, to mount a small disk", **_MANY,
)  # fmt: skip
def disk_full(scene: Scene) -> None:
    """The daemon's data lies on a small file system with space for some seconds."""
    let_pass(4)
    scene.pause("redis", 15)
    let_pass(AFTER_S)

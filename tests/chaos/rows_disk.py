"""Rows in which the spool cannot take all: what nobody watches is shed first, and the gaps tell it."""

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
    """A few symbols go on a watchlist, before the daemon begins; in the end each bar of theirs must have been live."""
    watched = scene.names[:_WATCHED]
    scene.client.sadd(keys.watchlist("chaos"), *watched)
    ear = connect(scene.environment["TAPEWATCH_REDIS_URL"]).pubsub(ignore_subscribe_messages=True)
    ear.subscribe(*(keys.channel_bars(symbol) for symbol in watched))
    scene.beside.append(lambda expected: _unheard(scene, ear, expected))


def _unheard(scene: Scene, ear: PubSub, expected: Bars) -> list[str]:
    """A repaired bar is told to nobody; so what was not heard had been shed."""
    heard = set()
    silent = 0
    while silent <= _WATCHED:  # None stands for the answer to a subscription, too
        message = ear.get_message(timeout=0.2)
        silent = silent + 1 if message is None else 0
        if message is not None:
            bar = orjson.loads(message["data"])
            heard.add(scene.names.index(bar["sym"]) * SECONDS + bar["t"] // 1000)
    ear.close()
    due = expected.key[expected.key < _WATCHED * SECONDS]
    lost = np.setdiff1d(due, np.array(sorted(heard), np.int64))
    return [f"{len(lost)} of {len(due)} bars of watched symbols were shed"] if len(lost) else []


@row("spool full", _SHED, ingest={"TAPEWATCH_SPOOL_MB": "1"}, before=_watch, **_MANY)
def spool_full(scene: Scene) -> None:
    """Redis stands still for longer than the spool's limit allows."""
    let_pass(4)
    scene.pause("redis", 15)
    let_pass(AFTER_S)


@row(
    "disk full", _SHED, own_redis=True, disk_kb=1536, before=_watch,
    needs="" if os.geteuid() == 0 else "root, to mount a small disk", **_MANY,
)  # fmt: skip
def disk_full(scene: Scene) -> None:
    """The daemon's data lies on a real file system with room for some seconds."""
    let_pass(4)
    scene.pause("redis", 15)
    let_pass(AFTER_S)

"""Rows in which the vendor misbehaves."""

from __future__ import annotations

from tests.chaos.rows import AFTER_S, row
from tests.chaos.scene import Scene, let_pass
from tests.chaos.verdict import Promise

#: Seconds for which the vendor, after a drop, accepts connections and answers nothing.
_AWAY_S = 4


@row(
    "feed drop without close frame", Promise(gaps=("without a close frame", "without a close frame")), quick=True,
    faults=f"drop@6,mute@12:{_AWAY_S}",
)  # fmt: skip
def drop(scene: Scene) -> None:
    """Two drops: one with an immediate reconnect, one after which the vendor accepts connections and sends nothing."""
    let_pass(12 + _AWAY_S + AFTER_S)


@row("clean close", Promise(gaps=("server closed the connection: 1000", "server closed the connection: 1008")),
     faults="close@6,policy@14")  # fmt: skip
def clean_close(scene: Scene) -> None:
    let_pass(14 + AFTER_S)


@row("stall", Promise(gaps=("connection lost|no frame",)), faults="stall@6:12", ingest={"TAPEWATCH_STALL_AFTER_S": "5"})
def stall(scene: Scene) -> None:
    """The socket stays open and silent."""
    let_pass(6 + 12 + AFTER_S)


@row("garbage frames", quick=True, faults="garbage@3:40,garbage@6:200")
def garbage(scene: Scene) -> None:
    let_pass(8 + AFTER_S)


@row("flood at ten times the rate", Promise(perhaps=("overload",)), faults="flood@4:10", rate=500.0, symbols=1000)
def flood(scene: Scene) -> None:
    """Every event of five seconds is sent ten times."""
    let_pass(4 + 5 + AFTER_S)

"""Rows in which the vendor misbehaves."""

from __future__ import annotations

from tests.chaos.rows import AFTER_S, row
from tests.chaos.scene import Scene, let_pass
from tests.chaos.verdict import Promise


@row("feed drop without close frame", Promise(gaps=("without a close frame",)), quick=True, faults="drop@8")
def drop(scene: Scene) -> None:
    let_pass(8 + AFTER_S)

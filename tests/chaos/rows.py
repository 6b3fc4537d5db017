"""The rows of the loss matrix: the fault that each injects, and what must hold afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.scene import Scene
from tests.chaos.verdict import Promise

#: Seconds of undisturbed market before and after a fault.
BEFORE_S, AFTER_S = 8.0, 8.0


@dataclass(frozen=True)
class Row:
    """`play` injects the fault into a scene in which bars flow; `options` are the scene's arguments.

    `before` is called when Redis runs and the daemon does not yet. `quick`: also a row of the short matrix.
    `needs`: what this machine lacks to run it, "" if nothing.
    """

    name: str
    play: Callable[[Scene], None]
    promise: Promise = field(default_factory=Promise)
    options: dict[str, Any] = field(default_factory=dict)
    quick: bool = False
    scene: type[Scene] = Scene
    before: Callable[[Scene], None] | None = None
    needs: str = ""


#: By name, in the order of the table.
ROWS: dict[str, Row] = {}


def row(
    name: str,
    promise: Promise | None = None,
    quick: bool = False,
    scene: type[Scene] = Scene,
    before: Callable[[Scene], None] | None = None,
    needs: str = "",
    **options: Any,
) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Decorator: adds a function to the matrix as the `play` of a row."""

    def add(play: Callable[[Scene], None]) -> Callable[[Scene], None]:
        ROWS[name] = Row(name, play, promise or Promise(), options, quick, scene, before, needs)
        return play

    return add

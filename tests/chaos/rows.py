"""The rows of the matrix: what is done to a running daemon, and what is promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.scene import Scene
from tests.chaos.verdict import Promise

#: Before and after a fault so much of the market passes undisturbed; seconds.
BEFORE_S, AFTER_S = 8.0, 8.0


@dataclass(frozen=True)
class Row:
    """`play` hurts a scene in which bars flow; `options` are the scene's. `before`: done when Redis is up
    and the daemon is not yet. `quick`: part of the short matrix, too. `needs`: what this machine lacks for it."""

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
    """Adds what it decorates to the matrix."""

    def add(play: Callable[[Scene], None]) -> Callable[[Scene], None]:
        ROWS[name] = Row(name, play, promise or Promise(), options, quick, scene, before, needs)
        return play

    return add

"""Rows in which the vendor misbehaves."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any

from tests.chaos.hurt import FAKETIME, step_clock
from tests.chaos.odd_rest import OddRest
from tests.chaos.rows import AFTER_S, row
from tests.chaos.scene import Scene, let_pass
from tests.chaos.verdict import Promise

#: Seconds for which the vendor, after a drop, accepts connections and answers nothing.
_AWAY_S = 4
#: Of the line that the daemon logs about its clock.
_BEHIND = "clock is behind the feed"


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


#: How far the clock is behind: a machine that slept, or a container of one that did.
_BEHIND_S = 30


@row(
    "clock behind", Promise(gaps=("clock is behind", "clock is behind"), perhaps=("restart",), widest=90.0), clock=True,
    before=lambda scene: step_clock(scene.clock_file, -_BEHIND_S),
    needs="" if FAKETIME.exists() else "libfaketime (Debian's package faketime)",
)  # fmt: skip
def clock_behind(scene: Scene) -> None:
    """From the first start until it is set, and again after a restart."""
    _until_set(scene)
    let_pass(AFTER_S)
    scene.kill("ingest")
    step_clock(scene.clock_file, -_BEHIND_S)
    scene.start_ingest()
    _until_set(scene)
    let_pass(AFTER_S)


def _until_set(scene: Scene) -> None:
    """Sets the clock some seconds after the daemon noticed it; returns when its bars are used."""
    daemon = scene.parts["ingest"]
    daemon.wait(lambda: _BEHIND in daemon.output(), 20, "a log line about the clock")
    let_pass(4)
    step_clock(scene.clock_file, 0)
    daemon.wait(lambda: "events are usable again" in daemon.output(), 40, "usable bars")
    lines = [line for line in daemon.output().splitlines() if _BEHIND in line and " ERROR " in line]
    assert len(lines) == 1, f"expected one line about the clock, got {lines}"


class OddRestScene(Scene):
    """A scene in which the daemon reads REST from a server that makes its rows odd."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._open = contextlib.ExitStack()
        self.rest: OddRest

    def start_ingest(self) -> None:
        self.rest = self._open.enter_context(OddRest(self.environment["TAPEWATCH_REST_URL"]))
        self.environment["TAPEWATCH_REST_URL"] = self.rest.url
        super().start_ingest()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        super().__exit__(kind, error, tb)
        self._open.close()


@row(
    "odd rows from the vendor's REST", Promise(gaps=("without a close frame", "without a close frame")),
    scene=OddRestScene, faults=f"drop@6,mute@12:{_AWAY_S}",
)  # fmt: skip
def odd_rows(scene: Scene) -> None:
    """The first answer about a symbol lacks what its odd rows should have been; later ones have it, beside other odd rows."""
    assert isinstance(scene, OddRestScene)
    let_pass(12 + _AWAY_S + AFTER_S)
    scene.until_repaired(90)
    assert scene.rest.damaged > 100, f"only {scene.rest.damaged} rows were damaged"

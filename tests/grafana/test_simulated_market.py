"""Every panel has data on the simulated market, through the real daemon: feed, ingest, store, bridge."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

import pytest

from tests.grafana.boards import BOARDS, ON, may_be_empty, targets, view
from tests.grafana.infinity import run
from tests.support import Running


@pytest.mark.timeout(300)
def test_every_panel_has_data() -> None:
    with Running("run", TAPEWATCH_SIM_SYMBOLS="30") as daemon:

        def get(path: str) -> tuple[int, bytes]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{daemon.bridge_port}{path}", timeout=10) as reply:
                    return reply.status, reply.read()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read()

        def empty() -> list[str]:
            """Targets that draw nothing: no fields, or one without a value. Annotations may be empty."""
            now = int(time.time() * 1000)
            # Not every symbol has had an alert: one that has is looked at.
            alerts = json.loads(get("/api/v1/alerts?limit=1")[1])
            chosen = ON | {"symbol": alerts[0]["symbol"]} if alerts else ON
            found = []
            for board, where, target, panel in targets():
                fields = run(target, view(BOARDS[board], now, panel, **chosen), get)
                filled = all(may_be_empty(f.name) or any(value is not None for value in f.values) for f in fields)
                if not (fields and filled) and not where.startswith("annotation"):
                    found.append(f"{board}: {where}")
            return found

        daemon.ready()
        # A spike comes each minute, and the market has sent its last hour within 30 s.
        daemon.wait(lambda: not empty(), 120, "data in every panel")
        assert daemon.stop() == 0

"""Each process as its own Redis user: everything works, and Redis denied no command."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

from redis_functions.contract import keys
from redis_functions.server import embedded
from redis_functions.server.connection import connect
from tapewatch.cli import main
from tests.support import Running, free_port, wait_until


def test_ingest_and_bridge_need_no_more_than_they_may(tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        redis = stack.enter_context(Running("redis"))
        url = embedded.url(redis.data_dir)
        wait_until(lambda: embedded.socket_path(redis.data_dir).exists(), 20, "Redis")
        config = tmp_path / "t.toml"
        config.write_text(f'redis_url = "{url}"\n')
        assert main(["--config", str(config), "users", "apply", "--write", str(tmp_path)]) == 0
        whose = {
            name: re.findall(r"=(unix://\S+)", (tmp_path / f"{name}.env").read_text())[0]
            for name in ("ingest", "bridge")
        }
        stack.enter_context(Running("simulate", "--symbols", "10", "--rate", "40", "--port", str(port)))
        ingest = stack.enter_context(
            Running(
                "ingest",
                TAPEWATCH_REDIS_URL=whose["ingest"],
                TAPEWATCH_FEED_URL=f"ws://127.0.0.1:{port}/stocks",
                TAPEWATCH_SUBSCRIBE="A.*,T.*",
            )
        )
        bridge = stack.enter_context(Running("bridge", TAPEWATCH_REDIS_URL=whose["bridge"]))
        bridge.ready()
        name = bridge.wait(lambda: bridge.get("/api/v1/symbols")[1], 30, "symbols")[0]["symbol"]
        bridge.wait(lambda: bridge.get("/api/v1/candles", symbol=name, timeframe="1m")[1], 30, "candles")
        bridge.wait(lambda: bridge.get("/api/v1/movers", by="change")[0] == 200, 30, "movers")
        for path in ("alerts", "annotations", "gaps", "stats", "symbols", "movers"):
            assert bridge.get(f"/api/v1/{path}")[0] == 200, path
        assert bridge.get("/metrics")[0] == 200
        with connect(url) as admin:
            wait_until(lambda: admin.get(keys.metrics("ingest")), 20, "ingest's sign of life")
            ingest.stop()
            denied = [(entry["username"], entry["context"], entry["object"]) for entry in admin.acl_log()]
            assert denied == []

"""`tapewatch run` without settings: the simulated market, every REST path, and a stop that leaves no process."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request

from redis_functions.contract import keys
from redis_functions.server import embedded
from redis_functions.server.connection import connect
from tests.support import Running


def living(folder: str) -> list[str]:
    """Processes that have the folder in their environment or command line."""
    text = subprocess.run(["ps", "axeww", "-o", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in text.splitlines() if folder in line and "ps axeww" not in line]


def test_the_simulated_market_is_watched_and_the_end_is_clean() -> None:
    run = Running("run", TAPEWATCH_SIM_SYMBOLS="20", TAPEWATCH_SIM_RATE="20")
    with run:
        run.ready()
        _, symbols = run.wait(lambda: (x := run.get("/api/v1/symbols"))[1] and len(x[1]) == 20 and x, 30, "symbols")
        name = symbols[0]["symbol"]

        def an_hour() -> bool:
            rows = run.get("/api/v1/candles", symbol=name, timeframe="1m", limit=100)[1]
            return bool(rows) and len(rows) >= 60 and [r["t"] for r in rows] == sorted({r["t"] for r in rows})

        run.wait(an_hour, 30, "an hour of minutes")
        first = run.get("/api/v1/candles", symbol=name, timeframe="1s", limit=1)[1][0]["t"]
        run.wait(
            lambda: run.get("/api/v1/candles", symbol=name, timeframe="1s", limit=1)[1][0]["t"] > first, 20, "live bars"
        )
        alert = run.wait(lambda: run.get("/api/v1/alerts", limit=1)[1], 20, "the spikes of the past hour")[0]
        notes = run.get("/api/v1/annotations", symbol=alert["symbol"], limit=100)[1]
        assert alert["t"] in [n["time"] for n in notes]
        with connect(embedded.url(run.data_dir)) as redis:
            entries = [{k.decode(): v.decode() for k, v in e.items()} for _, e in redis.xrange(keys.ALERTS)]
            assert alert["id"] in [e["id"] for e in entries]
            # The sample is written beside the alert, a moment after it can be read.
            series, at = keys.alert_series(alert["symbol"]), alert["t"]
            samples = run.wait(lambda: redis.execute_command("TS.RANGE", series, at, at), 20, "the alert's sample")
            assert [float(v) for _, v in samples] == [alert["magnitude"]]
        for path in (
            "/healthz",
            "/readyz",
            "/metrics",
            "/openapi.json",
            "/api/v1/stats",
            "/api/v1/gaps",
            "/api/v1/movers",
        ):
            assert run.get(path)[0] == 200, path
        counted = re.compile(r'tapewatch_symbols\{process="ingest"\} 20')
        run.wait(lambda: counted.search(str(run.get("/metrics")[1])), 15, "the metrics of ingest")
        assert run.stop(signal.SIGINT) == 0
    assert living(str(run.folder)) == []


def test_it_stops_by_itself_after_the_duration() -> None:
    run = Running("run", "--duration", "3", TAPEWATCH_SIM_SYMBOLS="5", TAPEWATCH_SIM_RATE="5")
    with run:
        assert run.process.wait(30) == 0
        assert "stopped" in run.output()
    assert living(str(run.folder)) == []


def test_with_json_logs_all_its_output_is_json() -> None:
    run = Running("run", TAPEWATCH_SIM_SYMBOLS="5", TAPEWATCH_SIM_RATE="5", TAPEWATCH_LOG_FORMAT="json")
    with run:
        run.ready()
        run.wait(lambda: "ready after" in run.output(), 20, "the line that it is ready")
        assert run.stop(signal.SIGINT) == 0
    records = [json.loads(line) for line in run.output().splitlines()]
    assert {"REST API   " + f"http://127.0.0.1:{run.bridge_port}/docs"} <= {record["message"] for record in records}


def test_the_address_that_it_announces_answers() -> None:
    more = {"TAPEWATCH_SIM_SYMBOLS": "5", "TAPEWATCH_SIM_RATE": "5", "TAPEWATCH_TOKEN": "a-token-of-24-characters"}
    with Running("run", TAPEWATCH_BRIDGE_HOST="::", **more) as run:
        run.wait(lambda: "ready after" in run.output(), 60, "the line that it is ready")
        found = re.search(r"REST API +(\S+)/docs", run.output())
        assert found
        with urllib.request.urlopen(f"{found[1]}/healthz", timeout=5) as reply:
            assert reply.status == 200

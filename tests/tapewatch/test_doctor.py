"""The doctor on a real Redis, on real sockets that play feed and Grafana, and on machines described by files."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis import Redis
from websockets.sync.server import ServerConnection, serve

from market.bar import Bar
from redis_functions.contract import keys
from redis_functions.lua import loader
from redis_functions.server import inspection
from redis_functions.server.inspection import Server
from redis_functions.write import process_metrics
from tapewatch.cli import main
from tapewatch.doctor import outside, store
from tapewatch.doctor.finding import Finding
from tapewatch.settings import Settings
from tests.support import Running, free_port, wait_until, write_bars

GOOD = Server("8.2.0", 80200, "noeviction", True, True, 1, 50 << 20, 0)


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    found = {finding.what: finding for finding in findings}
    assert len(found) == len(findings)
    for finding in findings:
        assert bool(finding.fix) == (finding.status != "ok")
        assert "\n" not in finding.line()
    return found


def bar(symbol: str, second: int) -> Bar:
    return Bar(symbol, 1_700_000_000_000 + second * 1000, 10_000, 10_000, 10_000, 10_000, 1, 10_000)


# --- Redis


def test_a_store_that_is_well(redis: Redis, redis_url: str) -> None:
    settings = Settings(redis_url=redis_url)
    loader.ensure(redis)
    write_bars(redis, [bar("AAPL", 0)], settings.schema)
    process_metrics.publish(redis, "ingest", CollectorRegistry())
    found = by_name(store.findings(settings))
    assert {finding.status for finding in found.values()} == {"ok"}
    assert set(found) == {
        "redis", "time series", "eviction", "persistence", "redis memory", "io threads", "functions", "rules", "ingest",
        "other programs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "where", "status", "faults"),
    [
        ("7.4.1", "unix:///d/redis.sock", "ok", True),
        ("7.4.1", "redis://h:6379", "warn", True),
        ("7.2.5", "rediss://h:6379", "warn", True),
        ("7.4.6", "redis://h:6379", "ok", False),
        ("8.2.3", "redis://h:6379", "ok", False),
    ],
)
def test_a_version_with_known_faults_is_named(number: str, where: str, status: str, faults: bool) -> None:
    found = store.version(dataclasses.replace(GOOD, version=number), where)
    assert (found.status, "known faults" in found.detail) == (status, faults)


def test_a_store_that_was_just_made(redis: Redis, redis_url: str) -> None:
    found = by_name(store.findings(Settings(redis_url=redis_url)))
    assert found["functions"].fix == "tapewatch functions load"
    assert found["rules"] == Finding("ok", "rules", "no symbol yet")
    assert found["ingest"].status == "warn"


def test_series_that_are_not_as_the_settings_have_them(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [bar("AAPL", 0)])
    settings = Settings(redis_url=redis_url, profile="small")
    rules = by_name(store.findings(settings))["rules"]
    assert (rules.status, rules.fix) == ("fail", "tapewatch schema apply")
    assert rules.detail == "ts:{AAPL}:1s:open: labels that the settings exclude and 41 more"


def test_every_kind_of_difference_is_found(redis: Redis) -> None:
    schema = Settings().schema
    write_bars(redis, [bar("A", 0)], schema)
    assert inspection.differences(redis, "A", schema) == []
    open_, close, low = (keys.series("A", "1s", field) for field in ("open", "close", "low"))
    redis.execute_command("TS.ALTER", open_, "RETENTION", 1, "DUPLICATE_POLICY", "FIRST", "CHUNK_SIZE", 512)
    redis.execute_command("TS.ALTER", close, "LABELS", "symbol", "A")
    redis.execute_command("TS.DELETERULE", low, keys.series("A", "5m", "low"))
    redis.execute_command("TS.CREATERULE", low, keys.series("A", "5m", "low"), "AGGREGATION", "max", 300_000)
    redis.delete(keys.series("A", "1h", "volume"))
    redis.set(keys.series("A", "1h", "high"), "no series")
    found = inspection.differences(redis, "A", schema)
    assert found[:3] == [
        f"{open_}: retention 1 ms, not 7200000",
        f"{open_}: duplicate policy first, not last",
        f"{open_}: chunk size 512, not 384",
    ]
    assert f"{close}: labels missing" in found
    assert f"{low}: no rule to ts:{{A}}:5m:low" in found
    assert "ts:{A}:1h:volume: missing" in found
    assert "ts:{A}:1s:volume: no rule to ts:{A}:1h:volume" in found
    assert sum("1h:high" in difference for difference in found) == 2


def test_another_version_of_the_functions(redis: Redis, redis_url: str) -> None:
    source = loader.library().source.replace(f"return '{loader.library().version}'", "return 'older'")
    redis.execute_command("FUNCTION LOAD", source)
    functions = by_name(store.findings(Settings(redis_url=redis_url)))["functions"]
    assert functions.status == "fail"
    assert functions.detail.startswith("version older is loaded, expected ")


def test_a_user_who_may_not_ask_everything(redis: Redis, redis_url: str) -> None:
    redis.execute_command("ACL", "SETUSER", "narrow", "reset", "on", ">secret-pw", "~*", "+info", "+ping")
    try:
        url = redis_url.replace("unix://", "unix://narrow:secret-pw@")
        found = by_name(store.findings(Settings(redis_url=url)))
    finally:
        redis.execute_command("ACL", "DELUSER", "narrow")
    assert found["redis"].status == "ok"
    assert "secret-pw" not in found["redis"].detail
    assert {found[what].status for what in ("functions", "rules", "ingest", "other programs")} == {"warn"}


def test_series_of_another_program_are_named(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [bar("AAPL", 0)])
    redis.execute_command("TS.CREATE", "ts:boiler:temperature")
    found = by_name(store.findings(Settings(redis_url=redis_url)))["other programs"]
    assert (found.status, "ts:boiler:temperature" in found.detail, "AAPL" in found.detail) == ("warn", True, False)


def test_a_deleted_socket_of_a_server_that_runs(tmp_path: Path) -> None:
    with Running("redis") as server:
        settings = Settings(data_dir=str(server.data_dir))
        wait_until(lambda: by_name(store.findings(settings))["redis"].status == "ok", 20, "the server")
        (server.data_dir / "redis.sock").unlink()
        (finding,) = store.findings(settings)
    assert finding.status == "fail"
    assert "was deleted" in finding.detail
    assert "systemctl restart tapewatch-redis" in finding.fix


@pytest.mark.parametrize(
    ("redis_url", "fix"), [("", "tapewatch run"), ("redis://127.0.0.1:{port}", "TAPEWATCH_REDIS_URL")]
)
def test_no_redis(tmp_path: Path, redis_url: str, fix: str) -> None:
    settings = Settings(data_dir=str(tmp_path), redis_url=redis_url.format(port=free_port()))
    (finding,) = store.findings(settings)
    assert (finding.status, finding.what) == ("fail", "redis")
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("check", "change", "status"),
    [
        (store.module, {"module": 0}, "fail"),
        (store.module, {"module": 10612}, "fail"),
        (store.module, {"module": 11000}, "ok"),
        (store.eviction, {"policy": "allkeys-lru"}, "fail"),
        (store.eviction, {"policy": None}, "warn"),
        (store.persistence, {"append_only": False}, "warn"),
        (store.persistence, {"append_ok": False}, "fail"),
        (store.io_threads, {"io_threads": 4}, "warn"),
        (store.io_threads, {"io_threads": None}, "ok"),
        (store.fullness, {"used_memory": 90 << 20, "maxmemory": 100 << 20}, "warn"),
        (store.fullness, {"used_memory": 99 << 20, "maxmemory": 100 << 20}, "fail"),
        (store.fullness, {"used_memory": 50 << 20, "maxmemory": 100 << 20}, "ok"),
    ],
)
def test_servers_of_all_kinds(check: object, change: dict[str, object], status: str) -> None:
    assert callable(check)
    finding = check(dataclasses.replace(GOOD, **change))  # type: ignore[arg-type]
    assert finding.status == status
    assert bool(finding.fix) == (status != "ok")


# --- the feed


@contextmanager
def vendor(*frames: str) -> Iterator[tuple[str, list[str]]]:
    """A feed that greets with the first frame and answers each message with the next one."""
    received: list[str] = []

    def talk(connection: ServerConnection) -> None:
        for frame in frames[:1]:
            connection.send(frame)
        for message, frame in zip(connection, frames[1:], strict=False):
            received.append(str(message))
            connection.send(frame)

    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/stocks", received
        server.shutdown()
        thread.join()


def status(name: str) -> str:
    return json.dumps([{"ev": "status", "status": name, "message": ""}])


def test_a_feed_that_greets_without_the_key_being_sent() -> None:
    with vendor(status("connected"), status("auth_success")) as (url, received):
        finding = outside.feed(Settings(feed_url=url, api_key="the-key"), auth=False)
    assert finding.status == "ok"
    assert received == []


@pytest.mark.parametrize(("answer", "expected"), [("auth_success", "ok"), ("auth_failed", "fail")])
def test_a_feed_that_is_asked_with_the_key(answer: str, expected: str) -> None:
    with vendor(status("connected"), status(answer)) as (url, received):
        finding = outside.feed(Settings(feed_url=url, api_key="the-key"), auth=True)
    assert finding.status == expected
    assert [json.loads(message) for message in received] == [{"action": "auth", "params": "the-key"}]


@pytest.mark.parametrize("greeting", ["hello", "[]", "{}", status("max_connections")])
def test_a_feed_that_greets_with_something_else(greeting: str) -> None:
    with vendor(greeting) as (url, _):
        assert outside.feed(Settings(feed_url=url), auth=False).status == "fail"


def test_a_feed_that_is_not_there() -> None:
    finding = outside.feed(Settings(feed_url=f"ws://me:secret-pw@127.0.0.1:{free_port()}/stocks"), auth=False)
    assert finding.status == "fail"
    assert "secret-pw" not in finding.line()


def test_a_feed_that_is_no_websocket() -> None:
    with web({"/stocks": (200, "{}")}) as url:
        finding = outside.feed(Settings(feed_url=url.replace("http", "ws") + "/stocks"), auth=False)
    assert finding.status == "fail"
    assert "rejects the WebSocket" in finding.detail


def test_the_simulated_market_asks_nobody() -> None:
    assert outside.feed(Settings(), auth=True).status == "ok"
    assert outside.clock(Settings(), lambda: 0.0).status == "ok"


# --- over HTTP: the vendor's clock, the bridge, Grafana


@contextmanager
def web(pages: dict[str, tuple[int, str]], date: float | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, text = pages.get(self.path, (404, "{}"))
            if code == 401 and self.headers["Authorization"] == "Bearer good-token":
                code = 200
            self.send_response(code)
            self.end_headers()
            self.wfile.write(text.encode())

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() if date is None else date, usegmt=True)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("offset", "status", "word"),
    [
        (0.5, "ok", ""),
        (3.5, "warn", "ahead"),
        (-2.5, "warn", "behind"),
        (60.0, "fail", "ahead"),
        (-60.0, "fail", "behind"),
    ],
)
def test_the_clock_against_the_vendors(offset: float, status: str, word: str) -> None:
    with web({}, date=1_700_000_000) as url:
        finding = outside.clock(Settings(rest_url=url), lambda: 1_700_000_000 + offset)
    assert finding.status == status
    assert word in finding.detail


def test_the_clock_where_nobody_tells_the_time() -> None:
    finding = outside.clock(Settings(rest_url=f"http://127.0.0.1:{free_port()}"), time.time)
    assert finding.status == "ok"
    assert "unknown" in finding.detail


@pytest.mark.parametrize(
    ("page", "status", "word"),
    [
        ((200, "{}"), "ok", "ready"),
        ((503, '{"error": {"code": "x", "message": "no heartbeat of ingest"}}'), "warn", "no heartbeat of ingest"),
        ((404, "?"), "fail", "another program"),
    ],
)
def test_the_bridge(page: tuple[int, str], status: str, word: str) -> None:
    with web({"/readyz": page}) as url:
        finding = outside.bridge(Settings(bridge_port=int(url.rsplit(":", 1)[1])))
    assert finding.status == status
    assert word in finding.detail


def test_no_bridge_and_no_grafana() -> None:
    assert outside.bridge(Settings(bridge_port=free_port())).status == "warn"
    (finding,) = outside.grafana(Settings(grafana_url=f"http://127.0.0.1:{free_port()}"))
    assert finding.status == "warn"


HEALTH = "/api/health"
PLUGIN_3 = '{"info": {"version": "3.11.1"}}'
SETTINGS = f"/api/plugins/{outside.PLUGIN}/settings"


@pytest.mark.parametrize(
    ("pages", "token", "statuses", "word"),
    [
        ({HEALTH: (200, '{"version": "12.1.0+s-01"}'), SETTINGS: (200, PLUGIN_3)}, "", "ok ok", "3.11.1"),
        ({HEALTH: (200, '{"version": "13.0.0"}')}, "", "ok fail", "not installed"),
        ({HEALTH: (200, '{"version": "11.6.0"}'), SETTINGS: (401, "{}")}, "", "ok ok", "unknown"),
        ({HEALTH: (200, '{"version": "11.6.0"}'), SETTINGS: (401, "{}")}, "good-token", "ok ok", "installed"),
        ({HEALTH: (200, '{"version": "10.4.3"}')}, "", "fail", "10.4.3"),
        ({HEALTH: (200, "<html>")}, "", "warn", "not running"),
    ],
)  # fmt: skip
def test_grafana(pages: dict[str, tuple[int, str]], token: str, statuses: str, word: str) -> None:
    with web(pages) as url:
        found = outside.grafana(Settings(grafana_url=url + "/", grafana_token=token))
    by_name(found)
    assert " ".join(finding.status for finding in found) == statuses
    assert word in found[-1].detail


# --- the command


def test_the_command(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAPEWATCH_REDIS_URL", redis_url)
    monkeypatch.setenv("TAPEWATCH_BRIDGE_PORT", str(free_port()))
    monkeypatch.setenv("TAPEWATCH_GRAFANA_URL", f"http://127.0.0.1:{free_port()}")
    loader.ensure(redis)
    assert main(["doctor", "--json"]) == 0
    found = [Finding(**row) for row in json.loads(capsys.readouterr().out)]
    by_name(found)
    redis.function_flush()
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(found)
    assert "fail  functions        not loaded — tapewatch functions load" in lines

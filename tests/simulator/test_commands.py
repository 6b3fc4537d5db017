"""`tapewatch simulate` and `tapewatch replay` as processes, and the vendor's own client connected to both."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from massive import WebSocketClient
from massive.websocket.models import EquityAgg, EquityTrade
from websockets.sync.client import connect

from tests.support import Running


class VendorsClient:
    """The vendor's client on a thread, given another address; it ends by itself when the server closes cleanly."""

    def __init__(self, url: str, *topics: str) -> None:
        self.got: list[Any] = []
        client = WebSocketClient(api_key="anything", secure=False, subscriptions=list(topics), max_reconnects=0)
        client.url = url
        self.thread = threading.Thread(target=lambda: client.run(self.got.extend), daemon=True)
        self.thread.start()

    def of(self, kind: type) -> list[Any]:
        return [x for x in self.got if isinstance(x, kind)]


def address(process: Running, scheme: str = "ws") -> str:
    found = process.wait(lambda: re.search(rf"{scheme}://\S+", process.output()), 30, "the address")
    return str(found[0])


def test_the_vendors_client_reads_the_simulator() -> None:
    with Running(
        "simulate", "--port", "0", "--symbols", "50", "--rate", "200", "--seed", "7", "--history", "60"
    ) as simulate:
        client = VendorsClient(address(simulate), "A.*", "T.*", "AM.*")
        simulate.wait(lambda: len(client.of(EquityAgg)) >= 3000, 30, "bars")
        bars = client.of(EquityAgg)
        for bar in bars:
            assert bar.symbol
            assert bar.low <= bar.open <= bar.high
            assert bar.low <= bar.close <= bar.high
            assert bar.volume > 0
            assert bar.low - 0.01 <= bar.vwap <= bar.high + 0.01
            assert bar.end_timestamp - bar.start_timestamp == (1000 if bar.event_type == "A" else 60_000)
        trades = client.of(EquityTrade)
        assert len(trades) > 3000
        assert all(t.symbol and t.price > 0 and t.size > 0 and t.id and t.sequence_number for t in trades)
        assert simulate.stop(signal.SIGTERM) == 0
        client.thread.join(10)
        assert not client.thread.is_alive()
        assert "Traceback" not in simulate.output()


def test_the_vendors_client_reads_a_replay(data: Path) -> None:
    tape, bars = data / "us-tape-2018" / "trades.csv.gz", data / "minute-bars-2019" / "AAPL_1min.csv"
    minutes = len(bars.read_text().splitlines()) - 1
    words = ["--tz", "America/New_York", "--stamp", "end", "--speed", "0", "--port", "0"]
    with Running("replay", str(tape), str(bars), *words) as replay:
        client = VendorsClient(address(replay), "T.*", "AM.*")
        replay.wait(lambda: len(client.got) == 77_261 + minutes, 60, "all of it")
        assert len(client.of(EquityTrade)) == 77_261
        assert {bar.symbol for bar in client.of(EquityAgg)} == {"AAPL"}
        assert replay.stop(signal.SIGINT) == 0
        assert "Traceback" not in replay.output()


def test_simulate_tells_the_truth_and_closes_cleanly(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    words = [
        "--port",
        "0",
        "--symbols",
        "20",
        "--rate",
        "15",
        "--truth",
        str(truth),
        "--rest-port",
        "0",
        "--history",
        "100",
    ]
    with Running("simulate", *words) as simulate:
        status = f"{address(simulate, 'http')}/v1/marketstatus/now"
        with urllib.request.urlopen(status, timeout=10) as reply:
            assert json.loads(reply.read())["market"] == "open"
        received: list[Any] = []
        with connect(address(simulate), max_size=None) as connection:
            for message in ({"action": "auth", "params": "k"}, {"action": "subscribe", "params": "A.*,T.*"}):
                connection.send(json.dumps(message))
            while len(received) < 2000:
                received += json.loads(connection.recv(timeout=20))
            simulate.process.send_signal(signal.SIGTERM)
            for frame in connection:
                received += json.loads(frame)
            assert connection.close_code == 1001
        assert simulate.process.wait(10) == 0
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    assert [line.pop("n") for line in lines] == list(range(1, len(lines) + 1))
    assert all(line.pop("sent") for line in lines)
    assert lines == [body for body in received if body["ev"] != "status"]


def greeting(*words: str) -> Any:
    with Running(*words, "--port", "0") as server, connect(address(server)) as connection:
        return json.loads(connection.recv(timeout=20))[0]


def test_servers_name_their_market(tmp_path: Path) -> None:
    """A recording's is what its files hold, whatever their names and order."""
    for name, text in (("a", "1704099600,A,1,1\n"), ("b", "1704099601,A,1,1\n"), ("c", "1704099601,A,1,1\n")):
        (tmp_path / f"{name}.csv").write_text(f"time,symbol,price,size\n{text}")
    a, b, c = (str(tmp_path / f"{name}.csv") for name in "abc")
    assert greeting("simulate", "--symbols", "3", "--rate", "1", "--seed", "7")["market"] == "simulator-7"
    recorded = greeting("replay", a, b)["market"]
    assert re.fullmatch(r"recording-[0-9a-f]{12}", recorded)
    assert greeting("replay", c, a)["market"] == recorded
    assert greeting("replay", a)["market"] != recorded
    assert greeting("replay", a, "--market", "desk.2024")["market"] == "desk.2024"


def test_duration_ends_by_itself() -> None:
    with Running("simulate", "--port", "0", "--duration", "0.1") as simulate:
        assert simulate.process.wait(30) == 0


def error_of(*words: str) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, "-m", "tapewatch", *words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["simulate", "--faults", "bang@3"], "bang"),
        (["simulate", "--faults", "drop"], "KIND@SECOND"),
        (["simulate", "--symbols", "0"], "--symbols"),
        (["simulate", "--rate", "nan"], "--rate"),
        (["simulate", "--port", "99999"], "--port"),
        (["simulate", "--truth", "/no/such/folder/t"], "/no/such/folder/t"),
        (["simulate", "--host", "192.0.2.1", "--port", "0"], "192.0.2.1"),
        (["replay", "/no/such/file.csv"], "/no/such/file.csv"),
        (["replay", "x.csv", "--speed", "-1"], "--speed"),
        (["replay", "x.csv", "y.csv", "--symbol", "X"], "--symbol"),
        (["replay", "x.csv", "--symbol", "X Y"], "--symbol"),
        (["replay", "x.csv", "--tz", "Mars/Olympus"], "--tz"),
        (["replay", "x.csv", "--tz", "../etc"], "--tz"),
        (["replay", "x.csv", "--stamp", "middle"], "--stamp is start or end, not 'middle'"),
        (["replay", "x.csv", "--span", "5m"], "--span is 1s or 1m"),
        (["replay", "x.csv", "--market", "../other"], "--market"),
        (["replay", "/dev/zero"], "no regular file"),
        (["replay", "x.csv", "--speed", "fast"], "--speed"),
        (["replay"], "FILE"),
        (["simulate", "--seed", "x"], "--seed"),
        (["simulate", "--sed", "1", "more"], "unrecognized arguments"),
    ],
)
def test_bad_input_is_one_clear_line(words: list[str], text: str) -> None:
    code, lines = error_of(*words)
    assert code == 2
    assert len(lines) == 1
    assert text in lines[0]


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "f.jsonl").write_text("[]\n")
    with Running("simulate", "--port", "0") as simulate:
        port = address(simulate).rpartition(":")[2].removesuffix("/stocks")
        for words in (["simulate", "--port", port], ["replay", str(tmp_path / "f.jsonl"), "--port", port],
                      ["simulate", "--port", "0", "--rest-port", port]):  # fmt: skip
            code, lines = error_of(*words)
            assert (code, len(lines)) == (2, 1)
            assert f"cannot listen on 127.0.0.1:{port}" in lines[0]


def test_a_rate_that_the_symbols_cannot_give_is_said() -> None:
    with Running("simulate", "--port", "0", "--symbols", "5", "--rate", "50", "--duration", "0.1") as simulate:
        simulate.process.wait(30)
        assert "5 symbols give at most 5 bars a second, not 50" in simulate.output()
    with Running("simulate", "--port", "0", "--symbols", "500", "--rate", "10", "--duration", "0.1") as simulate:
        simulate.process.wait(30)
        assert "a symbol may be silent for" in simulate.output()

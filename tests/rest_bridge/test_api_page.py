"""Each example of docs/api.md, run against a bridge; those of pandas and polars where `make examples` has installed them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from market.bar import Bar
from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert
from redis_functions.lua import calls, loader
from tests.rest_bridge.conftest import Api
from tests.support import ROOT, Running, write_bars

PAGE = (ROOT / "docs" / "api.md").read_text()
#: An environment of its own: where pandas or polars are installed, TA-Lib loads them into every process.
EXAMPLES_INSTALLED = ROOT / ".venv-examples" / ".installed"
EXAMPLES_PYTHON = ROOT / ".venv-examples" / "bin" / "python"
BASE = "http://127.0.0.1:8080"
TOKEN = "a token of thirty-two characters!"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def base(redis: Redis, redis_url: str) -> Iterator[str]:
    now = time.time_ns() // 1_000_000_000 * 1000
    loader.ensure(redis)
    for symbol in ("AAPL", "MSFT"):
        bars = [
            Bar(symbol, now - s * 1000, 1_000_000, 1_010_000, 990_000, 1_000_000 + s, 10, 10_000_000)
            for s in range(6_000, 0, -5)
        ]
        write_bars(redis, bars)
    calls.raise_alert_sync(redis, Alert("a:1", now, "AAPL", "velocity", "info", "up", 1.5, "up", 100.0), 0)
    row = {"symbol": "AAPL", "last": 100.0, "velocity": 0.5, "change": 1.0, "volume": 5, "t": now}
    redis.set(
        keys.MOVERS, json.dumps({"t": now, **{name: [row] for name in ("velocity", "change", "change_down", "volume")}})
    )
    redis.set(keys.metrics("ingest"), "")
    redis.execute_command("TS.ADD", keys.stat("lag_ms"), now, 1.5)
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url, TAPEWATCH_TOKEN="") as bridge:
        bridge.ready(30)
        yield f"http://127.0.0.1:{bridge.bridge_port}"


def test_every_curl(base: str, tmp_path: Path) -> None:
    script = "\n".join(blocks("sh")).replace(BASE, base).replace("curl ", "curl -sSf -w '\\n%{http_code}\\n' ")
    env = os.environ | {"TAPEWATCH_TOKEN": TOKEN}
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    asked = len(re.findall(r"^curl ", "\n".join(blocks("sh")), re.MULTILINE))
    assert re.findall(r"^\d{3}$", done.stdout, re.MULTILINE) == ["200"] * asked
    assert (tmp_path / "candles.csv").read_text().startswith("t,t_iso,o,h,l,c,v,vw\n")


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.split("import ")[1].split()[0])
def test_every_python_example(base: str, code: str) -> None:
    foreign = re.search(r"^import (pandas|polars)", code, re.MULTILINE)
    if foreign and not EXAMPLES_INSTALLED.exists():
        pytest.skip(f"{foreign[1]} is not installed: run `make examples`")
    python = str(EXAMPLES_PYTHON) if foreign else sys.executable
    done = subprocess.run([python, "-c", code.replace(BASE, base)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_address_for_a_spreadsheet_is_a_table_with_rows(base: str) -> None:
    addresses = [line for block in blocks("text") for line in block.splitlines() if line.startswith(BASE)]
    assert len(addresses) >= 3
    for address in addresses:
        with urllib.request.urlopen(address.replace(BASE, base), timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("text/csv")
            assert len(answer.read().splitlines()) >= 2


def test_every_path_has_an_example(api: Api) -> None:
    shown = set(re.findall(rf"{BASE}(/[\w/.]*)", "\n".join(blocks("sh"))))
    assert set(api.spec["paths"]) - {"/"} <= shown

"""README.md: its size, its links, and its API examples against a running daemon."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.support import ROOT, Running

README = (ROOT / "README.md").read_text()
ADDRESS = "http://127.0.0.1:8080"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 130


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs"])
def test_links_lead_to_files(page: str) -> None:
    path = ROOT / page
    for file in sorted(path.rglob("*.md")) if path.is_dir() else [path]:
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text())
        assert [link for link in links if not (file.parent / link).exists()] == [], file


def test_first_two_commands_are_run_and_test() -> None:
    assert [block.strip() for block in blocks("sh")[:2]] == ["make run", "make test"]


def test_api_examples_answer() -> None:
    command = next(block for block in blocks("sh") if block.startswith("curl"))
    shown = json.loads(blocks("json")[0])
    with Running("run", TAPEWATCH_SIM_SYMBOLS="100") as daemon:
        daemon.ready()
        base = f"http://127.0.0.1:{daemon.bridge_port}"
        path = command.split(ADDRESS)[1].split("'")[0]
        # The simulated market sends its past hour within 30 s; the examples need three minutes of it.
        more = path.replace("limit=2", "limit=30")
        daemon.wait(lambda: len(daemon.get(more)[1] or ()) == 30, 40, "half an hour of candles of AAPL")
        rows = daemon.get(path)[1]
        assert [list(row) for row in rows] == [list(row) for row in shown]
        code = blocks("python")[0]
        done = subprocess.run(
            [sys.executable, "-c", code.replace(ADDRESS, base)], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 3

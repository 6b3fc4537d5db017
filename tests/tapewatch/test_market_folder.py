"""Where TAPEWATCH_DATA_DIR is not set, each market has a folder of its own, and other commands use that of the last run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tapewatch import market_folder
from tapewatch.commands.run import in_its_market
from tapewatch.settings import Settings
from tests.fake_vendor import VendorThread
from tests.support import Running, clean_environ, free_port


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("market", "folder"),
    [
        ("vendor", "data/vendor"),
        ("simulator-7", "data/simulator"),
        ("recording-0123456789ab", "data/recording-0123456789ab"),
        ("my market/../x", "data/my_market_.._x"),
        ("../../etc", "data/vendor"),
        ("", "data/vendor"),
    ],
)
def test_the_folder_of_a_market(market: str, folder: str) -> None:
    assert market_folder.folder_of(market) == Path(folder)


def test_before_any_run_it_is_that_of_the_market_that_one_would_use() -> None:
    assert Settings().data_path == Path("data/simulator")
    assert Settings(api_key="k" * 12).data_path == Path("data/vendor")


def test_a_store_of_an_earlier_version_is_still_found() -> None:
    Path("data/redis").mkdir(parents=True)
    assert Settings().data_path == Path("data")


def test_a_run_chooses_and_the_others_follow() -> None:
    assert in_its_market(Settings(api_key="k" * 12)).data_dir == "data/vendor"
    assert Settings().data_path == Path("data/vendor")
    assert in_its_market(Settings()).data_dir == "data/simulator"
    assert Settings(api_key="k" * 12).data_path == Path("data/simulator")
    assert Path("data/simulator").stat().st_mode & 0o077 == 0


def test_a_folder_that_is_set_is_used_as_it_is() -> None:
    assert in_its_market(Settings(data_dir="mine")) == Settings(data_dir="mine")
    assert not Path("data").exists()


def test_a_last_run_that_makes_no_sense_is_ignored() -> None:
    Path("data").mkdir()
    for text in ("../..", "gone", ""):
        Path("data/last").write_text(text)
        assert Settings().data_path == Path("data/simulator")


def test_a_server_of_ours_names_its_market_and_another_is_the_vendor() -> None:
    port = free_port()
    with Running("simulate", "--port", str(port), "--symbols", "5", "--rate", "5", "--seed", "3") as market:
        market.wait(lambda: "ready" in market.output(), 20, "the simulator")
        assert in_its_market(Settings(feed_url=f"ws://127.0.0.1:{port}/stocks")).data_dir == "data/simulator"
    with VendorThread() as server:
        assert in_its_market(Settings(feed_url=server.vendor.url)).data_dir == "data/vendor"


def test_config_shows_the_folder_that_is_used(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tapewatch", "config"], capture_output=True, text=True, env=clean_environ(), timeout=30
    )
    assert "data/simulator" in done.stdout

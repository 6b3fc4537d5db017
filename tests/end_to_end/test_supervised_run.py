"""`tapewatch run` with faults: a killed part, a rejected key, a port or folder in use, a killed supervisor."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests.end_to_end.test_run import living
from tests.fake_vendor import VendorThread
from tests.support import Running, wait_until

SMALL = {"TAPEWATCH_SIM_SYMBOLS": "5", "TAPEWATCH_SIM_RATE": "5"}


@pytest.fixture(scope="module")
def run() -> Iterator[Running]:
    with Running("run", **SMALL) as made:
        made.ready()
        yield made


def pid_of(run: Running, command: str) -> int | None:
    found = re.findall(rf"^ *(\d+) .*-m tapewatch {command}\b", "\n".join(living(str(run.folder))), re.MULTILINE)
    return int(found[0]) if found else None


def test_every_part_is_its_own_command_and_a_killed_one_comes_back(run: Running) -> None:
    before = wait_until(lambda: pid_of(run, "ingest"))
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: (now := pid_of(run, "ingest")) != before and now, 20, "another ingest")
    run.ready()
    assert pid_of(run, "bridge")
    assert "ingest ended (signal SIGKILL)" in run.output()


def test_a_second_run_in_the_same_folder_or_on_the_same_port_says_so_in_one_line(run: Running) -> None:
    here = {"data_dir": run.data_dir}
    with Running("run", **here, **SMALL) as second:  # type: ignore[arg-type]
        assert second.process.wait(20) == 1
        assert re.fullmatch(r"tapewatch: another tapewatch is running in .*\n", second.output())
    with Running("run", TAPEWATCH_BRIDGE_PORT=str(run.bridge_port), **SMALL) as second:
        assert second.process.wait(20) == 1
        assert re.fullmatch(rf"tapewatch: cannot listen on 127.0.0.1:{run.bridge_port}: .*\n", second.output())
    assert run.get("/readyz")[0] == 200


def test_a_killed_supervisor_leaves_no_process_behind() -> None:
    with Running("run", **SMALL) as run:
        run.ready()
        assert len(living(str(run.folder))) >= 5
        run.process.kill()
        run.process.wait()
        wait_until(lambda: not living(str(run.folder)), 15, "the end of every part")


def test_a_refused_key_stops_everything_with_78_and_the_vendors_words() -> None:
    with VendorThread() as feed:
        with Running("run", TAPEWATCH_FEED_URL=feed.vendor.url, MASSIVE_API_KEY="not-this-one") as run:
            assert run.process.wait(30) == 78
            assert "the feed refuses the key: authentication failed" in run.output()
            assert run.output().strip().splitlines()[-1].startswith("tapewatch: ingest cannot run")
        assert living(str(run.folder)) == []
        assert feed.vendor.connections == 1


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_feed_that_hangs_does_not_delay_the_end_beyond_ten_seconds(signum: int) -> None:
    with VendorThread() as feed:
        key = feed.vendor.key
        with Running(
            "run", TAPEWATCH_FEED_URL=feed.vendor.url, MASSIVE_API_KEY=key, TAPEWATCH_LOG_LEVEL="debug"
        ) as run:
            run.ready()
            wait_until(lambda: feed.vendor.open)
            feed.call(feed.vendor.stall)
            assert run.stop(signum, seconds=10) == 0
            assert "is killed" not in run.output()
            assert key not in run.output()
        assert living(str(run.folder)) == []

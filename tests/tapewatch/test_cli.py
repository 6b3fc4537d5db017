"""The command line as a whole: quiet into a closed pipe, one line on an error, JSON where logs are JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tapewatch.cli import EX_PIPE, main
from tests.support import ROOT


@pytest.mark.parametrize("words", [["config"], ["--help"], ["config", "--json"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(words: list[str]) -> None:
    # A pipe whose reader is gone before the first byte: `| head -n 0`, always too early.
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tapewatch", *words], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, timeout=60
        )
    finally:
        os.close(writer)
    assert done.returncode in (0, EX_PIPE)  # argparse itself ignores it while it prints its help
    assert done.stderr == b""


def test_an_error_is_json_where_logs_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TAPEWATCH_LOG_FORMAT", "json")
    monkeypatch.setenv("TAPEWATCH_NONSENSE", "1")
    assert main(["config"]) == 78
    record = json.loads(capsys.readouterr().err)
    assert (record["level"], record["message"].split()[0]) == ("error", "TAPEWATCH_NONSENSE")

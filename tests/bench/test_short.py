"""Each bench's short form runs through and prints its table; how fast is none of a test's business."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.__main__ import BENCHES
from tests.support import ROOT

ROWS = {
    "bench.ingest": ("(a) raw limit", "(b) tapewatch", "(c) ordinary design", "trades/s"),
    "bench.raw_parts": ("without the append-only file", "no rules"),
    "bench.against_postgres": ("Against PostgreSQL",),
    "bench.latency": ("of the raw limit", "a minute's close"),
    "bench.read": ("as fast as it answers", "200/s while"),
    "bench.read_indicators": ("indicators, sma:20", "patterns, all 65", "TA-Lib"),
    "bench.accuracy": ("bbands_20_2", "61 candlestick patterns", "golden_cross"),
    "bench.dashboards": ("all that read", "TS.RANGE", "asked for alone"),
    "bench.day": ("all MiB (PSS)", "bytes a series", "0 bars refused", "candles over REST", "A rewrite of"),
    "bench.restart": ("SIGKILL", "SIGTERM", "Redis itself"),
    "bench.calibrate": ("Bytes a sample", "1h"),
    "bench.stages": ("spool", "decode", "writer"),
}


def test_every_bench_has_a_short_form_here() -> None:
    assert set(ROWS) == set(BENCHES)


@pytest.mark.parametrize("module", ROWS)
def test_short_form(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "--short"], capture_output=True, text=True, cwd=ROOT, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for text in ROWS[module]:
        assert text in done.stdout
    assert "nan" not in done.stdout

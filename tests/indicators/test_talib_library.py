"""TA-Lib is loaded when a value is asked for, and brings neither pandas nor polars."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires

MAX_MIB = 15

_PROGRAM = """
import resource, sys
import numpy as np
from indicators import patterns
from indicators.registry import parse_names

def kib():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

chosen = parse_names("sma:20,macd:12:26:9,rsi:14")
assert "talib" not in sys.modules, "loaded before a value was asked for"
before = kib()
close = np.arange(1.0, 300.0)
for one in chosen:
    one.compute({"close": close})
patterns.find({name: close for name in ("open", "high", "low", "close")})
assert "talib" in sys.modules
print(kib() - before)
"""


def test_it_is_loaded_when_first_asked_for_and_is_small() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MAX_MIB * 1024


def test_the_daemon_needs_no_package_that_talib_would_load_as_well() -> None:
    """`import talib` imports pandas (65 MB) and polars wherever they are installed."""
    needed, waiting = set(), ["tapewatch"]
    while waiting:
        name = waiting.pop()
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue  # for another platform
        for line in lines:
            found = re.match(r"[\w.-]+", line)
            if found and "extra ==" not in line and found[0].lower() not in needed:
                needed.add(found[0].lower())
                waiting.append(found[0])
    assert "numpy" in needed
    assert not needed & {"pandas", "polars"}

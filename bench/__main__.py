"""`python -m bench [--short]`: every bench, one after the other; prints the tables and writes bench/RESULTS.md.

The short form only shows that each runs: it writes nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.table import machine

RESULTS = Path(__file__).parent / "RESULTS.md"
#: Each with its arguments in the full form; about half an hour together on two idle cores.
BENCHES: tuple[tuple[str, ...], ...] = (
    ("bench.ingest",),
    ("bench.latency",),
    ("bench.read",),
    ("bench.day", "--sizes", "100,1000"),
    ("bench.calibrate",),
    ("bench.stages",),
)
#: More running processes than this before the start: others are at work, and the figures say so.
IDLE_LOAD = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every bench ran; the tables of those that did are written all the same."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="whether each runs, not how fast; writes nothing")
    args = parser.parse_args(argv)
    head = ["# Measured", "", machine(), ""]
    if os.getloadavg()[0] > IDLE_LOAD:
        head += [
            "**Taken on a machine that was busy with other work: absolute figures are too low, ratios are rough.**",
            "",
        ]
    print("\n".join(head), flush=True)
    parts, failed = [], []
    for words in BENCHES:
        command = [sys.executable, "-m", words[0], *(["--short"] if args.short else words[1:])]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=RESULTS.parent.parent)
        print(done.stdout, flush=True)
        parts.append(done.stdout)
        if done.returncode:
            failed.append(words[0])
            parts.append(f"## {words[0]}\n\nThis bench ended with an error, so it has no figures here.\n")
    if not args.short:
        RESULTS.write_text("\n".join([*head, *parts]))
    if failed:
        print(f"bench: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

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
#: Each with its arguments in the full form (about half an hour together on two idle cores), and as a small sample (minutes).
BENCHES: dict[str, tuple[str, str]] = {
    "bench.ingest": ("", "--seconds 5 --trade-seconds 5"),
    "bench.latency": ("", "--rates 1000,10000 --seconds 5"),
    "bench.read": ("", "--seconds 2"),
    "bench.day": ("--sizes 100,1000", "--scale 0.1 --minutes 31"),
    "bench.calibrate": ("", ""),
    "bench.stages": ("", ""),
}
#: More running processes than this before the start: others are at work, and the figures say so.
IDLE_LOAD = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every bench ran; the tables of those that did are written all the same."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="whether each runs, not how fast; writes nothing")
    parser.add_argument("--sample", action="store_true", help="small samples of each, in some minutes: rough figures")
    args = parser.parse_args(argv)
    head = ["# Measured", "", machine(), ""]
    if os.getloadavg()[0] > IDLE_LOAD:
        head += [
            "**Taken on a machine that was busy with other work: absolute figures are too low, ratios are rough.**",
            "",
        ]
    if args.sample:
        head += ["**Small samples only (`python -m bench --sample`): not the full form.**", ""]
    print("\n".join(head), flush=True)
    parts, failed = [], []
    for name, (full, sample) in BENCHES.items():
        words = "--short" if args.short else sample if args.sample else full
        command = [sys.executable, "-m", name, *words.split()]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=RESULTS.parent.parent)
        print(done.stdout, flush=True)
        parts.append(done.stdout)
        if done.returncode:
            failed.append(name)
            parts.append(f"## {name}\n\nThis bench ended with an error, so it has no figures here.\n")
    if not args.short:
        RESULTS.write_text("\n".join([*head, *parts]))
    if failed:
        print(f"bench: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

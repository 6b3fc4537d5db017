"""`python -m bench [--short]`: every bench, one after the other; one table of what is required and what was measured, ratios
first, then the table of each; printed, and written into bench/RESULTS.md.

The short form only shows that each runs: it writes nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.page import keep
from bench.table import CLAIMS, command_line, machine, read_claims, summary
from bench.world import ROOT

#: What the README calls the part of it that is the first table.
PART = "performance: written by make bench"
RESULTS = Path(__file__).parent / "RESULTS.md"
#: Each with its arguments in the full form (about half an hour together on two idle cores), and as a small sample (minutes).
BENCHES: dict[str, tuple[str, str]] = {
    "bench.ingest": ("", "--seconds 5 --trade-seconds 5"),
    "bench.against_postgres": ("", "--short"),
    "bench.latency": ("", "--rates 1000,10000 --seconds 5"),
    "bench.read": ("", "--seconds 2"),
    "bench.dashboards": ("", "--seconds 5"),
    "bench.day": ("--sizes 100,1000,10000", "--scale 0.1 --minutes 31"),
    "bench.restart": ("", "--scale 0.1 --times 1"),
    "bench.calibrate": ("", ""),
    "bench.stages": ("", ""),
}
#: More running processes than this before the start: others are at work, and the figures say so.
IDLE_LOAD = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every bench ran; the tables of those that did are written all the same."""
    parser = argparse.ArgumentParser(prog="bench", description="Every bench, one after the other.")
    parser.add_argument("--short", action="store_true", help="whether each runs, not how fast; writes nothing")
    parser.add_argument("--sample", action="store_true", help="small samples of each, in some minutes: rough figures")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="also puts the first table into that page")
    args = parser.parse_args(argv)
    text = head = _head(args.sample)
    parts, failed = [], []
    with tempfile.TemporaryDirectory(prefix="tb-") as folder:
        claims = Path(folder, "claims")
        for name, (full, sample) in BENCHES.items():
            words = "--short" if args.short else sample if args.sample else full
            part = _play(name, words.split(), claims)
            failed += [] if part else [name]
            parts.append(part or f"## {name}\n\nThis bench ended with an error, so it has no figures here.\n")
            table = summary(read_claims(claims), command_line("bench"))
            text = "\n".join([head, table.markdown(), *parts])
            if not args.short:
                # After each: what is measured is kept when a later one is broken off.
                RESULTS.write_text(text)
        if args.readme:
            keep(args.readme, PART, f"{table.grid()}\n\n{head.partition(chr(10))[2].strip()}")
    print(text, flush=True)
    if failed:
        print(f"bench: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _head(sample: bool) -> str:
    lines = ["# Measured", "", machine(), ""]
    if os.getloadavg()[0] > IDLE_LOAD:
        busy = "**Taken on a machine that was busy with other work: absolute figures are too low, ratios are rough.**"
        lines += [busy, ""]
    if sample:
        lines += ["**Small samples only (`python -m bench --sample`): not the full form.**", ""]
    return "\n".join(lines)


def _play(name: str, words: Sequence[str], claims: Path) -> str:
    """What one bench prints, "" when it failed; how it goes on is told on stderr."""
    print(f"bench: {name} {' '.join(words)} ...".replace("  ", " "), file=sys.stderr, flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", name, *words],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {CLAIMS: str(claims)},
    )
    print(f"bench: {name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return "" if done.returncode else done.stdout


if __name__ == "__main__":
    sys.exit(main())

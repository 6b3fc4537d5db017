"""`python -m bench [--short]`: every bench, one after the other; one table of what is required and what was measured, ratios
first, then the table of each; printed, and written into bench/RESULTS.md.

The short form only shows that each runs: it writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.harness import ROOT
from bench.page import keep
from bench.table import CLAIMS, Claim, machine, read_claims, summary

#: What the README calls the part of it that is the first table.
PART = "performance: written by make bench"
RESULTS = Path(__file__).parent / "RESULTS.md"
#: The claims of RESULTS.md, for a run of some of the benches.
CLAIMS_KEPT = Path(__file__).parent / "claims.jsonl"
#: Each with its arguments in the full form (about 20 minutes together on two idle cores), and as a small sample (minutes).
BENCHES: dict[str, tuple[str, str]] = {
    "bench.ingest": ("", "--seconds 5 --trade-seconds 5"),
    "bench.raw_parts": ("", "--seconds 5"),
    "bench.against_postgres": ("", "--short"),
    "bench.latency": ("", "--rates 1000,10000 --seconds 5"),
    "bench.read": ("", "--seconds 2"),
    "bench.accuracy": ("", ""),
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
    parser.add_argument("--only", nargs="+", choices=BENCHES, metavar="BENCH", help="only these; other figures stay")
    args = parser.parse_args(argv)
    head = _head(args.sample, args.only or [])
    chosen = {name: BENCHES[name] for name in args.only or BENCHES}
    claims, parts = _kept(set(BENCHES) - set(chosen)) if args.only else ([], {})
    failed, text, table = [], head, summary([], "")
    for name, (full, sample) in chosen.items():
        words = "--short" if args.short else sample if args.sample else full
        part, found = _play(name, words.split())
        failed += [] if part else [name]
        claims += found
        parts[name] = part or f"## {name}\n\nThis bench ended with an error, so it has no figures here.\n"
        claims.sort(key=lambda claim: list(BENCHES).index(claim.module))
        table = summary(claims, "python -m bench")
        text = "\n".join([head, table.markdown(), *(parts[name] for name in BENCHES if name in parts)])
        if not args.short:
            # After each: what is measured is kept when a later one is broken off.
            RESULTS.write_text(text)
            CLAIMS_KEPT.write_text("".join(json.dumps(asdict(claim)) + "\n" for claim in claims))
    if args.readme:
        keep(args.readme, PART, f"{table.grid()}\n\n{head.partition(chr(10))[2].strip()}")
    print(text, flush=True)
    if failed:
        print(f"bench: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _kept(names: set[str]) -> tuple[list[Claim], dict[str, str]]:
    """What RESULTS.md and its claims hold of these benches from before."""
    parts: dict[str, str] = {}
    for section in RESULTS.read_text().split("\n## ")[1:]:
        command = section.splitlines()[2].strip("`").split()
        name = command[2] if len(command) > 2 else ""
        if name in names:
            parts[name] = parts.get(name, "") + f"## {section}\n"
    return [claim for claim in read_claims(CLAIMS_KEPT) if claim.module in names], parts


def _head(sample: bool, only: Sequence[str]) -> str:
    lines = ["# Measured", "", machine(), ""]
    if only:
        lines += [f"Of this run: {', '.join(only)}. All other figures are of the full run before it.", ""]
    if os.getloadavg()[0] > IDLE_LOAD:
        busy = "**Taken on a machine that was busy with other work: absolute figures are too low, ratios are rough.**"
        lines += [busy, ""]
    if sample:
        lines += ["**Small samples only (`python -m bench --sample`): not the full form.**", ""]
    return "\n".join(lines)


def _play(name: str, words: Sequence[str]) -> tuple[str, list[Claim]]:
    """What one bench prints and claims, "" when it failed; how it goes on is told on stderr."""
    print(f"bench: {name} {' '.join(words)} ...".replace("  ", " "), file=sys.stderr, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tb-") as folder:
        claims = Path(folder, "claims")
        done = subprocess.run(
            [sys.executable, "-m", name, *words],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
            env=os.environ | {CLAIMS: str(claims)},
        )
        found = read_claims(claims)
    print(f"bench: {name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return ("", []) if done.returncode else (done.stdout, found)


if __name__ == "__main__":
    sys.exit(main())

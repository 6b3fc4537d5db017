"""`python -m bench [--short]`: runs every bench in turn and writes bench/RESULTS.md.

It begins with the table of requirements; the tables of each bench follow.

The short form only shows that each bench runs: it writes nothing.
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
from bench.table import CLAIMS, Claim, headlines, machine, read_claims, summary

#: The part of the README that holds the headlines of the requirements.
PART = "performance: written by make bench"
RESULTS = Path(__file__).parent / "RESULTS.md"
#: The claims behind RESULTS.md, so that a run of some benches keeps the others'.
CLAIMS_KEPT = Path(__file__).parent / "claims.jsonl"
#: Arguments of the full form (about 25 minutes in all on two idle cores), and of a small sample (minutes).
BENCHES: dict[str, tuple[str, str]] = {
    "bench.ingest": ("", "--seconds 5 --trade-seconds 5"),
    "bench.raw_parts": ("", "--seconds 5"),
    "bench.against_postgres": ("", "--short"),
    "bench.latency": ("", "--shares 0.25,0.5 --seconds 5"),
    "bench.read": ("", "--seconds 2"),
    "bench.read_indicators": ("", "--short"),
    "bench.accuracy": ("", ""),
    "bench.dashboards": ("", "--seconds 5"),
    "bench.day": ("--sizes 100,1000,10000", "--scale 0.1 --minutes 31"),
    "bench.restart": ("", "--scale 0.1 --times 1"),
    "bench.calibrate": ("", ""),
    "bench.stages": ("", ""),
}
#: A higher load than this before the start means a busy machine, which the results then state.
IDLE_LOAD = 0.5


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when every bench ran; the tables of those that ran are written in any case."""
    parser = argparse.ArgumentParser(prog="bench", description="Every bench, one after the other.")
    parser.add_argument("--short", action="store_true", help="only checks that each bench runs; writes nothing")
    parser.add_argument("--sample", action="store_true", help="small samples of each, in minutes: rough figures")
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="also write the headline requirements into that page"
    )
    parser.add_argument(
        "--only", nargs="+", choices=BENCHES, metavar="BENCH", help="run only these; keep the other figures"
    )
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
            # Written after each bench, so that an interrupted run keeps what it measured.
            RESULTS.write_text(text)
            CLAIMS_KEPT.write_text("".join(json.dumps(asdict(claim)) + "\n" for claim in claims))
    if args.readme:
        brief = headlines(claims, "python -m bench")
        keep(args.readme, PART, f"{brief.grid()}\n\n{head.splitlines()[2]}")
    print(text, flush=True)
    if failed:
        print(f"bench: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _kept(names: set[str]) -> tuple[list[Claim], dict[str, str]]:
    """The claims and the sections of RESULTS.md that an earlier run of these benches wrote."""
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
        busy = "**The machine was busy with other work: absolute figures are too low, ratios are rough.**"
        lines += [busy, ""]
    if sample:
        lines += ["**Small samples only (`python -m bench --sample`): not the full form.**", ""]
    return "\n".join(lines)


def _play(name: str, words: Sequence[str]) -> tuple[str, list[Claim]]:
    """Runs one bench: its output ("" when it failed) and its claims. Progress goes to stderr."""
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

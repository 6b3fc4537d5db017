"""The pages and files that are made of tables in the code: `python -m tapewatch.documents` writes them, `--check` compares.

A table in the code is the one source; a file made of it cannot describe a setting or a statistic that does not exist.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from redis_functions.contract.statistics import METRICS, PREFIX, STATISTICS, metric_name

ROOT = Path(__file__).resolve().parent.parent


def statistics_page() -> str:
    """docs/statistics.md."""
    lines = [
        "# Statistics and metrics",
        "",
        "Made by `make docs` of [`redis_functions/contract/statistics.py`](../redis_functions/contract/statistics.py).",
        "",
        "A statistic is stored once a second as `ts:stats:<name>`, answered by `/api/v1/stats` and `/api/v1/stats/series`, and",
        "exported on `/metrics` in base units with the label `process`. Counters count since ingest started. Where no metric is",
        "named, a metric with labels (the second table) says the same.",
        "",
        "| statistic | kind | unit | metric | what is measured |",
        "|---|---|---|---|---|",
    ]
    for name, one in STATISTICS.items():
        metric = metric_name(name)
        lines.append(f"| `{name}` | {one.kind} | {one.unit} | {f'`{metric}`' if metric else ''} | {one.help} |")
    lines += ["", "| metric | kind | labels | what is measured |", "|---|---|---|---|"]
    for name, more in METRICS.items():
        total = "_total" if more.kind == "counter" else ""
        labels = ", ".join(f"`{label}`" for label in more.labels)
        lines.append(f"| `{PREFIX}{name}{total}` | {more.kind} | {labels} | {more.help} |")
    lines += [
        "",
        "The Python client library adds `process_cpu_seconds_total`, `process_resident_memory_bytes` and their like.",
        "",
    ]
    return "\n".join(lines)


def documents() -> dict[Path, str]:
    """Path -> the text that it must have."""
    return {ROOT / "docs/statistics.md": statistics_page()}


def main(argv: list[str] | None = None) -> int:
    """0; with --check 1 and a line for each file that differs."""
    parser = argparse.ArgumentParser(prog="python -m tapewatch.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a file differs from its table")
    check = parser.parse_args(argv).check
    stale = [path for path, text in documents().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} differs from its table: make docs", file=sys.stderr)
        else:
            path.write_text(documents()[path])
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.chaos``: plays the loss matrix; exit code 1 when a cell does not hold."""

from __future__ import annotations

import argparse
import sys

from tests.chaos import matrix


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--row", action="append", default=[], metavar="NAME", help="only rows whose name has this part")
    parser.add_argument("--short", action="store_true", help="only the quickest, most telling rows")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="rows at once (default: %(default)s)")
    args = parser.parse_args()
    rows = matrix.chosen(args.row, args.short)
    if not rows:
        parser.error("no row has such a name")
    lines = matrix.run(rows, args.jobs)
    print(matrix.markdown(lines))
    return 0 if matrix.holds(lines) else 1


if __name__ == "__main__":
    sys.exit(main())

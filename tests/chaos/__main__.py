"""``python -m tests.chaos``: plays the loss matrix; exit code 1 when a cell does not hold."""

from __future__ import annotations

import argparse
import sys

from tests.chaos import matrix, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--row", action="append", default=[], metavar="NAME", help="only rows whose name has this part")
    parser.add_argument("--short", action="store_true", help="only the quickest, most telling rows")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="rows at once (default: %(default)s)")
    parser.add_argument("--soak", type=float, metavar="S", help="instead: S seconds at full rate, a kill every 20 s")
    parser.add_argument("--rate", type=float, default=soak.RATE, metavar="BARS_PER_S", help="of the soak (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of the soak (default: %(default)s)")
    args = parser.parse_args()
    if args.soak:
        if args.soak < soak.EVERY_S + soak.REST_S:
            parser.error(f"a soak takes at least {soak.EVERY_S + soak.REST_S:g} s")
        lines = matrix.run([soak.soak(args.soak, args.seed, args.rate)], 1)
        print(matrix.markdown(lines))
        return 0 if matrix.holds(lines) else 1
    rows = matrix.chosen(args.row, args.short)
    if not rows:
        parser.error("no row has such a name")
    lines = matrix.run(rows, args.jobs)
    print(matrix.markdown(lines))
    return 0 if matrix.holds(lines) else 1


if __name__ == "__main__":
    sys.exit(main())

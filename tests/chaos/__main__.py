"""``python -m tests.chaos``: plays the loss matrix; exit code 1 when a cell does not hold."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.chaos import matrix, rows, soak
from tests.chaos.table import document, markdown, put_into


def main() -> int:
    args = _arguments()
    # However the run ends, its scenes are taken down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    soaks = [soak.soak(args.soak or args.with_soak, args.seed, args.rate)] if args.soak or args.with_soak else []
    chosen = [] if args.soak else matrix.chosen(args.row, args.short)
    if not chosen and not soaks:
        print("no row has such a name; the rows are:", *rows.ROWS, sep="\n  ", file=sys.stderr)
        return 2
    lines = matrix.run(chosen, args.jobs)
    # At full rate the machine is for one scene alone.
    lines += matrix.run(soaks, 1)
    print(markdown(lines))
    if args.table:
        args.table.write_text(document(lines))
    if args.readme:
        put_into(args.readme, lines)
    return 0 if matrix.holds(lines) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--row", action="append", default=[], metavar="NAME", help="only rows whose name has this part")
    parser.add_argument("--short", action="store_true", help="only the quickest, most telling rows")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="rows at once (default: %(default)s)")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also keep the table there, with date and machine")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="and a brief one between its marks in that page")
    parser.add_argument("--soak", type=float, metavar="S", help="no rows: S seconds at full rate, a kill every 20 s")
    parser.add_argument("--with-soak", type=float, metavar="S", help="the same, after the rows")
    parser.add_argument("--rate", type=float, default=soak.RATE, metavar="BARS_PER_S", help="of the soak (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of the soak (default: %(default)s)")
    args = parser.parse_args()
    least = soak.EVERY_S + soak.REST_S
    if any(seconds is not None and seconds < least for seconds in (args.soak, args.with_soak)):
        parser.error(f"a soak takes at least {least:g} s")
    return args


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.chaos``: runs the loss matrix; exit code 1 when a cell fails."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.chaos import matrix, rows, soak
from tests.chaos.table import document, markdown


def main() -> int:
    args = _arguments()
    # SIGTERM becomes an exception, so that the processes of every scene are ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    soaks = [soak.soak(args.soak or args.with_soak, args.seed, args.rate)] if args.soak or args.with_soak else []
    chosen = [] if args.soak else matrix.chosen(args.row, args.short)
    if not chosen and not soaks:
        print("no row matches --row; the rows are:", *rows.ROWS, sep="\n  ", file=sys.stderr)
        return 2
    lines = matrix.run(chosen, args.jobs)
    # The soak runs alone: it needs the whole machine.
    lines += matrix.run(soaks, 1)
    print(markdown(lines))
    if args.table:
        args.table.write_text(document(lines))
    return 0 if matrix.passed(lines) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--row", action="append", default=[], metavar="NAME", help="only rows whose name contains this")
    parser.add_argument("--short", action="store_true", help="only the quick rows, as the test suite does")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="rows at once (default: %(default)s)")
    parser.add_argument("--table", type=Path, metavar="FILE", help="also write the table there, with date and machine")
    parser.add_argument(
        "--soak", type=float, metavar="S", help="instead of the rows: S seconds at full rate, a kill every 20 s"
    )
    parser.add_argument("--with-soak", type=float, metavar="S", help="the same after the rows")
    parser.add_argument("--rate", type=float, default=soak.RATE, metavar="BARS_PER_S", help="of the soak (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of the soak (default: %(default)s)")
    args = parser.parse_args()
    least = soak.EVERY_S + soak.REST_S
    if any(seconds is not None and seconds < least for seconds in (args.soak, args.with_soak)):
        parser.error(f"a soak takes at least {least:g} s")
    return args


if __name__ == "__main__":
    sys.exit(main())

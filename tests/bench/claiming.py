"""A bench that claims two things at once, one of them for the README."""

from __future__ import annotations

from bench.table import Table, command_line, report

if __name__ == "__main__":
    table = Table("Claiming", ["a"], command_line("tests.bench.claiming"))
    table.require("things done", 10, at_least=5, unit="/s", headline=True)
    table.require("calls made", 3, at_most=4)
    report([table])

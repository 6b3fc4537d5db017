"""A bench that claims one thing at once."""

from __future__ import annotations

from bench.table import Table, command_line, report

if __name__ == "__main__":
    table = Table("Claiming", ["a"], command_line("tests.bench.claiming"))
    table.require("things done", 10, at_least=5, unit="/s")
    report([table])

"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]

#: Timeout of every request to another process or machine, in seconds.
TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Finding:
    """The subject of a check, its state in words (`detail`), and the remedy (`fix`, empty when ok)."""

    status: Status
    what: str
    detail: str
    fix: str = ""

    def line(self) -> str:
        fix = f" — {self.fix}" if self.fix else ""
        return f"{self.status:<5} {self.what:<16} {self.detail}{fix}"


def ok(what: str, detail: str) -> Finding:
    return Finding("ok", what, detail)


def warn(what: str, detail: str, fix: str) -> Finding:
    """Something works worse than it could, or may stop working."""
    return Finding("warn", what, detail, fix)


def fail(what: str, detail: str, fix: str) -> Finding:
    """Something does not work."""
    return Finding("fail", what, detail, fix)

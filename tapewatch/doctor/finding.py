"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]

#: Every question to another process or machine gives up after so many seconds.
TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Finding:
    """`what` was looked at, how it is (`detail`), and what to do about it (`mend`, empty when ok)."""

    status: Status
    what: str
    detail: str
    mend: str = ""

    def line(self) -> str:
        mend = f" — {self.mend}" if self.mend else ""
        return f"{self.status:<5} {self.what:<16} {self.detail}{mend}"


def ok(what: str, detail: str) -> Finding:
    return Finding("ok", what, detail)


def warn(what: str, detail: str, mend: str) -> Finding:
    """Something works worse than it could, or may stop working."""
    return Finding("warn", what, detail, mend)


def fail(what: str, detail: str, mend: str) -> Finding:
    """Something does not work."""
    return Finding("fail", what, detail, mend)

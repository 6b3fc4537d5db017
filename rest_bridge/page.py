"""An answer with more than its body: headers, and where the pages before and after it are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Rows of an answer, and its `headers`."""

    rows: list[T]
    headers: dict[str, str] = field(default_factory=dict)

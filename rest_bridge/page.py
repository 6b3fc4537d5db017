"""An answer with more than its body, and how a script walks through a list that is longer than one answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Generic, Literal, NamedTuple, Protocol, TypeVar

from msgspec import Meta

from rest_bridge.errors import bad_request
from rest_bridge.parameters import Parameters, text

T = TypeVar("T")
Sort = Literal["asc", "desc"]
SortWord = Annotated[
    Sort,
    Meta(
        description="What is left out where there are more rows than `limit`: the older ones (`desc`) or the newer ones "
        "(`asc`). Rows ascend by time in either case; the header `Link` leads to the rest."
    ),
]


FormatWord = Annotated[
    Literal["json", "csv"],
    Meta(description="`csv`: with a header line, and times also as ISO 8601; `Accept: text/csv` asks for the same."),
]


@dataclass(frozen=True)
class Page(Generic[T]):
    """Rows of an answer, and its `headers`. `link`: the parameters that the question for the rows left out has in place of this
    one's; empty where none are left out. `columns`: of the rows, where their type does not have them."""

    rows: list[T]
    headers: dict[str, str] = field(default_factory=dict)
    link: dict[str, str] = field(default_factory=dict)
    columns: Sequence[str] = ()


class Edge(NamedTuple):
    """How far the rows of a symbol have been answered: up to and with time `t` (epoch ms), or, where `taken` is not 0, only so
    many of those at `t`."""

    t: int
    taken: int = 0


#: A symbol that has no more rows.
_DONE = Edge(0)
_EDGE = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,4}))?\Z")


def _read_cursor(value: str) -> list[Edge]:
    found = [_EDGE.match(part) for part in value.split(",")]
    edges = [Edge(int(edge[1]), int(edge[2] or 0)) for edge in found if edge]
    if len(edges) != len(found):
        raise ValueError("is not one that a Link header gave")
    return edges


CURSOR_WORDS = "Where the page before this one ended, as its `Link` header gives it."


class Tabular(Parameters, kw_only=True):
    """The parameters of any list."""

    format: FormatWord = "json"


class Listed(Tabular, kw_only=True):
    """The parameters of a list that may be cut."""

    sort: SortWord = "desc"
    cursor: Annotated[list[Edge] | None, text(_read_cursor, CURSOR_WORDS)] = None


class Dated(Protocol):
    t: int


R = TypeVar("R", bound=Dated)


@dataclass(frozen=True)
class Found(Generic[R]):
    """Rows of a symbol; `edge`: how far they reach, None where none are left out."""

    rows: list[R]
    edge: Edge | None = None


#: Reads symbols between two times (epoch ms, included), leaving out so many rows at the first (asc) or last (desc) of them.
ReadRows = Callable[[Sequence[str], int, int, int], list[Found[R]]]


def read_page(
    q: Listed, symbols: Sequence[str], start: int, end: int, read: ReadRows[R]
) -> tuple[list[list[R]], dict[str, str]]:
    """(the rows of each symbol from where the page before ended, what the link to the next page needs).

    Raises ApiError for a cursor of other symbols.
    """
    if q.cursor is None:
        found = read(symbols, start, end, 0)
    elif len(q.cursor) != len(symbols):
        raise bad_request(f"cursor: has {len(q.cursor)} places for {len(symbols)} symbols", "bad_parameter")
    else:
        found = [_rest(q, symbol, edge, start, end, read) for symbol, edge in zip(symbols, q.cursor, strict=True)]
    return [one.rows for one in found], link_to([one.edge for one in found])


def _rest(q: Listed, symbol: str, edge: Edge, start: int, end: int, read: ReadRows[R]) -> Found[R]:
    beyond = 0 if edge.taken else 1
    if q.sort == "asc":
        start = max(start, edge.t + beyond)
    else:
        end = min(end, edge.t - beyond)
    if edge == _DONE or start > end:
        return Found([])
    (found,) = read([symbol], start, end, edge.taken)
    return found


def link_to(edges: Sequence[Edge | None]) -> dict[str, str]:
    """The parameters of the page that begins where each symbol's rows end; none where no rows are left."""
    if not any(edges):
        return {}
    return {"cursor": ",".join(f"{t}.{taken}" if taken else str(t) for t, taken in (e or _DONE for e in edges))}


def edge_of(q: Listed, rows: Sequence[R], more: bool) -> Edge | None:
    """How far rows reach of which each has a time of its own."""
    if not more or not rows:
        return None
    return Edge(rows[-1].t if q.sort == "asc" else rows[0].t)

"""Alerts: as they are, as Grafana's annotations, and counted."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from redis_functions.contract.alerts import Alert
from rest_bridge import parameters as p
from rest_bridge.answers import Answer, Count, Time
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.page import CURSOR_WORDS, FormatWord, Page, SortWord

MAX_ALERTS = 1_000
DEFAULT_ALERTS = 100
#: Rows of /alerts/series: a chart is not wider.
MAX_SPANS = 2_000

Severity = Literal["info", "warning", "critical"]


class AlertsFilter(p.Parameters):
    symbol: p.OnlySymbols = None
    rule: Annotated[str | None, p.text(p.read_word, "Only alerts of this rule.")] = None
    severity: Annotated[Severity | None, Meta(description="Only alerts of this severity.")] = None
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER


class AlertsQuery(AlertsFilter, kw_only=True):
    limit: Annotated[
        int, Meta(ge=1, le=MAX_ALERTS, description="The newest so many rows (with `sort=asc` the oldest).")
    ] = DEFAULT_ALERTS
    sort: SortWord = "desc"
    cursor: Annotated[str, p.text(str, CURSOR_WORDS)] = ""
    format: FormatWord = "json"

    def rows(self) -> int:
        return self.limit


class AlertsSeriesQuery(AlertsFilter, kw_only=True):
    step: Annotated[int, Meta(ge=1, le=86_400, description="Counted over so many seconds.")] = 60
    format: FormatWord = "json"


class AlertRow(Answer):
    id: Annotated[str, Meta(description="the same event has the same id")]
    t: Annotated[int, Meta(description="event time, epoch milliseconds UTC")]
    symbol: str
    rule: str
    severity: Severity
    direction: Literal["up", "down"] | None
    magnitude: Annotated[float, Meta(description="the rule's own measure; percent for velocity")]
    message: str
    price: float
    receipts: Annotated[list[dict[str, str]], Meta(description="deliveries; empty: none")]


class Annotation(Answer):
    time: Time
    timeEnd: Time
    title: str
    text: str
    tags: Annotated[str, Meta(description="comma list, because a data source reads it as text")]


class AlertCounts(Answer):
    total: Count
    info: Count = 0
    warning: Count = 0
    critical: Count = 0
    up: Count = 0
    down: Count = 0


class AlertsAt(Answer):
    t: Annotated[int, Meta(description="start of the span, epoch milliseconds UTC")]
    total: Count
    up: Count
    down: Count


def _found(context: Context, q: AlertsFilter) -> list[Alert]:
    """All alerts that pass the filters, ascending by time."""
    return [
        alert
        for alert in context.alerts.read()
        if q.from_ <= alert.t <= q.to
        and (q.symbol is None or alert.symbol in q.symbol)
        and q.rule in (None, alert.rule)
        and q.severity in (None, alert.severity)
    ]


def _page(context: Context, q: AlertsQuery) -> tuple[list[Alert], dict[str, str]]:
    """The newest or oldest so many from where the page before ended, and what the link to the next page needs.

    Alerts share times, so the cursor is an alert's time and id; new ones come behind those of their time.
    """
    ascending = q.sort == "asc"
    found = _found(context, q)
    if q.cursor:
        ids = [alert.id for alert in found]
        t, _, last = q.cursor.partition(".")
        if last in ids:
            at = ids.index(last)
            found = found[at + 1 :] if ascending else found[:at]
        elif t.isdecimal():
            # It has been trimmed from the log meanwhile.
            found = [alert for alert in found if (alert.t > int(t) if ascending else alert.t < int(t))]
    kept = found[: q.limit] if ascending else found[-q.limit :]
    edge = (kept[-1] if ascending else kept[0]) if len(found) > q.limit else None
    return kept, {} if edge is None else {"cursor": f"{edge.t}.{edge.id}"}


def alerts(context: Context, q: AlertsQuery) -> Page[AlertRow]:
    found, link = _page(context, q)
    # Nothing is delivered to anybody yet, so there are no receipts.
    return Page([AlertRow(**msgspec.structs.asdict(alert), receipts=[]) for alert in found], link=link)


def as_annotations(context: Context, q: AlertsQuery) -> Page[Annotation]:
    found, link = _page(context, q)
    rows = [
        Annotation(
            alert.t,
            alert.t,
            f"{alert.symbol} {alert.rule}",
            alert.message,
            ",".join(filter(None, (alert.rule, alert.symbol, alert.severity, alert.direction))),
        )
        for alert in found
    ]
    return Page(rows, link=link)


def summary(context: Context, q: AlertsFilter) -> AlertCounts:
    found = _found(context, q)
    counts = AlertCounts(len(found))
    for alert in found:
        for word in (alert.severity, alert.direction):
            if word in AlertCounts.__struct_fields__:
                setattr(counts, word, getattr(counts, word) + 1)
    return counts


def series(context: Context, q: AlertsSeriesQuery) -> list[AlertsAt]:
    found = _found(context, q)
    step = q.step * 1000
    first = q.from_ or (found[0].t if found else 0)
    last = min(q.to, int(time.time() * 1000)) if q.from_ else (found[-1].t if found else -1)
    begin = max(first // step, last // step - MAX_SPANS + 1)
    rows = [AlertsAt(at * step, 0, 0, 0) for at in range(begin, last // step + 1)]
    for alert in found:
        if 0 <= (place := alert.t // step - begin) < len(rows):
            row = rows[place]
            row.total += 1
            row.up += alert.direction == "up"
            row.down += alert.direction == "down"
    return rows


ENDPOINTS = (
    Endpoint(f"{PREFIX}/alerts", alerts, "Alerts, ascending by time", tag="alerts"),
    Endpoint(f"{PREFIX}/annotations", as_annotations, "Alerts as Grafana's annotations", tag="alerts"),
    Endpoint(
        f"{PREFIX}/alerts/summary", summary, "Alerts counted", "Always numbers, 0 where there is none.", tag="alerts"
    ),
    Endpoint(
        f"{PREFIX}/alerts/series",
        series,
        "Alerts counted over time",
        f"A row for each `step` seconds of `from`..`to`, also where there was none; the newest {MAX_SPANS:,} at most.",
        tag="alerts",
    ),
)

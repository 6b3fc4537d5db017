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


class AlertsQuery(AlertsFilter):
    limit: Annotated[int, Meta(ge=1, le=MAX_ALERTS, description="The newest so many rows.")] = DEFAULT_ALERTS

    def rows(self) -> int:
        return self.limit


class AlertsSeriesQuery(AlertsFilter):
    step: Annotated[int, Meta(ge=1, le=86_400, description="Counted over so many seconds.")] = 60


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


def alerts(context: Context, q: AlertsQuery) -> list[AlertRow]:
    # Nothing is delivered to anybody yet, so there are no receipts.
    return [AlertRow(**msgspec.structs.asdict(alert), receipts=[]) for alert in _found(context, q)[-q.limit :]]


def as_annotations(context: Context, q: AlertsQuery) -> list[Annotation]:
    return [
        Annotation(
            alert.t,
            alert.t,
            f"{alert.symbol} {alert.rule}",
            alert.message,
            ",".join(filter(None, (alert.rule, alert.symbol, alert.severity, alert.direction))),
        )
        for alert in _found(context, q)[-q.limit :]
    ]


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

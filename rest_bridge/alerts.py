"""Alerts: as they are, as Grafana's annotations, and counted."""

from __future__ import annotations

from typing import Any

import msgspec

from redis_functions.contract.alerts import Alert
from rest_bridge import parameters as p
from rest_bridge import schemas
from rest_bridge.endpoint import PREFIX, Context, Endpoint

MAX_ALERTS = 1_000
DEFAULT_ALERTS = 100
SEVERITIES = ("info", "warning", "critical")


def _found(context: Context, q: p.Query) -> list[Alert]:
    """All alerts that pass the filters, ascending by time."""
    wanted = [(name, q[name]) for name in ("rule", "severity") if q[name] is not None]
    symbols, start, end = q["symbol"], q["from"], q["to"]
    return [
        alert
        for alert in context.alerts.read()
        if start <= alert.t <= end
        and (symbols is None or alert.symbol in symbols)
        and all(getattr(alert, name) == value for name, value in wanted)
    ]


def alerts(context: Context, q: p.Query) -> Any:
    # Nothing is delivered to anybody yet, so there are no receipts.
    return [{**msgspec.structs.asdict(alert), "receipts": []} for alert in _found(context, q)[-q["limit"] :]]


def as_annotations(context: Context, q: p.Query) -> Any:
    return [
        {
            "time": alert.t,
            "timeEnd": alert.t,
            "title": f"{alert.symbol} {alert.rule}",
            "text": alert.message,
            "tags": ",".join(filter(None, (alert.rule, alert.symbol, alert.severity, alert.direction))),
        }
        for alert in _found(context, q)[-q["limit"] :]
    ]


def summary(context: Context, q: p.Query) -> Any:
    found = _found(context, q)
    counts = dict.fromkeys((*SEVERITIES, "up", "down"), 0)
    for alert in found:
        for word in (alert.severity, alert.direction):
            if word in counts:
                counts[word] += 1
    return {"total": len(found), **counts}


_FILTERS = (
    p.any_symbols(),
    p.Parameter("rule", "Only alerts of this rule.", p.read_word),
    p.choice("severity", "Only alerts of this severity.", SEVERITIES),
    *p.span(),
)
_LIMIT = p.limit(DEFAULT_ALERTS, MAX_ALERTS)
_ALERT = schemas.record(
    {
        "id": {**schemas.TEXT, "description": "the same event has the same id"},
        "t": {**schemas.TIME, "description": "event time, epoch milliseconds UTC"},
        "symbol": schemas.TEXT,
        "rule": schemas.TEXT,
        "severity": {"type": "string", "enum": list(SEVERITIES)},
        "direction": {"type": ["string", "null"], "enum": ["up", "down", None]},
        "magnitude": {**schemas.NUMBER_OR_NULL, "description": "the rule's own measure; percent for velocity"},
        "message": schemas.TEXT,
        "price": schemas.NUMBER_OR_NULL,
        "receipts": {"type": "array", "items": {"type": "object"}, "description": "deliveries; empty: none"},
    }
)
_ANNOTATION = schemas.record(
    {
        "time": schemas.TIME,
        "timeEnd": schemas.TIME,
        "title": schemas.TEXT,
        "text": schemas.TEXT,
        "tags": {**schemas.TEXT, "description": "comma list, because a data source reads it as text"},
    }
)
_SUMMARY = schemas.record(dict.fromkeys(("total", *SEVERITIES, "up", "down"), schemas.COUNT))

ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/alerts", alerts, "Alerts, ascending by time", schemas.rows(_ALERT), (*_FILTERS, _LIMIT), tag="alerts"
    ),
    Endpoint(
        f"{PREFIX}/annotations",
        as_annotations,
        "Alerts as Grafana's annotations",
        schemas.rows(_ANNOTATION),
        (*_FILTERS, _LIMIT),
        tag="alerts",
    ),
    Endpoint(
        f"{PREFIX}/alerts/summary",
        summary,
        "Alerts counted",
        _SUMMARY,
        _FILTERS,
        "Always numbers, 0 where there is none.",
        "alerts",
    ),
)

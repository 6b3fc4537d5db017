"""Queries to the bridge as the Infinity data source takes them: JSON over HTTP, typed by its own backend.

What Infinity does with the answer shapes every query here: fields come in alphabetical order, a number is a time only
if its column is typed so, a text column in a time series becomes a label (and then rows must be ascending), and rows
without any column of type time stay a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Json = dict[str, Any]

DATASOURCE_UID = "tapewatch"
DATASOURCE_TYPE = "yesoreyeram-infinity-datasource"
DATASOURCE: Json = {"type": DATASOURCE_TYPE, "uid": DATASOURCE_UID}

API = "/api/v1"
#: The range that the dashboard shows, epoch ms; these macros also honour a panel's own range.
RANGE: dict[str, str] = {"from": "${__timeFrom}", "to": "${__timeTo}"}

Format = Literal["table", "timeseries", "dataframe"]


def time(selector: str = "t", text: str = "time") -> Json:
    """A column of epoch milliseconds."""
    return {"selector": selector, "text": text, "type": "timestamp_epoch"}


def number(selector: str, text: str = "") -> Json:
    return {"selector": selector, "text": text or selector, "type": "number"}


def string(selector: str, text: str = "") -> Json:
    return {"selector": selector, "text": text or selector, "type": "string"}


def query(
    path: str,
    columns: Sequence[Json],
    params: Mapping[str, str] | None = None,
    *,
    ref: str = "A",
    fmt: Format = "table",
    root: str = "",
) -> Json:
    """One request: `path` under /api/v1, `root` the part of the answer that holds the rows (or the one object)."""
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "type": "json",
        "parser": "backend",
        "source": "url",
        "format": fmt,
        "url": API + path,
        "url_options": {
            "method": "GET",
            "data": "",
            "params": [{"key": key, "value": value} for key, value in (params or {}).items()],
        },
        "root_selector": root,
        "columns": list(columns),
        "filters": [],
    }

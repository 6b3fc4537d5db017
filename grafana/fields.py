"""How values look: units, colours, thresholds, links. Everything a panel's `fieldConfig` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana.query import Json

UP, DOWN, FLAT = "green", "red", "text"

#: (lower bound, colour); the first step has no lower bound.
Steps = Sequence[tuple[float | None, str]]

NEUTRAL: Steps = ((None, "text"),)
#: Signed numbers: red below zero, green from zero.
SIGN: Steps = ((None, DOWN), (0, UP))
#: Velocity: coloured from the default spike threshold of 0.5 %.
SPIKE: Steps = ((None, DOWN), (-0.5, FLAT), (0.5, UP))
#: Lines at the spike threshold in a colour that no series has.
SPIKE_LINES: Steps = ((None, FLAT), (-0.5, FLAT), (0.5, FLAT))
#: Change on the day in a heat map, percent.
HEAT: Steps = (
    (None, "dark-red"),
    (-2, "semi-dark-red"),
    (-0.5, "light-red"),
    (-0.05, "gray"),
    (0.05, "light-green"),
    (0.5, "semi-dark-green"),
    (2, "dark-green"),
)
#: Velocity in a heat map: grey until half the spike threshold.
HEAT_VELOCITY: Steps = (
    (None, "dark-red"),
    (-0.5, "light-red"),
    (-0.1, "gray"),
    (0.1, "light-green"),
    (0.5, "dark-green"),
)
#: Counts that should be zero, and counts without a judgement.
ZERO_IS_GOOD: Steps = ((None, "green"), (1, "red"))
ZERO_IS_QUIET: Steps = ((None, "text"), (1, "orange"))
#: Coverage of the day.
COVERAGE: Steps = ((None, "red"), (0.95, "orange"), (0.999, "green"))

SYMBOL_UID = "tapewatch-symbol"


def symbol_link(symbol: str = "${__value.raw}") -> list[Json]:
    """A link to the Symbol dashboard over the range shown."""
    return [{"title": f"Open {symbol}", "url": f"/d/{SYMBOL_UID}?var-symbol={symbol}&${{__url_time_range}}"}]


def moment_link(symbol: str) -> list[Json]:
    """A link of a time to the Symbol dashboard, ten minutes around it."""
    url = f"/d/{SYMBOL_UID}?var-symbol={symbol}&time=${{__value.raw}}&time.window=600000"
    return [{"title": f"Open {symbol} at that moment", "url": url}]


def thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in steps]}


def defaults(
    unit: str,
    *,
    decimals: int | None = None,
    steps: Steps = NEUTRAL,
    color: Json | None = None,
    custom: Mapping[str, Any] | None = None,
    mappings: Sequence[Json] | None = None,
    **more: Any,
) -> Json:
    """The defaults of all fields of a panel; `more` are further keys such as min, max, noValue, displayName.

    Null is shown as a dash in the text's colour. So is an answer without rows, in a stat; tables and charts say `noValue`.
    """
    out: Json = {
        "unit": unit,
        "thresholds": thresholds(steps),
        "color": color or {"mode": "thresholds"},
        "mappings": [null_as("–")] if mappings is None else list(mappings),
        "custom": dict(custom or {}),
        "noValue": "–",
        **more,
    }
    if decimals is not None:
        out["decimals"] = decimals
    return out


def fixed(color: str) -> Json:
    return {"mode": "fixed", "fixedColor": color}


def override(name: str, **properties: Any) -> Json:
    """Properties of the field that is shown as `name`; `__` in a property's name stands for a dot (`custom__width`)."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def null_as(text: str, color: str = FLAT) -> Json:
    """Words in the place of null, in a neutral colour: without it Grafana takes that of the lowest threshold, often red."""
    return {"type": "special", "options": {"match": "null", "result": {"text": text, "color": color, "index": 99}}}


def states(texts: Mapping[str, tuple[str, str]], null: str = "–") -> list[Json]:
    """Value -> (text, colour), for fields that hold a state; `null` where it is not known."""
    options = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}, null_as(null)]


DIRECTIONS = states({"up": ("▲ up", UP), "down": ("▼ down", DOWN)})
SEVERITIES = states({"info": ("info", "blue"), "warning": ("warning", "orange"), "critical": ("critical", "red")})
CONNECTION = states({"0": ("down", "red"), "1": ("live", "green")}, "no feed yet")


def hidden_where_empty() -> Json:
    """Keeps fields without a value, such as an indicator that is switched off, out of legend and tooltip."""
    return {
        "matcher": {"id": "byValue", "options": {"reducer": "allIsNull", "op": "gte", "value": 0}},
        "properties": [{"id": "custom.hideFrom", "value": {"legend": True, "tooltip": True, "viz": False}}],
    }


def colored(unit: str, decimals: int, steps: Steps) -> Json:
    """Properties of a numeric column whose text has the colour of its threshold."""
    return {
        "unit": unit,
        "decimals": decimals,
        "thresholds": thresholds(steps),
        "color": {"mode": "thresholds"},
        "custom__cellOptions": {"type": "color-text"},
    }


def symbol_column(name: str = "Symbol") -> Json:
    """A column of symbols, each a link to the Symbol dashboard."""
    return override(name, links=symbol_link(), custom__width=80)


def gauge(color: str, high: float) -> Json:
    """Properties of a column of magnitudes, drawn as bars that are full at `high`; the number stands in another column."""
    return {
        "unit": "percent",
        "decimals": 2,
        "min": 0,
        "max": high,
        "color": fixed(color),
        "custom__cellOptions": {"type": "gauge", "mode": "basic", "valueDisplayMode": "hidden"},
    }

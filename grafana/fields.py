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
#: Counts that should be zero, and counts without a judgement.
ZERO_IS_GOOD: Steps = ((None, "green"), (1, "red"))
ZERO_IS_QUIET: Steps = ((None, "text"), (1, "orange"))
#: Coverage of the day.
COVERAGE: Steps = ((None, "red"), (0.95, "orange"), (0.999, "green"))

SYMBOL_UID = "tapewatch-symbol"
SYMBOL_LINK: list[Json] = [
    {"title": "Open ${__value.raw}", "url": f"/d/{SYMBOL_UID}?var-symbol=${{__value.raw}}&${{__url_time_range}}"}
]


def thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in steps]}


def defaults(
    unit: str,
    *,
    decimals: int | None = None,
    steps: Steps = NEUTRAL,
    color: Json | None = None,
    custom: Mapping[str, Any] | None = None,
    mappings: Sequence[Json] = (),
    **more: Any,
) -> Json:
    """The defaults of all fields of a panel; `more` are further keys such as min, max, noValue, displayName."""
    out: Json = {
        "unit": unit,
        "thresholds": thresholds(steps),
        "color": color or {"mode": "thresholds"},
        "mappings": list(mappings),
        "custom": dict(custom or {}),
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


def states(texts: Mapping[str, tuple[str, str]]) -> Json:
    """Value -> (text, colour), for fields that hold a state."""
    options = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(texts.items())
    }
    return {"type": "value", "options": options}


DIRECTIONS = states({"up": ("▲ up", UP), "down": ("▼ down", DOWN)})
SEVERITIES = states({"info": ("info", "blue"), "warning": ("warning", "orange"), "critical": ("critical", "red")})
CONNECTION = states({"0": ("down", "red"), "1": ("connected", "green")})


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
    return override(name, links=SYMBOL_LINK, custom__width=100)

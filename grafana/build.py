"""Writes the dashboards as JSON into dist/, where Grafana reads them; `differences` checks that they are current."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from grafana import feed_health, market_overview, moving_averages, symbol, velocity_alerts
from grafana.query import Json

HERE = Path(__file__).resolve().parent
DIST = HERE / "dist"

#: File name -> the function that builds it.
DASHBOARDS: dict[str, Callable[[], Json]] = {
    "market-overview.json": market_overview.build,
    "symbol.json": symbol.build,
    "velocity-alerts.json": velocity_alerts.build,
    "moving-averages.json": moving_averages.build,
    "feed-health.json": feed_health.build,
}


def render() -> dict[str, str]:
    """Returns file name -> JSON text of every dashboard."""
    return {name: json.dumps(build(), indent=1, ensure_ascii=False) + "\n" for name, build in DASHBOARDS.items()}


def write(folder: Path = DIST) -> list[Path]:
    """Writes every dashboard, removes JSON files that belong to none, and returns the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = render()
    for stray in folder.glob("*.json"):
        if stray.name not in texts:
            stray.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def differences(folder: Path = DIST) -> list[str]:
    """Returns the names of files that `write` would change, add or remove."""
    texts = render()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in texts.keys() | there.keys() if texts.get(name) != there.get(name))

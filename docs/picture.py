"""Draws docs/candles.svg, the README's picture, from the answers of a running bridge:

make run                                              # in one terminal
.venv/bin/python docs/picture.py http://127.0.0.1:8080 > docs/candles.svg
"""

from __future__ import annotations

import json
import sys
import urllib.request
from datetime import UTC, datetime
from typing import Any

WIDTH, HEIGHT, TOP, LEFT, RIGHT, VOLUME = 1200, 520, 64, 16, 74, 90
UP, DOWN, INK, GRID, PAPER = "#2fa46c", "#d9534f", "#c9d1d9", "#22303c", "#0f1720"


def ask(base: str, path: str) -> Any:
    with urllib.request.urlopen(base + path, timeout=10) as reply:
        return json.load(reply)


def picture(base: str) -> str:
    """An SVG: the last hour of minute candles of the symbol with the newest alert, averages, volume, its alerts."""
    alerts = ask(base, "/api/v1/alerts?limit=40")
    newest = alerts[-12] if len(alerts) > 12 else alerts[-1]
    symbol = newest["symbol"]
    rows = ask(base, f"/api/v1/indicators?symbol={symbol}&timeframe=1m&names=sma:20,ema:9&limit=75")
    mine = ask(base, f"/api/v1/alerts?symbol={symbol}&from={rows[0]['t']}&limit=50")
    stats = ask(base, "/api/v1/stats")
    return "\n".join([*frame(symbol, rows, stats), *candles(rows), *averages(rows), *marks(rows, mine), "</svg>"])


def scales(rows: list[dict[str, Any]]) -> tuple[Any, Any, Any, float]:
    low, high = min(r["l"] for r in rows), max(r["h"] for r in rows)
    pad = (high - low) * 0.08
    step = (WIDTH - LEFT - RIGHT) / len(rows)
    floor = HEIGHT - VOLUME - 34
    most = max(r["v"] for r in rows)

    def x(i: float) -> float:
        return LEFT + (i + 0.5) * step

    def y(price: float) -> float:
        return TOP + (high + pad - price) / (high - low + 2 * pad) * (floor - TOP)

    def bar(volume: float) -> float:
        return float(volume / most * (VOLUME - 10))

    return x, y, bar, step


def frame(symbol: str, rows: list[dict[str, Any]], stats: dict[str, Any]) -> list[str]:
    _, y, _, _ = scales(rows)
    last = rows[-1]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="system-ui, sans-serif" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}" rx="8"/>',
        f'<text x="{LEFT}" y="30" font-size="20" font-weight="600">{symbol} {last["c"]:.2f}</text>',
        f'<text x="{LEFT}" y="50" font-size="13" fill="#8b98a5">1 minute, SMA 20 (orange), EMA 9 (blue), '
        "velocity alerts (marks); "
        f"{stats['active_symbols']:.0f} symbols active, {stats['bars_per_second']:.0f} bars/s, "
        f"{stats['alerts']:.0f} alerts; simulated market</text>",
    ]
    low, high = min(r["l"] for r in rows), max(r["h"] for r in rows)
    for k in range(5):
        price = low + (high - low) * k / 4
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(price):.1f}" y2="{y(price):.1f}" stroke="{GRID}"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 8}" y="{y(price) + 4:.1f}" font-size="12">{price:.2f}</text>')
    return out


def candles(rows: list[dict[str, Any]]) -> list[str]:
    x, y, bar, step = scales(rows)
    out = []
    for i, r in enumerate(rows):
        colour = UP if r["c"] >= r["o"] else DOWN
        top, height = y(max(r["o"], r["c"])), max(1.0, abs(y(r["o"]) - y(r["c"])))
        out.append(
            f'<line x1="{x(i):.1f}" x2="{x(i):.1f}" y1="{y(r["h"]):.1f}" y2="{y(r["l"]):.1f}" stroke="{colour}"/>'
        )
        out.append(
            f'<rect x="{x(i) - step * 0.35:.1f}" y="{top:.1f}" width="{step * 0.7:.1f}" height="{height:.1f}" fill="{colour}"/>'
        )
        tall = bar(r["v"])
        out.append(
            f'<rect x="{x(i) - step * 0.35:.1f}" y="{HEIGHT - 28 - tall:.1f}" width="{step * 0.7:.1f}" height="{tall:.1f}" '
            f'fill="{colour}" opacity="0.45"/>'
        )
        if i % 10 == 0:
            at = datetime.fromtimestamp(r["t"] / 1000, UTC).strftime("%H:%M")
            out.append(f'<text x="{x(i):.1f}" y="{HEIGHT - 10}" font-size="12" text-anchor="middle">{at}</text>')
    return out


def averages(rows: list[dict[str, Any]]) -> list[str]:
    x, y, _, _ = scales(rows)
    out = []
    for name, colour in (("sma_20", "#f0a13a"), ("ema_9", "#5aa9e6")):
        points = " ".join(f"{x(i):.1f},{y(r[name]):.1f}" for i, r in enumerate(rows) if r[name] is not None)
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
    return out


def marks(rows: list[dict[str, Any]], alerts: list[dict[str, Any]]) -> list[str]:
    x, _, _, _ = scales(rows)
    out = []
    for alert in alerts:
        at = x((alert["t"] - rows[0]["t"]) / 60_000 - 0.5) if rows[0]["t"] <= alert["t"] else None
        if at is None or at > WIDTH - RIGHT:
            continue
        up = alert["direction"] == "up"
        sign = "▲" if up else "▼"
        colour = UP if up else DOWN
        out.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - 28}" stroke="{colour}" stroke-dasharray="3 4"/>'
        )
        text = f"{sign} {alert['magnitude']:.2f} %"
        out.append(f'<text x="{at + 5:.1f}" y="{TOP + 12}" font-size="12" fill="{colour}">{text}</text>')
    return out


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: picture.py http://127.0.0.1:8080 > docs/candles.svg")
    print(picture(sys.argv[1].rstrip("/")))

"""Feed health: connection, rates, latency, completeness of the day, memory."""

from __future__ import annotations

from grafana import fields, panels, tables
from grafana.dashboard import Row, dashboard, gap_annotations
from grafana.query import RANGE, Json, number, query

UID = "tapewatch-feed"

_LAG_STEPS = ((None, "green"), (2_000, "orange"), (10_000, "red"))
_COUNTERS = {"restated": "Restated", "rejected": "Rejected", "duplicates": "Duplicates", "late_prints": "Late prints"}
_LOST = {
    "frames_dropped": "Shed",
    "spool_corrupt": "Damaged",
    "bars_refused": "Bars",
    "late_refused": "Late",
}
#: In the order in which a bar passes them.
_STAGES = {
    "stage_spool_ms": "Spool",
    "stage_decode_ms": "Decode",
    "stage_tape_ms": "Tape",
    "stage_velocity_ms": "Velocity",
    "stage_store_ms": "Store",
}
_END_TO_END = {"stage_total_ms": "Frame to store", "stage_alert_ms": "Spike to alert"}


def build() -> Json:
    return dashboard(
        UID,
        "Feed health",
        "Connection, rates, latency, completeness of the day, memory.",
        [_now(), _completeness(), _flow(), _stages(), _rest(), _cost(), _disk()],
        since="now-15m",
        annotations=[gap_annotations()],
    )


def _now() -> Row:
    flow = panels.stat(
        "Flow",
        "Bars that Redis acknowledged and events received in the last second.",
        [tables.stats({"bars_per_second": "Bars per second", "events_per_second": "Events per second"})],
        fields.defaults("short", decimals=0, steps=((None, "red"), (0.1, "green"))),
    )
    lag = panels.stat(
        "Lag",
        "Time from the end of a bar's second until the bar is stored.",
        [tables.stats({"lag_ms": "Lag"})],
        fields.defaults("ms", decimals=0, steps=_LAG_STEPS),
    )
    symbols = panels.stat(
        "Symbols",
        "Symbols with a bar in the last minute, and all symbols seen so far.",
        [tables.stats({"active_symbols": "Active", "symbols": "Seen"})],
        fields.defaults("locale", decimals=0),
    )
    memory = panels.stat(
        "Redis memory",
        "Memory that Redis uses.",
        [tables.stats({"redis_memory_bytes": "Redis"})],
        fields.defaults("bytes", decimals=1),
    )
    return 4, [(4, tables.feed()), (7, flow), (3, lag), (6, symbols), (4, memory)]


def _completeness() -> Row:
    coverage_columns = {
        "fraction": "Coverage",
        "live_minutes": "Live",
        "repaired_minutes": "Repaired",
        "missing_minutes": "Missing",
    }
    minutes = {"unit": "short", "decimals": 1}
    coverage = panels.stat(
        "Coverage of the day",
        "Share of the day's symbol-minutes that arrived live or were repaired, and the number of each: live, repaired, missing.",
        [query("/gaps", [number(name, text) for name, text in coverage_columns.items()], RANGE, root="coverage")],
        fields.defaults("percentunit", decimals=2, steps=fields.COVERAGE),
        overrides=[
            fields.override("Live", **minutes, thresholds=fields.thresholds(fields.NEUTRAL)),
            fields.override("Repaired", **minutes, thresholds=fields.thresholds(fields.NEUTRAL)),
            fields.override("Missing", **minutes, thresholds=fields.thresholds(fields.ZERO_IS_QUIET)),
        ],
    )
    gaps = panels.stat(
        "Gaps and reconnects",
        "Open and repaired gaps, and reconnects since ingest was started.",
        [tables.stats({"gaps_open": "Open gaps", "gaps_repaired": "Repaired", "reconnects": "Reconnects"})],
        fields.defaults("locale", decimals=0, steps=fields.ZERO_IS_QUIET),
        overrides=[fields.override("Repaired", thresholds=fields.thresholds(fields.NEUTRAL))],
    )
    aside = panels.stat(
        "Restated and set aside",
        "Since ingest was started: bars restated by the vendor, events rejected, duplicated, or more than a minute late.",
        [tables.stats(_COUNTERS)],
        fields.defaults("locale", decimals=0),
        overrides=[fields.override("Rejected", thresholds=fields.thresholds(fields.ZERO_IS_QUIET))],
    )
    return 4, [(8, coverage), (7, gaps), (9, aside)]


def _flow() -> Row:
    flow = panels.timeseries(
        "Bars and events per second",
        "What arrived in each second.",
        [tables.stats_series({"bars_per_second": "Bars per second", "events_per_second": "Events per second"})],
        fields.defaults("short", color={"mode": "palette-classic"}, custom=panels.lines(fillOpacity=10), min=0),
        calcs=["lastNotNull", "mean", "max"],
    )
    lag = panels.timeseries(
        "Lag over time",
        "Time from the end of a bar's second until the bar is stored. Dashed lines: 2 s and 10 s.",
        [tables.stats_series({"lag_ms": "Lag"})],
        fields.defaults(
            "ms",
            steps=_LAG_STEPS,
            color=fields.fixed("blue"),
            custom=panels.lines(thresholdsStyle={"mode": "dashed"}, fillOpacity=10),
            min=0,
        ),
        calcs=["lastNotNull", "mean", "max"],
    )
    return 9, [(12, flow), (12, lag)]


def _stages() -> Row:
    def one(title: str, description: str, names: dict[str, str], *overrides: Json) -> Json:
        # Some stages take microseconds, others milliseconds.
        look = panels.lines(scaleDistribution={"type": "log", "log": 10})
        return panels.timeseries(
            title,
            description,
            [tables.stats_series(names)],
            fields.defaults("ms", color={"mode": "palette-classic"}, custom=look),
            overrides=overrides,
            calcs=["lastNotNull", "mean", "max"],
        )

    stages = one(
        "Latency of each stage",
        "p99 of each second: a frame in spool and decoder; a batch in the market state, the velocity detector, and from the "
        "writer's queue to Redis's acknowledgement.",
        _STAGES,
    )
    ways = one(
        "Latency from end to end",
        "p99 of each second: from receiving a frame until all its bars are stored, and from detecting a spike until its "
        "alert is published.",
        _END_TO_END,
        # Points, because samples lie seconds apart and a line would not be visible.
        fields.override("Spike to alert", custom__drawStyle="points", custom__showPoints="always", custom__pointSize=6),
    )
    return 9, [(14, stages), (10, ways)]


def _rest() -> Row:
    active = panels.timeseries(
        "Active symbols over time",
        "Symbols with a bar in the last minute, and all symbols seen so far.",
        [tables.stats_series({"active_symbols": "Active", "symbols": "Seen"})],
        fields.defaults("locale", decimals=0, color={"mode": "palette-classic"}, custom=panels.lines(), min=0),
    )
    counters = panels.timeseries(
        "Restated and set aside over time",
        "Counters since ingest was started; a steep rise is a sign of trouble.",
        [tables.stats_series(_COUNTERS)],
        fields.defaults("locale", decimals=0, color={"mode": "palette-classic"}, custom=panels.lines(), min=0),
    )
    complete = panels.timeseries(
        "Coverage over time",
        "Share of the day's symbol-minutes that arrived live or were repaired: it falls with a gap and rises with its "
        "repair.",
        [tables.stats_series({"coverage": "Coverage"})],
        fields.defaults(
            "percentunit",
            decimals=3,
            color=fields.fixed("green"),
            custom=panels.lines(fillOpacity=10, axisSoftMin=0.99),
            max=1,
        ),
        calcs=["lastNotNull", "min"],
    )
    return 8, [(8, active), (8, counters), (8, complete)]


def _cost() -> Row:
    def one(title: str, description: str, name: str, unit: str, color: str) -> Json:
        look = fields.defaults(unit, color=fields.fixed(color), custom=panels.lines(fillOpacity=10), min=0)
        return panels.timeseries(title, description, [tables.stats_series({name: title})], look)

    memory = one("Redis memory over time", "Memory that Redis uses.", "redis_memory_bytes", "bytes", "purple")
    buffered = one(
        "Buffered bytes",
        "Frames that were received and wait to be processed: near zero while ingest keeps up.",
        "buffered_bytes",
        "bytes",
        "orange",
    )
    minutes = panels.stat(
        "Minute bars",
        "Since ingest was started: minutes filled from minute bars, and minute bars that differ from the second bars.",
        [tables.stats({"minute_bars_filled": "Filled", "minute_bars_differ": "Different"})],
        fields.defaults("locale", decimals=0),
    )
    return 8, [(9, memory), (9, buffered), (6, minutes)]


def _disk() -> Row:
    sizes = panels.timeseries(
        "Disk",
        "Redis's append-only file, the spool, and the free space on the spool's disk. The file is rewritten before the free "
        "space falls below what two rewrites need.",
        [
            tables.stats_series(
                {"redis_aof_bytes": "Append-only file", "spool_bytes": "Spool", "disk_free_bytes": "Free"}
            )
        ],
        fields.defaults("bytes", decimals=1, color={"mode": "palette-classic"}, custom=panels.lines(), min=0),
    )
    waiting = panels.timeseries(
        "Backlog",
        "Spooled records that wait for the worker, and bars that wait for Redis's acknowledgement: they rise while Redis is "
        "unreachable or its file is rewritten, and fall to zero afterwards.",
        [tables.stats_series({"spool_waiting": "Records", "waiting_bars": "Bars"})],
        fields.defaults("locale", decimals=0, color={"mode": "palette-classic"}, custom=panels.lines(), min=0),
    )
    lost = panels.stat(
        "Shed, damaged, refused",
        "Since ingest was started: frames shed, damaged records of the spool, bars and late data that Redis refused.",
        [tables.stats(_LOST)],
        fields.defaults("locale", decimals=0, steps=fields.ZERO_IS_QUIET),
    )
    return 8, [(9, sizes), (9, waiting), (6, lost)]

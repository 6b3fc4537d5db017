"""The one table of statistics, and of the Prometheus metrics that carry labels.

A statistic is a number that `ingest` stores once a second as the time series `ts:stats:<name>`. `/stats`, its OpenAPI schema,
`/metrics`, the dashboards and the operator's guide take names, units and help from here. A metric with labels has no time
series: it exists on `/metrics` alone. To add one, add its row here and its value where it is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]
Unit = Literal["", "ms", "bytes", "ratio", "per second"]

#: The prefix of every metric.
PREFIX = "tapewatch_"
RETENTION_MS = 7 * 86_400_000


@dataclass(frozen=True)
class Statistic:
    """`kind`: a gauge is the value now, a counter counts since ingest started. `exported`: whether `/metrics` has it under
    `metric_name`; False where a metric with labels or a histogram replaces it."""

    help: str
    kind: Kind = "gauge"
    unit: Unit = ""
    exported: bool = True

    @property
    def description(self) -> str:
        """Help, kind and unit in one phrase, as the API's description shows it."""
        since = ", since ingest started" if self.kind == "counter" else ""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.help}{since}{unit}"


@dataclass(frozen=True)
class Metric:
    """A metric with labels; a counter's name here is without `_total`, which the exposition adds."""

    help: str
    kind: Kind
    labels: tuple[str, ...]


def _count(text: str, *, exported: bool = True) -> Statistic:
    return Statistic(text, "counter", exported=exported)


def _p99(text: str) -> Statistic:
    return Statistic(f"99th percentile of the last second: {text}", unit="ms", exported=False)


STATISTICS: dict[str, Statistic] = {
    # the market
    "symbols": Statistic("symbols seen"),
    "active_symbols": Statistic("symbols with a bar in the last minute"),
    "advancing": Statistic("symbols above the previous close"),
    "declining": Statistic("symbols below the previous close"),
    "unchanged": Statistic("symbols at the previous close"),
    "halted": Statistic("symbols whose trading is halted"),
    "alerts": _count("alerts raised"),
    # the flow
    "connected": Statistic("1 while the feed is connected, else 0"),
    "reconnects": _count("connections to the feed after the first"),
    "events_per_second": Statistic("events received in the last second", unit="per second", exported=False),
    "bars_per_second": Statistic("bars that Redis acknowledged in the last second", unit="per second", exported=False),
    "bars_stored": _count("bars that Redis acknowledged"),
    "lag_ms": Statistic("from the end of a bar's second to Redis's acknowledgement, newest batch", unit="ms"),
    # what was not taken as it came
    "restated": _count("bars that replaced an earlier version"),
    "rejected": _count("bars rejected because their time is too old or in the future"),
    "set_aside": _count("events that could not be used", exported=False),
    "duplicates": _count("trades received before"),
    "late_prints": _count("trades that came more than a minute late"),
    "clock_behind_ms": Statistic(
        "this machine's clock behind the feed's, while bars are rejected for it; else 0", unit="ms"
    ),
    "unknown_conditions": _count("trades with a sale condition that the table does not know"),
    "bars_refused": _count(
        "bars that were not stored: older than the retention, a key of another type, or of more symbols than the most"
    ),
    "late_refused": _count(
        "late trades and late minute bars that were not stored: too old, known, or refused by Redis"
    ),
    "alerts_refused": _count("alerts that Redis refused"),
    "minute_bars_filled": _count("minutes filled from a minute bar"),
    "minute_bars_differ": _count("minute bars that differ from their second bars"),
    # completeness
    "gaps_open": Statistic("gaps that are not repaired yet"),
    "gaps_repaired": Statistic("gaps that were repaired"),
    "bars_repaired": _count("bars that repairs brought back"),
    "coverage": Statistic("symbol-minutes of the day that came live or were repaired, of all; 0 to 1", unit="ratio"),
    "rest_requests": _count("requests to the vendor's REST API"),
    "rest_retries": _count("requests to the vendor's REST API that were tried again"),
    "rest_set_aside": _count("rows of the vendor's REST API that could not be used"),
    # what waits
    "buffered_bytes": Statistic("frames in memory that wait for the worker", unit="bytes"),
    "waiting_bars": Statistic("bars that wait for Redis's acknowledgement"),
    "waiting_ms": Statistic("age of the oldest frame that waits for the worker or for Redis", unit="ms"),
    "frames_dropped": _count("frames shed because spool or disk were full; each is in a gap"),
    "spool_bytes": Statistic("size of the spool on disk", unit="bytes"),
    "spool_waiting": Statistic("spooled records that wait for the worker"),
    "spool_corrupt": _count("spooled records with a wrong checksum; each is a gap"),
    # Redis
    "redis_memory_bytes": Statistic("memory that Redis uses (used_memory)", unit="bytes"),
    "redis_aof_bytes": Statistic("size of Redis's append-only file, 0 without one", unit="bytes"),
    "disk_free_bytes": Statistic("free space on the disk of the spool", unit="bytes"),
    # the stages, in the order in which a bar meets them
    "stage_spool_ms": _p99("a frame appended to the spool"),
    "stage_decode_ms": _p99("a frame decoded and checked"),
    "stage_tape_ms": _p99("a batch of bars accepted"),
    "stage_velocity_ms": _p99("a batch examined by the velocity detector"),
    "stage_store_ms": _p99("a batch queued to Redis's acknowledgement"),
    "stage_alert_ms": _p99("a spike detected to its alert published"),
    "stage_total_ms": _p99("a frame received to all its bars acknowledged"),
}

METRICS: dict[str, Metric] = {
    "build_info": Metric("1; the labels name the version of tapewatch and of Python", "gauge", ("version", "python")),
    "frames": Metric("frames decoded", "counter", ()),
    "events": Metric("events decoded", "counter", ("kind",)),
    "events_set_aside": Metric("events that could not be used", "counter", ("reason",)),
    "stage_seconds": Metric("duration of a stage between frame and store", "histogram", ("stage",)),
    "http_requests": Metric("HTTP requests answered", "counter", ("path", "status")),
    "http_request_seconds": Metric("time from an HTTP request to its answer", "histogram", ("path",)),
}

#: Suffix that replaces a statistic's own in the metric's name, and the factor to the base unit.
_BASE = {"ms": ("_ms", "_seconds", 1e-3), "ratio": ("", "_ratio", 1.0)}


def metric_name(name: str) -> str | None:
    """The name of a statistic on `/metrics`, in base units, with `_total` for a counter; None where it has none."""
    statistic = STATISTICS[name]
    if not statistic.exported:
        return None
    old, new, _ = _BASE.get(statistic.unit, ("", "", 1.0))
    return PREFIX + name.removesuffix(old) + new + ("_total" if statistic.kind == "counter" else "")


def in_base_unit(name: str, value: float) -> float:
    """The value of a statistic in the unit of its metric: seconds for milliseconds."""
    return value * _BASE.get(STATISTICS[name].unit, ("", "", 1.0))[2]


def sample_names() -> set[str]:
    """Every sample name that tapewatch exports on `/metrics`; those of the client library (`process_…`) are not ours."""
    names = {found for name in STATISTICS if (found := metric_name(name))}
    for name, metric in METRICS.items():
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(metric.kind, ("",))
        names |= {f"{PREFIX}{name}{end}" for end in ends}
    return names


def check_names(values: Mapping[str, float]) -> None:
    """Raises ValueError for a name that the table does not have: it could be neither asked for nor explained."""
    unknown = sorted(values.keys() - STATISTICS.keys())
    if unknown:
        raise ValueError(f"not in redis_functions/contract/statistics.py: {', '.join(unknown)}; add a row for each")

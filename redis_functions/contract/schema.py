"""The time series of a symbol and the rules between them: creating (idempotent) and bringing up to the settings.

Every level hangs on the 1s series, because rules cannot be chained. A late sample recomputes its whole bucket from the 1s
samples that are left, so it must not be older than the 1s retention less the largest bucket: see `Retention.lateness_ms`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from market.timeframes import STORED
from redis_functions.contract import keys

DAY_MS = 86_400_000

#: Fields of a bar in the store, in the order of Bar's o h l c v n, each with the aggregator of its compaction rules.
FIELDS: dict[str, str] = {
    "open": "first",
    "high": "max",
    "low": "min",
    "close": "last",
    "volume": "sum",
    "notional": "sum",
}

#: A minute bar that fills a minute without second bars is kept in the 1s series this many ms after the minute's start.
#: So the rules roll it up like any second, and a reader of second bars can distinguish it: their times are whole seconds.
MINUTE_MARK_MS = 1

Command = tuple[str | int, ...]


@dataclass(frozen=True)
class Schema:
    """How long each level is kept (ms), chunk sizes (bytes), and whether series carry labels."""

    retention_ms: dict[str, int] = field(
        default_factory=lambda: {"1s": 2 * 3_600_000, "1m": 7 * DAY_MS, "5m": 30 * DAY_MS, "1h": 365 * DAY_MS}
    )
    chunk_1s: int = 384
    chunk_rolled: int = 192
    labels: bool = True

    @property
    def lateness_ms(self) -> int:
        """How far behind a symbol's newest second a bar may come without harm to its larger candles."""
        return self.retention_ms["1s"] - max(STORED.values())


def create_commands(symbol: str, schema: Schema) -> list[Command]:
    """TS.CREATE and TS.CREATERULE for all series of `symbol`. Sent again they only answer errors of the kind EXISTS."""
    commands: list[Command] = []
    for name, aggregator in FIELDS.items():
        for timeframe in STORED:
            chunk = schema.chunk_1s if timeframe == "1s" else schema.chunk_rolled
            create: Command = (
                "TS.CREATE", keys.series(symbol, timeframe, name),
                "RETENTION", schema.retention_ms[timeframe],
                "CHUNK_SIZE", chunk,
                "DUPLICATE_POLICY", "LAST",
            )  # fmt: skip
            if schema.labels:
                create += ("LABELS", "symbol", symbol, "field", name, "timeframe", timeframe)
            commands.append(create)
        for timeframe, bucket in STORED.items():
            if timeframe != "1s":
                source, target = keys.series(symbol, "1s", name), keys.series(symbol, timeframe, name)
                commands.append(("TS.CREATERULE", source, target, "AGGREGATION", aggregator, bucket))
    return commands


def alter_commands(symbol: str, schema: Schema) -> list[Command]:
    """TS.ALTER for all series of `symbol`: retention, chunk size (of new chunks) and labels as the settings have them."""
    commands: list[Command] = []
    for name in FIELDS:
        for timeframe in STORED:
            labels: Command = ("symbol", symbol, "field", name, "timeframe", timeframe) if schema.labels else ()
            chunk = schema.chunk_1s if timeframe == "1s" else schema.chunk_rolled
            commands.append((
                "TS.ALTER", keys.series(symbol, timeframe, name),
                "RETENTION", schema.retention_ms[timeframe],
                "CHUNK_SIZE", chunk,
                "LABELS", *labels,
            ))  # fmt: skip
    return commands

"""The market as a whole: symbols, movers, statistics."""

from __future__ import annotations

from typing import Any

from market.price import SCALE
from redis_functions.contract.statistics import STATISTICS
from redis_functions.read.candles import CLOSE
from redis_functions.read.market import read_movers, read_symbols
from redis_functions.read.reader import read_candles
from redis_functions.read.statistics import read_newest_stats, read_stats
from rest_bridge import parameters as p
from rest_bridge import schemas
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.errors import bad_request
from rest_bridge.rows import Row, numbers_or_null

MAX_SYMBOLS = 20_000
MAX_MOVERS = 50
MAX_STATS_ROWS = 5_000
MAX_STEP_S = 86_400
#: Candles of each mover in /movers/candles: a sparkline is not wider.
SPARKLINE_ROWS = 240

_COLUMNS = ("symbol", "last", "velocity", "change", "volume", "t")


def symbols(context: Context, q: p.Query) -> Any:
    names = read_symbols(context.redis)
    if q["q"]:
        wanted = q["q"].lower()
        names = [name for name in names if wanted in name.lower()]
        # Sorting is stable: exact, then beginning with it, then the rest, each in alphabetical order.
        names.sort(key=lambda name: (name.lower() != wanted, not name.lower().startswith(wanted)))
    return [{"symbol": name} for name in names[: q["limit"]]]


def movers(context: Context, q: p.Query) -> Any:
    return _movers(context, q)


def movers_candles(context: Context, q: p.Query) -> Any:
    names = [row["symbol"] for row in _movers(context, q)]
    if not names:
        return []
    found = read_candles(context.redis, names, q["timeframe"], q["from"], q["to"], SPARKLINE_ROWS)
    rows = [
        {"t": t, "symbol": name, "c": c}
        for name, part in zip(names, found, strict=True)
        for t, c in zip(part.t.tolist(), (part.fields[CLOSE] / SCALE).tolist(), strict=True)
    ]
    rows.sort(key=lambda row: row["t"])
    return rows


def _movers(context: Context, q: p.Query) -> list[Row]:
    by = q["by"]
    if q["order"] == "asc":
        if by == "volume":
            raise bad_request("by=volume is only answered with order=desc", "bad_parameter")
        by += "_down"
    ranked = read_movers(context.redis).get(by) or []
    return [{name: row.get(name) for name in _COLUMNS} for row in ranked[: q["limit"]]]


def stats(context: Context, q: p.Query) -> Any:
    newest, values = read_newest_stats(context.redis)
    return {"t": newest, **{name: None if v is None else int(v) if v.is_integer() else v for name, v in values.items()}}


def stats_series(context: Context, q: p.Query) -> Any:
    names: list[str] = q["names"]
    t, values = read_stats(context.redis, names, q["from"], q["to"], q["limit"], _step_s(q) * 1000)
    columns = zip(t.tolist(), *(numbers_or_null(column) for column in values), strict=True)
    return [dict(zip(("t", *names), row, strict=True)) for row in columns]


def _step_s(q: p.Query) -> int:
    """The span of each mean in seconds; 0 where every sample is wanted, or there are no more samples than points."""
    if q["step"] or q["points"] is None:
        return int(q["step"])
    step = -(-(q["to"] - q["from"]) // (q["points"] * 1000))
    return 0 if step <= 1 else min(step, MAX_STEP_S)


def _read_stats_names(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in STATISTICS:
            raise ValueError(f"{p.shown(name)} is not a statistic; known are {', '.join(STATISTICS)}")
    return names


_NULLABLE = schemas.NUMBER_OR_NULL
_MOVER = schemas.record(
    {
        "symbol": schemas.TEXT,
        "last": {**_NULLABLE, "description": "price of the last bar"},
        "velocity": {**_NULLABLE, "description": "percent over the detector's window"},
        "change": {**_NULLABLE, "description": "percent on the day"},
        "volume": {**_NULLABLE, "description": "volume of the day"},
        "t": {"type": ["integer", "null"], "description": "start of the last bar, epoch milliseconds UTC"},
    }
)
_BY = p.choice("by", "Ranked by this.", ("velocity", "change", "volume"), "velocity")
_ORDER = p.choice(
    "order", "`desc`: the highest first; `asc`: the lowest first (not by volume).", ("desc", "asc"), "desc"
)
_MOVERS_LIMIT = p.limit(10, MAX_MOVERS, "So many symbols.")
_STEP_SCHEMA = {"type": "integer", "minimum": 0, "maximum": MAX_STEP_S, "default": 0}
_STEP = p.Parameter(
    "step", "Means over spans of so many seconds; 0: every sample.", p.integer(0, MAX_STEP_S), _STEP_SCHEMA, 0
)
_POINTS = p.Parameter(
    "points",
    "Means over spans such that `from`..`to` has about so many; needs both, and no `step`.",
    p.integer(1, MAX_STATS_ROWS),
    {"type": "integer", "minimum": 1, "maximum": MAX_STATS_ROWS},
)

ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/symbols",
        symbols,
        "Symbols seen so far",
        schemas.rows(schemas.record({"symbol": schemas.TEXT})),
        (
            p.Parameter("q", "Only symbols that contain this, in any case: the best match first.", p.read_word),
            p.limit(MAX_SYMBOLS, MAX_SYMBOLS, "At most so many."),
        ),
    ),
    Endpoint(
        f"{PREFIX}/movers",
        movers,
        "The symbols that move most",
        schemas.rows(_MOVER),
        (_BY, _ORDER, _MOVERS_LIMIT),
        "From a snapshot that is taken once a second. Best first.",
    ),
    Endpoint(
        f"{PREFIX}/movers/candles",
        movers_candles,
        "Closes of the symbols that move most",
        schemas.rows(schemas.record({"t": schemas.TIME, "symbol": schemas.TEXT, "c": schemas.NUMBER})),
        (_BY, _ORDER, _MOVERS_LIMIT, p.timeframe(), *p.span()),
        f"For sparklines: rows of all of them, ascending; the newest {SPARKLINE_ROWS} candles of each.",
    ),
    Endpoint(
        f"{PREFIX}/stats",
        stats,
        "The newest of each statistic",
        schemas.record(
            {
                "t": {"type": ["integer", "null"], "description": "time of the newest sample, epoch milliseconds UTC"},
                **{name: {**_NULLABLE, "description": one.description} for name, one in STATISTICS.items()},
            }
        ),
        description="null where there is no sample yet.",
        tag="operations",
    ),
    Endpoint(
        f"{PREFIX}/stats/series",
        stats_series,
        "The course of statistics",
        schemas.rows(schemas.record({"t": schemas.TIME}, more=_NULLABLE)),
        (
            p.Parameter(
                "names", "Comma list of the names of `/stats`.", _read_stats_names, required=True, example="lag_ms"
            ),
            *p.span(),
            p.limit(MAX_STATS_ROWS, MAX_STATS_ROWS),
            _STEP,
            _POINTS,
        ),
        "Rows of `t` and one member for each name, ascending.",
        tag="operations",
    ),
)

"""The vendor's REST paths that tapewatch calls, answered from the simulated market. Any key is accepted, or none.

`answer` is pure: path and query in, status and JSON body out; `serve` puts it on a port of the loopback.
"""

from __future__ import annotations

import http.server
import logging
import threading
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson

from market.conditions import ConditionTable
from market.sessions import NEW_YORK, day_of, trading_day
from simulator.history import KEPT_S, SPAN_S, History
from simulator.market import Market, now_s

log = logging.getLogger("tapewatch.simulate")

_DEFAULT_LIMIT, _MOST = 5_000, 50_000
Body = dict[str, Any]


class BadRequest(Exception):
    """A request that cannot be answered: the HTTP status and the vendor's wording."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Rest:
    """Answers requests about one market. `origin` is what `next_url` begins with."""

    def __init__(self, market: Market) -> None:
        self.history = History(market)
        self.market = market

    def answer(self, target: str, origin: str) -> tuple[int, Body]:
        """(HTTP status, JSON body) of a GET of `target`, a path with its query."""
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            return 200, self._route(url.path.strip("/").split("/"), query, origin)
        except BadRequest as error:
            body = {"status": "NOT_FOUND" if error.status == 404 else "ERROR", "request_id": _request_id()}
            return error.status, body | {"error": str(error)}

    def _route(self, words: list[str], query: dict[str, str], origin: str) -> Body:
        match words:
            case ["v2", "aggs", "ticker", symbol, "range", multiplier, span, start, end]:
                return self._range(symbol, multiplier, span, (start, end), query, origin)
            case ["v2", "aggs", "ticker", symbol, "prev"]:
                yesterday = day_of(now_s() * 1000).date - timedelta(days=1)
                row = self.history.day(symbol, yesterday) if symbol in self.market.index else None
                return _aggregates([{"T": symbol} | row] if row else [], query) | {"ticker": symbol}
            case ["v2", "aggs", "grouped", "locale", "us", "market", "stocks", day]:
                return _aggregates(self.history.grouped(_date(day)), query)
            case ["v3", "reference", "conditions"]:
                rows = _conditions()
                return {"status": "OK", "request_id": _request_id(), "count": len(rows), "results": rows}
            case ["v3", "reference", "splits"]:  # the simulated market splits no share
                return {"status": "OK", "request_id": _request_id(), "results": []}
            case ["v1", "marketstatus", "now"]:
                return _open_market()
        raise BadRequest(404, "this simulator does not have that path")

    def _range(
        self, symbol: str, multiplier: str, span: str, ends: tuple[str, str], query: dict[str, str], origin: str
    ) -> Body:
        step = _whole(multiplier, "multiplier", 1, 10_000)
        start, end = _instant(ends[0], "from", False), _instant(ends[1], "to", True)
        if end < start:
            raise BadRequest(400, "The 'to' time cannot be before the 'from' time.")
        limit = _whole(query.get("limit", str(_DEFAULT_LIMIT)), "limit", 1, _MOST)
        newest_first = _sort(query) == "desc"
        rows: list[Body] = []
        rest: tuple[int, int] | None = None
        if span not in SPAN_S and (step, span) != (1, "day"):
            raise BadRequest(400, f"This simulator has second, minute, hour and single day bars, not {step} {span}.")
        if symbol in self.market.index:  # an unknown ticker has no bars, as at the vendor
            if span == "day":
                rows, rest = self._days(symbol, start, end, limit, newest_first)
            else:
                rows, rest = self._page(symbol, step, SPAN_S[span], (start, end), limit, newest_first)
        body = _aggregates(rows, query) | {"ticker": symbol}
        if rest is not None:
            path = f"/v2/aggs/ticker/{symbol}/range/{step}/{span}/{rest[0]}/{rest[1]}"
            kept = {
                "adjusted": query.get("adjusted", "true"),
                "limit": limit,
                "sort": "desc" if newest_first else "asc",
            }
            body["next_url"] = f"{origin}{path}?{urlencode(kept)}"
        return body

    def _page(
        self, symbol: str, step: int, base: int, ends: tuple[int, int], limit: int, newest_first: bool
    ) -> tuple[list[Body], tuple[int, int] | None]:
        """One page of bars that start in start..end: `limit` counts base aggregates, as at the vendor, but no larger bar
        is torn by a page's end."""
        start, end = ends
        span = step * base * 1000
        rows, more = self.history.bars(symbol, base, -(-start // span) * span, end, max(limit, 2 * step), newest_first)
        grown = _grow(rows, span, newest_first)
        if not more:
            return grown, None
        if step > 1 and len(grown) > 1:
            grown.pop()
        last = grown[-1]["t"]
        return grown, (start, last - 1) if newest_first else (last + span, end)

    def _days(
        self, symbol: str, start: int, end: int, limit: int, newest_first: bool
    ) -> tuple[list[Body], tuple[int, int] | None]:
        day = day_of(max(start, (now_s() - KEPT_S) * 1000))
        rows = []
        while day.start <= min(end, now_s() * 1000):
            row = self.history.day(symbol, day.date) if day.start >= start else None
            if row:
                rows.append(row | {"t": day.start})
            day = trading_day(day.date + timedelta(days=1))
        if newest_first:
            rows.reverse()
        if len(rows) <= limit:
            return rows, None
        following = rows[limit]["t"]
        return rows[:limit], (start, following) if newest_first else (following, end)


def serve(market: Market, port: int, host: str = "127.0.0.1") -> http.server.ThreadingHTTPServer:
    """Answers on a thread of its own until `shutdown()`. Raises OSError where the port is not free."""
    rest = Rest(market)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes; the second must not wait for the acknowledgement of the first (40 ms).
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, body = rest.answer(self.path, f"http://{self.headers.get('Host', f'{host}:{port}')}")
            raw = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            # The request's query may carry a key.
            log.debug("REST %s", self.path.partition("?")[0])

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="rest", daemon=True).start()
    return server


def _aggregates(rows: list[Body], query: dict[str, str]) -> Body:
    """The vendor's frame around bars; without any, `results` is absent."""
    adjusted = query.get("adjusted", "true").lower() != "false"
    body: Body = {"adjusted": adjusted, "queryCount": len(rows), "resultsCount": len(rows)}
    if rows:
        body["results"] = rows
    return body | {"status": "OK", "request_id": _request_id(), "count": len(rows)}


def _grow(rows: list[Body], span: int, newest_first: bool) -> list[Body]:
    """Bars of `span` ms out of base bars, in the order given; aligned to UTC."""
    grown: list[Body] = []
    money: list[float] = []
    for row in reversed(rows) if newest_first else rows:
        t = row["t"] // span * span
        if not grown or grown[-1]["t"] != t:
            grown.append(row | {"t": t})
            money.append(row["vw"] * row["v"])
            continue
        bar = grown[-1]
        bar["h"], bar["l"], bar["c"] = max(bar["h"], row["h"]), min(bar["l"], row["l"]), row["c"]
        bar["v"] += row["v"]
        bar["n"] += row["n"]
        money[-1] += row["vw"] * row["v"]
        bar["vw"] = round(money[-1] / bar["v"], 4)
    return grown[::-1] if newest_first else grown


def _conditions() -> list[Body]:
    rows = []
    for number, condition in sorted(ConditionTable.frozen().conditions.items()):
        effect = condition.effect
        rules = {
            "updates_high_low": effect.high_low, "updates_open_close": effect.open_close, "updates_volume": effect.volume,
        }  # fmt: skip
        rows.append({
            "id": number, "type": "sale_condition", "name": condition.name, "asset_class": "stocks",
            "sip_mapping": {}, "update_rules": {"consolidated": rules, "market_center": rules}, "data_types": ["trade"],
        })  # fmt: skip
    return rows


def _open_market() -> Body:
    now = datetime.now(UTC).astimezone(NEW_YORK).isoformat(timespec="seconds")
    return {
        "afterHours": False, "currencies": {"crypto": "open", "fx": "open"}, "earlyHours": False,
        "exchanges": {"nasdaq": "open", "nyse": "open", "otc": "open"}, "market": "open", "serverTime": now,
    }  # fmt: skip


def _request_id() -> str:
    return uuid.uuid4().hex


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadRequest(400, f"Could not parse the date {text[:20]!r}. Use YYYY-MM-DD.") from None


def _instant(text: str, name: str, last: bool) -> int:
    """Epoch ms of a number of ms or a New York date, of a date its last millisecond if `last`."""
    if text.isdigit() and len(text) < 16:
        return int(text)
    try:
        day = trading_day(date.fromisoformat(text))
    except (ValueError, OverflowError):
        raise BadRequest(
            400, f"Could not parse the time parameter: '{name}'. Use YYYY-MM-DD or Unix MS Timestamp"
        ) from None
    return day.end - 1 if last else day.start


def _whole(text: str, name: str, low: int, high: int) -> int:
    if not (text.isdigit() and low <= int(text[:9]) <= high):
        raise BadRequest(400, f"The parameter '{name}' must be a whole number between {low} and {high}.")
    return int(text)


def _sort(query: dict[str, str]) -> str:
    order = query.get("sort", "asc")
    if order not in ("asc", "desc"):
        raise BadRequest(400, "The parameter 'sort' must be asc or desc.")
    return order

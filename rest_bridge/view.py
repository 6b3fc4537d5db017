"""A request from its parameters to the bytes of its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import urlencode

import msgspec
from flask import Response, request

from rest_bridge import rate_limit
from rest_bridge.endpoint import Context, Endpoint
from rest_bridge.errors import ApiError, bad_request
from rest_bridge.page import Page
from rest_bridge.parameters import Parameters, read
from rest_bridge.single_flight import SingleFlight, Written
from rest_bridge.tables import csv_of
from rest_bridge.work_queue import WorkQueue

#: Writes JSON.
encode = msgspec.json.Encoder().encode
#: Headers of answers that a page of another origin may read too.
EXPOSED = ("Link", "X-Symbol", "X-Timeframe")

_CSV, _JSON = "text/csv", "application/json"
_HOST = re.compile(r"[\w.:\[\]-]{1,255}\Z", re.ASCII)


class View:
    """An endpoint as Flask calls it: parameters and body are read, a place at work is taken, the answer is written."""

    def __init__(
        self, context: Context, endpoint: Endpoint, queue: WorkQueue, limiter: rate_limit.RateLimiter | None
    ) -> None:
        self._context, self._endpoint, self._queue, self._limiter = context, endpoint, queue, limiter
        self._query_type, self._parameters = endpoint.query_type, endpoint.parameters
        self._decode = None if endpoint.body_type is None else msgspec.json.Decoder(endpoint.body_type).decode
        shared = SingleFlight(patience_s=context.config.limits.queue_s)
        self._flights = shared if endpoint.method == "GET" and endpoint.media == _JSON else None
        self._row_type = endpoint.row_type
        self.__name__ = endpoint.path

    def __call__(self, **path: str) -> Response:
        query = read(self._query_type, self._parameters, request.args, path)
        if self._limiter is not None and (cost := rate_limit.cost(query.rows())) > 1:
            self._limiter.charge(request.remote_addr or "", cost - 1)
        if self._flights is None:
            return self._response((query,) if self._decode is None else (query, self._body()))
        fixed = "from" in request.args and "to" in request.args
        media = self._media(query)
        # Not shared between addresses: what one has in the queue would hold up another who asks the same.
        question = (request.remote_addr, request.query_string, media, *path.values())
        written = self._flights.answer(question, lambda: self._written(query, media), fixed)
        reply = Response(written.body, mimetype=media)
        if written.headers:
            reply.headers.extend(written.headers)
        if written.link:
            relation = "next" if getattr(query, "sort", "asc") == "asc" else "prev"
            reply.headers["Link"] = (
                f'<{_address()}?{urlencode({**request.args.to_dict(), **written.link})}>; rel="{relation}"'
            )
        return reply

    def _media(self, query: Parameters) -> str:
        """The type of the answer that is asked for."""
        if self._row_type is None:
            return _JSON
        accepted = request.environ.get("HTTP_ACCEPT", "")
        as_csv = getattr(query, "format", "") == "csv" or (
            _CSV in accepted
            and "format" not in request.args
            and request.accept_mimetypes.best_match([_JSON, _CSV]) == _CSV
        )
        return _CSV if as_csv else _JSON

    def _response(self, arguments: tuple[object, ...]) -> Response:
        with self._place():
            answer = self._endpoint.handler(self._context, *arguments)
            return answer if isinstance(answer, Response) else Response(encode(answer), mimetype=_JSON)

    def _written(self, query: Parameters, media: str) -> Written:
        with self._place():
            answer, headers, link = self._answer(query)
            if isinstance(answer, Response):
                return Written(answer.get_data())
            page = answer if isinstance(answer, Page) else Page[Any](answer)
            as_csv = media == _CSV
            body = csv_of(page.rows, self._row_type, page.columns) if as_csv else encode(page.rows)
            return Written(body, page.headers | headers, page.link and page.link | link)

    def _answer(self, query: Any) -> tuple[Any, dict[str, str], dict[str, str]]:
        """(the handler's answer, headers, parameters of a link): a symbol that is not known is tried without case."""
        answer = self._endpoint.handler(self._context, query)
        asked = getattr(query, "symbol", None)
        if not asked:
            return answer, {}, {}
        symbols = [asked] if isinstance(asked, str) else asked
        missing = _without_rows(symbols, answer)
        meant = self._context.names.written_otherwise(missing) if missing else {}
        if not meant:
            return answer, {}, {}
        symbols = list(dict.fromkeys(meant.get(symbol, symbol) for symbol in symbols))
        changed = msgspec.structs.replace(query, symbol=symbols[0] if isinstance(asked, str) else symbols)
        named = ",".join(symbols)
        return self._endpoint.handler(self._context, changed), {"X-Symbol": named}, {"symbol": named}

    def _place(self) -> AbstractContextManager[None]:
        if not self._endpoint.queued:
            return nullcontext()
        return self._queue.place(request.remote_addr or "", request.environ.get("tapewatch.client_gone", _never))

    def _body(self) -> object:
        """The body as its struct. Raises ApiError."""
        assert self._decode is not None
        if request.mimetype != _JSON:
            raise ApiError(415, "unsupported_media_type", "expected a body with Content-Type: application/json")
        try:
            return self._decode(request.get_data())
        except msgspec.DecodeError as error:
            raise bad_request(f"the body: {error}", "bad_body") from None


def base_address() -> str:
    """Scheme and host by which the reader asked, whatever stands in between; empty where its Host is no host."""
    host = request.environ.get("HTTP_HOST") or "localhost"
    return f"{request.scheme}://{host}" if _HOST.match(host) else ""


def _address() -> str:
    return f"{base_address()}{request.path}"


def _without_rows(symbols: Sequence[str], answer: Any) -> Sequence[str]:
    """Those that the answer says nothing of: all where it is no list, as that may be about a symbol never seen."""
    rows = answer.rows if isinstance(answer, Page) else answer
    if not isinstance(rows, list) or not rows:
        return symbols
    if len(symbols) == 1 or not hasattr(rows[0], "symbol"):
        return ()
    seen = {row.symbol for row in rows}
    return [symbol for symbol in symbols if symbol not in seen]


def _never() -> bool:
    return False

"""Every error is ``{"error": {"code", "message"}}`` with the right status."""

from __future__ import annotations

import logging
import math
from difflib import get_close_matches
from http import HTTPStatus

import msgspec
from flask import Flask, Response, current_app, request
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from redis_functions.availability import Availability
from rest_bridge.answers import Error, Problem

log = logging.getLogger("tapewatch.bridge")


class ApiError(Exception):
    """The request is refused with `status`; `code` is for programs, the message for people.

    `retry_after_s`: seconds after which trying again may help.
    """

    def __init__(self, status: int, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_after_s = status, code, retry_after_s


def bad_request(message: str, code: str = "bad_request") -> ApiError:
    return ApiError(400, code, message)


def error_body(code: str, message: str) -> bytes:
    return msgspec.json.encode(Error(Problem(code, message)))


def error_reply(status: int, code: str, message: str) -> Response:
    return Response(error_body(code, message), status, mimetype="application/json")


def register(app: Flask, stored: frozenset[str] = frozenset()) -> None:
    """Turns whatever a request raises into an error object; what was not expected is logged, and answered without its trace.

    `stored`: paths that are answered from the store. That it does not answer is logged once, and once when it answers again.
    """
    availability = Availability("requests are answered with 503")

    def unavailable(error: RedisError) -> Response:
        if isinstance(error, RedisConnectionError | RedisTimeoutError):
            availability.failed("the bridge", error)
        return _store(error)

    def answered(response: Response) -> Response:
        if availability.condition and request.path in stored and response.status_code < 400:
            availability.served("the bridge")
        return response

    app.register_error_handler(ApiError, _api_error)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(RedisError, unavailable)
    app.register_error_handler(Exception, _unexpected)
    app.after_request(answered)


def _api_error(error: ApiError) -> Response:
    reply = error_reply(error.status, error.code, str(error))
    if error.retry_after_s is not None:
        reply.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if error.status == 401:
        reply.headers["WWW-Authenticate"] = 'Bearer realm="tapewatch"'
    return reply


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    reply = error_reply(status, _code(status), _words(error) or error.description or _phrase(status))
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after", "location"):
            reply.headers[name] = value
    return reply


def _words(error: HTTPException) -> str:
    """What would do in place of a path or method that there is not."""
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        return f"{request.method} is not taken here, but {', '.join(sorted(error.valid_methods))}"
    if not isinstance(error, NotFound):
        return ""
    paths = sorted({rule.rule for rule in current_app.url_map.iter_rules()})
    asked = request.path[:80]
    short = {path.removeprefix("/api/v1"): path for path in paths}
    near = get_close_matches(asked.removeprefix("/api/v1"), short, 1) or get_close_matches(asked, paths, 1)
    hint = f"; the nearest is {short.get(near[0], near[0])}" if near else ""
    return f"there is no path {asked!r}{hint}. There are {' '.join(paths)}"


def _store(error: RedisError) -> Response:
    if isinstance(error, RedisConnectionError | RedisTimeoutError):
        reply = error_reply(503, "store_unavailable", "the store (Redis) does not answer; try again in a moment")
        reply.headers["Retry-After"] = "1"
        return reply
    log.error("Redis refused a command: %s", error)
    return error_reply(503, "store_refused", "the store (Redis) rejected a command: see `tapewatch doctor`")


def _unexpected(error: Exception) -> Response:
    log.error("a request failed", exc_info=error)
    return error_reply(500, "internal", "an error on our side; it has been logged")


def _code(status: int) -> str:
    return {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(status) or (
        _phrase(status).lower().replace(" ", "_").replace("-", "_")
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "error"

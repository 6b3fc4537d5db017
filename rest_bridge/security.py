"""The token, and the headers that browsers heed."""

from __future__ import annotations

import hmac
from typing import Any

from flask import Flask, request

from rest_bridge.errors import ApiError

_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
]
_POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")


def register(app: Flask, token: str, open_paths: frozenset[str]) -> None:
    """Lets in who shows the token (everybody when it is empty), and anybody to `open_paths`."""
    expected = f"Bearer {token}".encode()

    @app.before_request
    def check() -> None:
        # A browser asks by OPTIONS, without the token, whether it may send one (CORS); no data is in the answer.
        if not token or request.path in open_paths or request.method == "OPTIONS":
            return
        # WSGI hands the header's bytes over as Latin-1.
        given = request.headers.get("Authorization", "").encode("latin-1", "replace")
        if not given:
            raise ApiError(401, "unauthorized", "this needs the header Authorization: Bearer <token>")
        if not hmac.compare_digest(given, expected):
            raise ApiError(401, "unauthorized", "the token is not the right one")

    app.wsgi_app = _hardened(app.wsgi_app)  # type: ignore[method-assign]


def _hardened(wsgi_app: Any) -> Any:
    """Adds what every answer carries: here it costs a tenth of what it does as a hook of Flask's."""

    def answer(environ: Any, start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            own_policy = any(name == _POLICY[0] for name, _ in headers)
            return start_response(status, headers + _HEADERS + ([] if own_policy else [_POLICY]), exc_info)

        return wsgi_app(environ, start)

    return answer

"""The token, the headers that browsers heed, and the limit on what is sent to us."""

from __future__ import annotations

import hmac

from flask import Flask, Response, request

from rest_bridge.errors import Refusal

#: Nothing here takes a body.
MAX_BODY_BYTES = 64 * 1024

_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
_POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")


def register(app: Flask, token: str, open_paths: frozenset[str]) -> None:
    """Lets in who shows the token (everybody when it is empty), and anybody to `open_paths`."""
    expected = f"Bearer {token}".encode()

    @app.before_request
    def check() -> None:
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise Refusal(413, "too_large", f"a body of more than {MAX_BODY_BYTES} bytes is not taken")
        # A browser asks by OPTIONS, without the token, whether it may send one (CORS); no data is in the answer.
        if not token or request.path in open_paths or request.method == "OPTIONS":
            return
        # WSGI hands the header's bytes over as Latin-1.
        given = request.headers.get("Authorization", "").encode("latin-1", "replace")
        if not given:
            raise Refusal(401, "unauthorized", "this needs the header Authorization: Bearer <token>")
        if not hmac.compare_digest(given, expected):
            raise Refusal(401, "unauthorized", "the token is not the right one")

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.extend(_HEADERS)
        if "Content-Security-Policy" not in response.headers:
            response.headers.add(*_POLICY)
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = 'Bearer realm="tapewatch"'
        return response

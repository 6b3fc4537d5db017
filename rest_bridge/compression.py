"""gzip for answers worth it: quick rather than small, since the reader is near."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

MIN_BYTES = 1024
_LEVEL = 1


def register(app: Flask) -> None:
    @app.after_request
    def compress(response: Response) -> Response:
        response.headers.add("Vary", "Accept-Encoding")
        if "gzip" not in request.headers.get("Accept-Encoding", "") or request.accept_encodings["gzip"] <= 0:
            return response
        if "Content-Encoding" in response.headers or response.is_streamed:
            return response
        body = response.get_data()
        if len(body) > MIN_BYTES:
            response.set_data(gzip.compress(body, _LEVEL, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
        return response

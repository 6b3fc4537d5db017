"""Which pages of other origins a browser lets read our answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Flask, Response, request
from flask_cors.core import get_cors_options, set_cors_headers


def register(app: Flask, origins: Sequence[str], exposed: Sequence[str]) -> None:
    """Lets in pages of `origins`, with their token and by GET."""
    settings: Any = {
        "origins": list(origins),
        "methods": ["GET"],
        "allow_headers": ["Authorization"],
        "expose_headers": list(exposed),
        "max_age": 600,
    }
    options = get_cors_options(app, settings)

    @app.after_request
    def allow(response: Response) -> Response:
        # Only browsers send it; the library's own hook would match all other requests, too.
        if "Origin" in request.headers:
            set_cors_headers(response, options)
        return response

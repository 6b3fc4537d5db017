"""The bridge's own metrics: requests by path and status, and how long they took."""

from __future__ import annotations

import time
from functools import cache

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """A registry of this process, and what is counted in it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "tapewatch_http_requests", "Requests answered.", ("path", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "tapewatch_http_request_seconds", "Time to an answer.", ("path",), buckets=_BUCKETS, registry=self.registry
        )

        # Looking a series up by its labels costs more than counting in it; there are few paths and statuses.
        self._count = cache(self.requests.labels)
        self._time = cache(self.seconds.labels)

    def register(self, app: Flask) -> None:
        """Counts every request of `app`; a path that is not there counts as ``other``: nobody can add series."""

        @app.before_request
        def begin() -> None:
            g.began = time.perf_counter()

        @app.after_request
        def end(response: Response) -> Response:
            path = request.url_rule.rule if request.url_rule else "other"
            self._count(path, response.status_code).inc()
            if "began" in g:
                self._time(path).observe(time.perf_counter() - g.began)
            return response

"""The bridge's own metrics: requests by path and status, and their duration."""

from __future__ import annotations

import time
from functools import cache

from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram

from redis_functions.contract.statistics import METRICS, PREFIX
from redis_functions.write.process_metrics import process_registry

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The registry of this process, with its counters."""

    def __init__(self) -> None:
        self.registry = process_registry()
        requests, seconds = METRICS["http_requests"], METRICS["http_request_seconds"]
        self.requests = Counter(f"{PREFIX}http_requests", requests.help, requests.labels, registry=self.registry)
        self.seconds = Histogram(
            f"{PREFIX}http_request_seconds", seconds.help, seconds.labels, buckets=_BUCKETS, registry=self.registry
        )
        # A look-up by labels costs more than the count itself; there are few paths and statuses.
        self._count = cache(self.requests.labels)
        self._time = cache(self.seconds.labels)

    def register(self, app: Flask) -> None:
        """Counts every request of `app`. An unknown path counts as `other`, so that no client can add series."""

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

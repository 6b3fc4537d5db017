"""A vendor's REST with prepared answers, which records each request and its time."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Reply:
    """Status, JSON body (or raw bytes) and headers; `delay_s` before it is sent."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass
class Asked:
    """One request: its time (monotonic), the bars requested (if any), its headers."""

    at: float
    symbol: str
    unit: str
    start: int
    end: int
    query: dict[str, str]
    headers: dict[str, str]
    path: str = ""


def bars_reply(rows: list[dict[str, Any]], next_url: str = "") -> Reply:
    body: dict[str, Any] = {"status": "OK", "adjusted": False, "resultsCount": len(rows)}
    if rows:
        body["results"] = rows
    if next_url:
        body["next_url"] = next_url
    return Reply(body=body)


class Vendor:
    """``with Vendor(answer) as vendor``: `vendor.url`, and `vendor.asked`, in order."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self.asked: list[Asked] = []
        vendor = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                words = [*url.path.strip("/").split("/"), *["0"] * 9]
                query = {k: v[-1] for k, v in parse_qs(url.query).items()}
                bars = (words[3], words[6], int(words[7]), int(words[8])) if "range" in words else ("", "", 0, 0)
                asked = Asked(time.monotonic(), *bars, query, dict(self.headers.items()), url.path)
                vendor.asked.append(asked)
                reply = answer(asked)
                time.sleep(reply.delay_s)
                raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body or {}).encode()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None:
                """Logs nothing."""

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Logs nothing: clients that disconnect are part of some tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Vendor:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

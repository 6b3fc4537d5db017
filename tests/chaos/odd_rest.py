"""The simulator's REST behind a server that makes its rows odd."""

from __future__ import annotations

import http.server
import itertools
import json
import threading
import urllib.error
import urllib.request
from types import TracebackType
from typing import Any

Row = dict[str, Any]

#: What is wrong with a row: fields that are replaced.
_DAMAGES: tuple[Row, ...] = (
    {"c": None}, {"h": "n/a"}, {"o": float("nan")}, {"l": -1.0}, {"v": float("inf")}, {"h": 1e12}, {"v": -5}, {"c": True},
    {"o": {}},
)  # fmt: skip
#: So that even its second cannot be read; what is no object has none at all.
_NAMELESS: tuple[Any, ...] = ({"t": "yesterday"}, "row", None, {"t": float("nan")})
#: In the first answer about a symbol every third row is damaged, and the first answer about every so manyth symbol has another
#: shape or is no JSON.
_DAMAGED, _SHAPELESS = 3, 60
#: Later answers have every row, and after each tenth another of the same second that cannot be right.
_ADDED = 10


class OddRest:
    """Passes GETs on to `base`; `damaged` counts the rows of which it spoilt the only copy."""

    def __init__(self, base: str) -> None:
        self.damaged = 0
        self._base = base
        self._asked: set[str] = set()
        self._damages = itertools.cycle(_DAMAGES)
        self._nameless = itertools.cycle(_NAMELESS)
        self._lock = threading.Lock()
        odd = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                status, raw = odd.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None:
                """Logs nothing."""

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, target: str) -> tuple[int, bytes]:
        """Status and body of a GET of `target`."""
        try:
            with urllib.request.urlopen(self._base + target, timeout=30) as reply:
                status, body = reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:  # the simulator is paused or has ended
            return 502, b""
        words = target.split("/")
        with self._lock:
            if "range" not in words or not body.get("results"):
                pass
            elif words[4] in self._asked:
                body["results"] = [row for i, one in enumerate(body["results"]) for row in self._with_odd(i, one)]
            else:
                self._asked.add(words[4])
                if len(self._asked) % _SHAPELESS == 0:
                    return status, json.dumps(body).encode()[:-20]
                if len(self._asked) % _SHAPELESS == 1:
                    return status, json.dumps(body | {"results": {"rows": 1}}).encode()
                body["results"] = [self._spoilt(i, one) for i, one in enumerate(body["results"])]
        return status, json.dumps(body).encode()

    def _spoilt(self, number: int, row: Row) -> Any:
        if number % _DAMAGED:
            return row
        self.damaged += 1
        if self.damaged % 2:
            return row | next(self._damages)
        without = next(self._nameless)
        return row | without if isinstance(without, dict) else without

    def _with_odd(self, number: int, row: Row) -> list[Row]:
        return [row] if number % _ADDED else [row, row | next(self._damages)]

    def __enter__(self) -> OddRest:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

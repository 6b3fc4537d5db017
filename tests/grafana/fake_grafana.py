"""Stand-ins for Grafana: a folder whose `bin/grafana` prints how it was called, and its HTTP API."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from grafana.query import DATASOURCE_TYPE

#: Prints argv, environment and pid; `cli … install` writes the plugin into --pluginsDir, unless it is to fail.
_BINARY = """#!{python}
import json, os, signal, sys
from pathlib import Path
calls = Path({calls!r})
with calls.open("a") as file:
    file.write(json.dumps({{"argv": sys.argv[1:], "env": dict(os.environ), "pid": os.getpid()}}) + "\\n")
if "cli" in sys.argv:
    if os.environ.get("FAKE_INSTALL_FAILS"):
        sys.exit("no network")
    folder = Path(sys.argv[sys.argv.index("--pluginsDir") + 1]) / "infinity"
    folder.mkdir(parents=True)
    (folder / "plugin.json").write_text(json.dumps({{"id": {plugin!r}}}))
elif os.environ.get("FAKE_WAITS"):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print("serving", flush=True)
    signal.pause()
"""


class Home:
    """A GRAFANA_HOME in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "grafana-home"
        self._calls = folder / "calls.jsonl"
        for name in ("bin", "conf", "public"):
            (self.path / name).mkdir(parents=True)
        self.binary = self.path / "bin" / "grafana"
        self.binary.write_text(_BINARY.format(python=sys.executable, calls=str(self._calls), plugin=DATASOURCE_TYPE))
        self.binary.chmod(0o755)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Every call so far: argv, env, pid."""
        if not self._calls.exists():
            return []
        return [json.loads(line) for line in self._calls.read_text().splitlines()]


def put_plugin(folder: Path, name: str = DATASOURCE_TYPE) -> None:
    """The plugin `name` unpacked into `folder`, the way grafana.com packs it."""
    (folder / name).mkdir(parents=True)
    (folder / name / "plugin.json").write_text(json.dumps({"id": name}))


class Api:
    """Grafana's HTTP API as far as `push` uses it; `token` is the one it takes."""

    def __init__(self, token: str = "right") -> None:
        self.token = token
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.datasources: dict[str, dict[str, Any]] = {}
        self.folders: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        self.redirect_to = ""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                api.requests.append((self.command, self.path))
                if api.redirect_to:
                    status, answer = 302, {}
                elif self.headers.get("Authorization") != f"Bearer {api.token}":
                    status, answer = 401, {"message": "Invalid API key"}
                else:
                    status, answer = api._answer(self.command, self.path, body)
                raw = json.dumps(answer).encode()
                self.send_response(status)
                if api.redirect_to:
                    self.send_header("Location", api.redirect_to)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_PUT = _serve

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        missing = 404, {"message": "not found"}
        kind, _, uid = path.removeprefix("/api/").partition("/")
        if (method, path) == ("POST", "/api/dashboards/db"):
            if body["folderUid"] not in self.folders:
                return 400, {"message": "folder not found"}
            self.dashboards[body["dashboard"]["uid"]] = body
            return 200, {"uid": body["dashboard"]["uid"], "url": f"/d/{body['dashboard']['uid']}/slug"}
        if kind == "folders":
            if method == "POST":
                self.folders.add(body["uid"])
                return 200, body
            return (200, {"uid": uid}) if uid in self.folders else missing
        if kind == "datasources":
            uid = body["uid"] if body else uid.removeprefix("uid/")
            if body and (method == "POST") != (uid in self.datasources):
                self.datasources[uid] = body
            elif uid not in self.datasources:
                return missing
            return 200, self.datasources[uid]
        return missing

    def __enter__(self) -> Api:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

"""Uploads dashboards and data source to a running Grafana over its HTTP API, by uid, with a token."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from grafana.query import DATASOURCE_TYPE, DATASOURCE_UID, Json

FOLDER_UID = "tapewatch"
TIMEOUT_S = 20


class UploadError(RuntimeError):
    """The upload failed; the message is one line. `refused`: trying again will not help."""

    def __init__(self, message: str, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token is only for the address that was given."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Grafana:
    """A running Grafana at `url` (with its sub-path, if it has one)."""

    def __init__(self, url: str, token: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise UploadError("Grafana's URL must look like http://host:3000, without a login in it", refused=True)
        self._url, self._token = url.rstrip("/"), token
        self._opener = urllib.request.build_opener(_NoRedirects)

    def push_folder(self) -> None:
        """Creates the folder of our dashboards unless it exists. Raises UploadError."""
        if self._call("GET", f"/api/folders/{FOLDER_UID}", missing_ok=True) is None:
            self._call("POST", "/api/folders", {"uid": FOLDER_UID, "title": "tapewatch"})

    def push_dashboard(self, dashboard: Json) -> str:
        """Saves the dashboard over the one of its uid and returns its path. Raises UploadError."""
        answer = self._call(
            "POST",
            "/api/dashboards/db",
            {
                "dashboard": {**dashboard, "id": None, "version": None},
                "folderUid": FOLDER_UID,
                "overwrite": True,
                "message": "tapewatch grafana push",
            },
        )
        return str((answer or {}).get("url", f"/d/{dashboard['uid']}"))

    def has_datasource(self) -> bool:
        return self._call("GET", f"/api/datasources/uid/{DATASOURCE_UID}", missing_ok=True) is not None

    def push_datasource(self, bridge_url: str, bridge_token: str) -> None:
        """Creates the data source or changes it to read the bridge at `bridge_url`. Raises UploadError."""
        body = datasource(bridge_url, bridge_token)
        if self.has_datasource():
            self._call("PUT", f"/api/datasources/uid/{DATASOURCE_UID}", body)
        else:
            self._call("POST", "/api/datasources", body)

    def _call(self, method: str, path: str, body: Json | None = None, missing_ok: bool = False) -> Json | None:
        """The answer; None for a 404 if `missing_ok`."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as reply:
                raw = reply.read()
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404 and missing_ok:
                    return None
                raise _rejected(error, method, path) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise UploadError(f"Grafana at {self._url} does not answer: {reason}") from None
        try:
            answer = json.loads(raw)
        except ValueError:
            raise UploadError(f"{self._url} does not answer like Grafana: check the address", refused=True) from None
        return answer if isinstance(answer, dict) else {}


def datasource(bridge_url: str, bridge_token: str) -> Json:
    """The data source as the HTTP API takes it; the same as in provisioning/datasources."""
    return {
        "name": "tapewatch",
        "uid": DATASOURCE_UID,
        "type": DATASOURCE_TYPE,
        "access": "proxy",
        "url": bridge_url,
        "jsonData": {
            "auth_method": "bearerToken" if bridge_token else "none",
            "allowedHosts": [f"{bridge_url}/"],
            "timeoutInSeconds": 10,
            "customHealthCheckEnabled": True,
            "customHealthCheckUrl": "/readyz",
        },
        "secureJsonData": {"bearerToken": bridge_token} if bridge_token else {},
    }


def _rejected(error: urllib.error.HTTPError, method: str, path: str) -> UploadError:
    try:
        message = str(json.loads(error.read())["message"])[:200]
    except (ValueError, KeyError, TypeError, OSError):
        message = error.reason
    hint = ""
    if error.code in (401, 403):
        hint = " (the token needs the role Editor for dashboards, Admin for the data source)"
    return UploadError(
        f"Grafana refused {method} {path}: {error.code} {message}{hint}", refused=error.code in (401, 403)
    )

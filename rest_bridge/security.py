"""Who is answered: by the name in `Host`, the page that asks, and the token. And the headers that browsers heed."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, request

from rest_bridge.config import BridgeConfig
from rest_bridge.errors import ApiError

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
]
_POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
_EMPTY_STEPS = re.compile(r"/(?:\.?/)+")


def register(app: Flask, config: BridgeConfig, open_paths: frozenset[str], pages: frozenset[str]) -> None:
    """Rejects requests of foreign pages and requests without the token. `open_paths` need no token, and a link of
    another site may lead to `pages`. Without a token the request must name this machine, or an allowed host, in `Host`: a
    foreign name that was pointed at this machine (DNS rebinding) is what a page in the operator's browser would use."""
    expected = config.token.encode()
    allowed = frozenset(name.lower() for name in config.allowed_hosts)
    known = lru_cache(maxsize=256)(lambda host: host_name(host) in allowed or is_loopback(host_name(host)))
    origins = frozenset(config.cors_origins)

    @app.before_request
    def check() -> None:
        host = request.environ.get("HTTP_HOST", "")
        if not expected and host and not known(host):
            raise ApiError(
                421, "misdirected", f"no host {host_name(host)[:80]!r} here: add it to TAPEWATCH_ALLOWED_HOSTS"
            )
        if _foreign(host, origins) and not (request.path in pages and _follows_a_link()):
            raise ApiError(
                403, "cross_site", "a page of another site may not ask: add its origin to TAPEWATCH_CORS_ORIGINS"
            )
        # A browser asks by OPTIONS, without the token, whether it may send one (CORS); no data is in the answer.
        if expected and request.path not in open_paths and request.method != "OPTIONS":
            _check_token(request.headers.get("Authorization", ""), expected)

    # `//` would be answered with a redirect to an address made of `Host`, and the token would go there.
    app.url_map.merge_slashes = False
    app.wsgi_app = _one_slash(_hardened(app.wsgi_app))  # type: ignore[method-assign,assignment]


def may_ask(token: str) -> bool:
    """Whether the request has the token, where one is set."""
    try:
        _check_token(request.headers.get("Authorization", ""), token.encode())
    except ApiError:
        return not token
    return True


def _check_token(given: str, expected: bytes) -> None:
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer":
        raise ApiError(401, "unauthorized", "this needs the header Authorization: Bearer <token>")
    # WSGI hands the header's bytes over as Latin-1.
    if not hmac.compare_digest(token.lstrip(" ").encode("latin-1", "replace"), expected):
        raise ApiError(401, "unauthorized", "the token is not the right one")


def _foreign(host: str, origins: frozenset[str]) -> bool:
    """Whether the browser's headers show a page of another origin that is not allowed."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None and origin is None:
        return False
    if site in ("same-origin", "none") or origin in origins:
        return False
    return site is not None or urlsplit(origin or "").netloc.lower() != host.lower()


def _follows_a_link() -> bool:
    headers = request.headers
    return headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"


def host_name(host: str) -> str:
    """The name or address in a header `Host`, in lower case, without port, brackets and closing dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def is_loopback(name: str) -> bool:
    """Whether a name or an address is always this machine."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def trust_proxies(app: Flask, proxies: Iterable[str]) -> None:
    """Takes the client's address of a request that comes through one of `proxies` from the last entry of `X-Forwarded-For`
    that is none of them. No other source is trusted: a client that may set the header has no limit."""
    trusted = frozenset(proxies)
    inner = app.wsgi_app

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("REMOTE_ADDR") in trusted:
            hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")]
            client = next((hop for hop in reversed(hops) if hop not in trusted), "")
            if _is_address(client):
                environ["REMOTE_ADDR"] = client
        return inner(environ, start_response)

    if trusted:
        app.wsgi_app = answer  # type: ignore[method-assign]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _one_slash(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Answers a path as if it had neither doubled slashes nor steps `/./`: clients glue a base URL such as `./` to a path."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if "//" in path or "/./" in path or not path.startswith("/"):
            environ["PATH_INFO"] = _EMPTY_STEPS.sub("/", f"/{path}")
        return wsgi_app(environ, start_response)

    return answer


def _hardened(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Adds what every answer carries: here it costs a tenth of what it does as a hook of Flask's."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None
        ) -> Callable[[bytes], object]:
            own_policy = any(name == _POLICY[0] for name, _ in headers)
            return start_response(status, headers + _HEADERS + ([] if own_policy else [_POLICY]), exc_info)

        return wsgi_app(environ, start)

    return answer

"""Where a Redis is and how it is reached, taken from its URL: the same for redis-py and for the connections of our own."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from redis.connection import parse_url

from redis_functions.contract.resp import encode

#: Options of a URL's query that are taken; any other could change replies, time limits or the pool.
TLS_OPTIONS = (
    "ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_check_hostname",
    "ssl_min_version",
)  # fmt: skip
OPTIONS = ("db", "username", "password", *TLS_OPTIONS)
_CERT_REQS = ("none", "optional", "required")

#: A peer that is gone without a word is noticed after IDLE + COUNT * INTERVAL seconds, on an idle connection too.
KEEP_ALIVE_IDLE_S, KEEP_ALIVE_INTERVAL_S, KEEP_ALIVE_COUNT = 15, 5, 3


class BadRedisUrl(ValueError):
    """The URL cannot be used; the text is one line without the password."""


@dataclass(frozen=True)
class Address:
    """`path`: of a Unix socket, "" for TCP. `tls`: the TLS options, None without TLS."""

    host: str = "localhost"
    port: int = 6379
    path: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    tls: Mapping[str, Any] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Raises BadRedisUrl unless `url` is redis://, rediss:// or unix:// on database 0 (compaction needs it) with
        options that are taken."""
        options = _options(url)
        return cls(
            options.get("host", "localhost"), int(options.get("port", 6379)), options.get("path", ""),
            options.get("username", ""), options.get("password", ""),
            {name: options[name] for name in TLS_OPTIONS if name in options} if url.startswith("rediss:") else None,
        )  # fmt: skip

    def login(self) -> bytes:
        """The AUTH to send first; empty where there is no password."""
        if not self.password:
            return b""
        return encode(["AUTH", *([self.username] if self.username else []), self.password])

    def cli_options(self) -> list[str]:
        """The options of redis-cli for it; the password goes by REDISCLI_AUTH."""
        user = ["--user", self.username] if self.username else []
        if self.path:
            return ["-s", self.path, *user]
        options = ["-h", self.host, "-p", str(self.port), *user]
        if self.tls is None:
            return options
        names = {
            "ssl_ca_certs": "--cacert", "ssl_ca_path": "--cacertdir", "ssl_certfile": "--cert", "ssl_keyfile": "--key",
        }  # fmt: skip
        for name, option in names.items():
            if name in self.tls:
                options += [option, str(self.tls[name])]
        return [*options, "--tls", *(["--insecure"] if self.tls.get("ssl_cert_reqs") == "none" else [])]

    def tls_context(self) -> ssl.SSLContext | None:
        """What the URL asks for; a certificate authority that is given is the only one. Raises OSError for its files."""
        options = self.tls
        if options is None:
            return None
        context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"), capath=options.get("ssl_ca_path"))
        if options.get("ssl_cert_reqs") == "none" or not options.get("ssl_check_hostname", True):
            context.check_hostname = False
        if options.get("ssl_cert_reqs") == "none":
            context.verify_mode = ssl.CERT_NONE
        if options.get("ssl_min_version"):
            context.minimum_version = ssl.TLSVersion(options["ssl_min_version"])
        if options.get("ssl_certfile"):
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"), options.get("ssl_password"))
        return context


def _options(url: str) -> dict[str, Any]:
    try:
        options: dict[str, Any] = parse_url(url)
    except ValueError:
        # The library's own words may quote a part of the password.
        raise BadRedisUrl(
            "the Redis URL cannot be read: redis://, rediss:// or unix://, with a password's /, @ and : percent-encoded"
        ) from None
    known = (*OPTIONS, "host", "port", "path", "connection_class")
    if unknown := sorted(options.keys() - set(known)):
        raise BadRedisUrl(
            f"the Redis URL's option {unknown[0]!r} cannot be used here; those that can: {', '.join(OPTIONS)}"
        )
    if options.get("ssl_cert_reqs", "required") not in _CERT_REQS:
        raise BadRedisUrl(
            f"the Redis URL's option 'ssl_cert_reqs' must be {', '.join(_CERT_REQS[:-1])} or {_CERT_REQS[-1]}"
        )
    if not url.startswith("rediss:") and (tls := sorted(options.keys() & set(TLS_OPTIONS))):
        raise BadRedisUrl(f"the Redis URL's option {tls[0]!r} needs rediss://")
    if options.get("db", 0) != 0:
        raise BadRedisUrl("only logical database 0 works: compaction rules do not run in any other")
    if url.startswith("unix:") and not options.get("path"):
        raise BadRedisUrl("the Redis URL names no socket: unix:///path/of/redis.sock, with # ? % percent-encoded")
    return options


def keep_alive_options() -> dict[int, int]:
    """Options of TCP by their number, as far as this system has them."""
    options = {
        "TCP_KEEPIDLE": KEEP_ALIVE_IDLE_S,
        "TCP_KEEPALIVE": KEEP_ALIVE_IDLE_S,  # macOS's name of it
        "TCP_KEEPINTVL": KEEP_ALIVE_INTERVAL_S,
        "TCP_KEEPCNT": KEEP_ALIVE_COUNT,
        "TCP_USER_TIMEOUT": 1000 * (KEEP_ALIVE_IDLE_S + KEEP_ALIVE_INTERVAL_S * KEEP_ALIVE_COUNT),
    }
    return {getattr(socket, name): value for name, value in options.items() if hasattr(socket, name)}


def keep_alive(sock: socket.socket) -> None:
    """Has the system look whether the peer of a TCP connection is still there."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in keep_alive_options().items():
        sock.setsockopt(socket.IPPROTO_TCP, option, value)

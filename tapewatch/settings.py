"""Settings: `tapewatch.toml` (or --config), each overridable by an environment variable TAPEWATCH_<NAME>; secrets also
by a systemd credential of their name.

A setting is one field of `Settings`, with its help, limits and default: `tapewatch config`, docs/settings.md and
systemd/tapewatch.env.example are made of these. Unknown names stop the start. Secrets never appear in a repr.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from redis_functions.contract.schema import DAY_MS, Schema
from redis_functions.server import embedded
from tapewatch import market_folder
from tapewatch.given_text import PREFIX as PREFIX
from tapewatch.given_text import masked_url
from vendor.vendors import DEFAULT

#: The vendor's real-time stock feed and REST base.
LIVE_FEED = DEFAULT.live_feed
LIVE_REST = DEFAULT.live_rest
KEY_VARIABLES = ("MASSIVE_API_KEY", "POLYGON_API_KEY")

HOUR_MS = 3_600_000
_RETENTION_DEFAULT = {"1s": 2 * HOUR_MS, "1m": 7 * DAY_MS, "5m": 30 * DAY_MS, "1h": 365 * DAY_MS}
_RETENTION_SMALL = {"1s": 2 * HOUR_MS, "1m": DAY_MS, "5m": 2 * DAY_MS, "1h": 10 * DAY_MS}
#: maxmemory of the embedded server in `small`: it leaves memory for the rest of a machine of 1 GiB.
SMALL_MAXMEMORY_MB = 650
#: Growth of the append-only file that is rewritten during the market too.
_AOF_MB = {"default": 512, "small": 1_024}
#: Ten years, the longest retention.
_LONGEST_S = 3653 * 86_400
#: How the addresses must begin.
_SCHEMES = {
    "feed_url": ("ws://", "wss://"),
    "rest_url": ("http://", "https://"),
    "bridge_url": ("http://", "https://"),
    "grafana_url": ("http://", "https://"),
}
LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: Shortest token that is used beyond loopback.
TOKEN_LENGTH = 16


class BadSettings(ValueError):
    """The settings cannot be used; the text is one clear line."""


@dataclass(frozen=True)
class About:
    """The description of a setting: its effect, its limits (inclusive), an example for the environment file where the
    default is not enough, and whether its value is a secret, which is never shown."""

    help: str
    low: float | None = None
    high: float | None = None
    example: str = ""
    secret: bool = False


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every setting with its default. Times are seconds unless a name ends in ms."""

    # fmt: off
    # --- feed and vendor
    api_key: Annotated[str, About(
        "the vendor's key; also read from MASSIVE_API_KEY or POLYGON_API_KEY. Without key and feed URL, `run` "
        "simulates a market", secret=True
    )] = ""
    feed_url: Annotated[str, About(
        "WebSocket of the feed: the vendor's delayed one, or a server of `tapewatch simulate` or `tapewatch replay`; "
        "empty: the vendor's live feed with a key, the simulator without", example="wss://delayed.massive.com/stocks"
    )] = ""
    rest_url: Annotated[str, About(
        "base of the vendor's REST API; empty: the vendor's with a key", example=LIVE_REST
    )] = ""
    rest_per_second: Annotated[float, About("REST requests a second, at most; may be a fraction", 0.001, 1000)] = 50.0
    subscribe: Annotated[str, About(
        "comma list of channels: A second bars, AM minute bars, T trades, LULD halts; each with * or a symbol",
        example="A.*,LULD.*"
    )] = "A.*"
    feed_name: Annotated[str, About("name of the feed in keys: lease:{stocks}, gaps:{stocks}")] = "stocks"
    stall_after_s: Annotated[float, About(
        "silence after data, after which the connection is closed and opened anew", 1, 3600
    )] = 30.0
    always_open: Annotated[bool, About("the market never closes: a simulated one")] = False
    allow_plaintext_key: Annotated[bool, About(
        "send the key over ws:// or http:// to another machine, where anybody on the way can read it"
    )] = False

    # --- store
    redis_url: Annotated[str, About(
        "redis://, rediss:// or unix://, logical database 0; empty: the embedded server", example="redis://127.0.0.1:6379"
    )] = ""
    data_dir: Annotated[str, About(
        "folder of the embedded server's files, its redis.sock, and the spool; empty: one for each market under `data`; "
        "elsewhere than /var/lib/tapewatch the units need ReadWritePaths= as well", example="/var/lib/tapewatch"
    )] = ""
    max_symbols: Annotated[int, About(
        "symbols in memory and in the store at most; bars of further ones are counted as refused", 1, 1_000_000
    )] = 50_000
    profile: Annotated[Literal["default", "small"], About(
        "`small` fits the whole market into 1 GiB of memory and 8 GiB of disk: shorter retentions, no labels, a "
        "memory limit", example="small"
    )] = "default"
    retention_1s: Annotated[int, About("seconds that second bars are kept; 0: 2 hours", 0, _LONGEST_S)] = 0
    retention_1m: Annotated[int, About("seconds that minutes are kept; 0: 7 days, `small` 1 day", 0, _LONGEST_S)] = 0
    retention_5m: Annotated[int, About(
        "seconds that 5 minutes are kept; 0: 30 days, `small` 2 days", 0, _LONGEST_S
    )] = 0
    retention_1h: Annotated[int, About(
        "seconds that hours are kept; 0: 1 year, `small` 10 days. After a change of any retention: `tapewatch schema "
        "apply`", 0, _LONGEST_S
    )] = 0
    labels: Annotated[bool | None, About(
        "labels symbol, field, timeframe on each series, 939 bytes a series; unset: on, but off in `small`"
    )] = None
    chunk_1s: Annotated[int, About("bytes of a chunk of the 1s series; a multiple of 8", 48, 1 << 20)] = 384
    chunk_rolled: Annotated[int, About(
        "bytes of a chunk of the 1m, 5m and 1h series; a multiple of 8", 48, 1 << 20
    )] = 192
    redis_maxmemory_mb: Annotated[int, About(
        "maxmemory of the embedded server in MB; 0: half of the machine's memory, `small` 650", 0, 1 << 20
    )] = 0
    redis_aof_mb: Annotated[int, About(
        "growth of the append-only file in MB after which it is rewritten during the market too; 0: 512, `small` "
        "1024. Where the disk has space for less than two rewrites it is rewritten earlier", 0, 1 << 20
    )] = 0

    # --- spool
    spool_mb: Annotated[int, About(
        "limit of the log of raw frames; what is not in Redis yet is never deleted for it", 1, 1_000_000
    )] = 2048
    spool_hours: Annotated[float, About("hours that frames are kept that are in Redis", 0.01, 24 * 365)] = 24.0
    buffer_mb: Annotated[int, About("newest frames also in memory; a longer backlog is read from disk", 1, 4096)] = 64

    # --- REST
    bridge_host: Annotated[str, About(
        "address to listen on, 0.0.0.0 or :: for all; beyond loopback only with a token of at least 16 characters"
    )] = "127.0.0.1"
    bridge_port: Annotated[int, About("port of the REST API", 1, 65535)] = 8080
    token: Annotated[str, About("bearer token that every request then needs", secret=True)] = ""
    rate_limit: Annotated[float, About(
        "requests a second from one address, more are answered with 429; 0: any number", 0, 1_000_000
    )] = 500.0
    allowed_hosts: Annotated[str, About(
        "comma list of names in `Host` that are answered without a token, besides those of loopback"
    )] = ""
    bridge_proxies: Annotated[str, About(
        "comma list of proxies' addresses: limits of one address do not apply to them, their X-Forwarded-For is trusted"
    )] = ""
    bridge_connections: Annotated[int, About("open connections, at most", 1, 10_000)] = 500
    bridge_connections_per_address: Annotated[int, About("of them from one address", 1, 10_000)] = 50
    bridge_at_work: Annotated[int, About(
        "requests worked on at once; one address leaves a third of them free for others", 1, 64
    )] = 8
    bridge_queue_s: Annotated[float, About(
        "a request that waited longer for its turn is answered with 503", 0.1, 60
    )] = 5.0
    bridge_keep_alive_s: Annotated[float, About("how long a connection may stay open without a request", 1, 600)] = 5.0
    bridge_request_s: Annotated[float, About("from the first byte of a request to its last", 1, 600)] = 10.0
    bridge_answer_s: Annotated[float, About("time for a client to read an answer", 1, 600)] = 20.0
    bridge_in_flight_mb: Annotated[int, About("answers that are being sent, of all clients", 1, 4096)] = 64
    cors_origins: Annotated[str, About(
        "comma list of origins whose pages may ask; empty: the Grafana of this box", example="https://example.org"
    )] = ""
    push_port: Annotated[int, About("port of the WebSocket gateway", 1, 65535)] = 8081

    # --- Grafana
    bridge_url: Annotated[str, About("where Grafana reaches the bridge; empty: http://127.0.0.1:8080")] = ""
    grafana_url: Annotated[str, About("where Grafana is")] = "http://127.0.0.1:3000"
    grafana_token: Annotated[str, About("service account token for `tapewatch grafana push`", secret=True)] = ""

    # --- alerts
    velocity_threshold: Annotated[float, About("percent that the price must move", 0.001, 1000)] = 0.5
    velocity_window_s: Annotated[int, About("within so many seconds of event time", 1, 60)] = 5
    velocity_cooldown_s: Annotated[int, About(
        "event time until the symbol is alerted again in the same direction", 0, 86_400
    )] = 300
    velocity_base: Annotated[Literal["previous_close", "window_start"], About(
        "what the percentage is of"
    )] = "previous_close"
    velocity_max_age_s: Annotated[int, About("how much older than the window the reference price may be", 0, 3600)] = 30
    rules: Annotated[str, About("file of alert rules")] = "alerts.toml"

    # --- Redis users
    password_ingest: Annotated[str, About(
        "of the Redis user `ingest`, for `tapewatch users apply`; empty: made up", secret=True
    )] = ""
    password_alerts: Annotated[str, About("of the Redis user `alerts`", secret=True)] = ""
    password_bridge: Annotated[str, About("of the Redis user `bridge`", secret=True)] = ""
    password_grafana: Annotated[str, About(
        "of the Redis user `grafana`, for Grafana's Redis data source", secret=True
    )] = ""

    # --- simulator of `run`
    sim_symbols: Annotated[int, About("symbols that trade", 1, 20_000)] = 100
    sim_rate: Annotated[float, About("bars a second in all", 0.1, 100_000)] = 40.0
    sim_seed: Annotated[int, About("the same seed, the same market")] = 1

    # --- logs
    log_format: Annotated[Literal["human", "json"], About("`json`: one JSON object a line", example="json")] = "human"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], About("the least level that is logged")] = "info"
    # fmt: on

    def __repr__(self) -> str:
        shown = {f: getattr(self, f) for f in self.__struct_fields__}
        for secret in SECRETS:
            shown[secret] = "***" if shown[secret] else ""
        shown |= {name: masked_url(value) for name, value in shown.items() if name.endswith("_url")}
        return f"Settings({shown})"

    @property
    def schema(self) -> Schema:
        """The store's layout that these settings ask for."""
        retention = dict(_RETENTION_SMALL if self.profile == "small" else _RETENTION_DEFAULT)
        for name in retention:
            retention[name] = getattr(self, f"retention_{name}") * 1000 or retention[name]
        labels = self.profile != "small" if self.labels is None else self.labels
        return Schema(retention, self.chunk_1s, self.chunk_rolled, labels)

    @property
    def aof_limit_mb(self) -> int:
        """What Redis's append-only file may grow by before it is rewritten whatever the hour."""
        return self.redis_aof_mb or _AOF_MB[self.profile]

    @property
    def holds_writes(self) -> bool:
        """Whether ingest holds its writes during every rewrite; else only where memory is short at that moment."""
        return self.profile == "small"

    @property
    def data_path(self) -> Path:
        """The data folder: the given one, else that of the market that ran last."""
        return Path(self.data_dir).expanduser() if self.data_dir else market_folder.current(self.simulated)

    @property
    def store_url(self) -> str:
        """The Redis to use: the given URL, else the embedded server's socket."""
        return self.redis_url or embedded.url(self.data_path)

    @property
    def simulated(self) -> bool:
        """Whether `run` brings its own market: no key and no feed was given."""
        return not self.api_key and not self.feed_url

    def effective(self) -> dict[str, Any]:
        """Every setting with the value that is used: the profile's where none was given."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        kept = {f"retention_{level}": ms // 1000 for level, ms in self.schema.retention_ms.items()}
        used = {
            "data_dir": str(self.data_path),
            "labels": self.schema.labels,
            "redis_aof_mb": self.aof_limit_mb,
            "redis_maxmemory_mb": self.maxmemory_mb,
        }
        return given | kept | used

    @property
    def maxmemory_mb(self) -> int:
        """The embedded server's limit in MB; 0: half of the machine's memory."""
        return self.redis_maxmemory_mb or (SMALL_MAXMEMORY_MB if self.profile == "small" else 0)

    @property
    def token_is_short(self) -> bool:
        """Whether the token is too short for an address beyond loopback: then the bridge stays on loopback."""
        return self.bridge_host not in LOOPBACK and 0 < len(self.token) < TOKEN_LENGTH

    @property
    def listen_host(self) -> str:
        """The address that the bridge listens on."""
        if self.token_is_short:
            return "::1" if ":" in self.bridge_host else "127.0.0.1"
        return self.bridge_host

    @property
    def bridge_address(self) -> str:
        """`http://host:port` at which this machine reaches the bridge."""
        # A server on `::` need not answer IPv4; on loopback it answers its own family.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.listen_host, self.listen_host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.bridge_port}"


def abouts() -> dict[str, About]:
    """Setting -> description, in the order of `Settings`."""
    found = {}
    for field in msgspec.structs.fields(Settings):
        found[field.name] = next((more for more in get_args(field.type) if isinstance(more, About)), About(""))
    return found


#: Settings whose value is never shown.
SECRETS = tuple(name for name, about in abouts().items() if about.secret)
#: Settings that are also read from a file of their name in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=).
CREDENTIALS = (*SECRETS, "redis_url")


def check(settings: Settings) -> None:
    """Raises BadSettings, one line, when a value is out of its limits or two do not go together."""
    for name, about in abouts().items():
        if about.low is not None and about.high is not None and not about.low <= getattr(settings, name) <= about.high:
            raise BadSettings(f"{PREFIX}{name.upper()} must lie between {about.low:g} and {about.high:g}")
    if settings.chunk_1s % 8 or settings.chunk_rolled % 8:
        raise BadSettings("chunk sizes must be multiples of 8 bytes")
    if settings.schema.lateness_ms < HOUR_MS / 4:
        raise BadSettings("TAPEWATCH_RETENTION_1S must be at least 4500 (an hour, the largest bucket, and 15 minutes)")
    for level in ("1m", "5m", "1h"):
        if settings.schema.retention_ms[level] < HOUR_MS:
            raise BadSettings(
                f"TAPEWATCH_RETENTION_{level.upper()} must be 0 (the profile's) or at least 3600, one hour"
            )
    for name, schemes in _SCHEMES.items():
        url = getattr(settings, name)
        if url and not url.lower().startswith(schemes):
            raise BadSettings(f"{PREFIX}{name.upper()} must begin with {' or '.join(schemes)}")
    check_origins(settings)


_ORIGIN = re.compile(r"https?://[^/?#@\s]+\Z")


def check_origins(settings: Settings) -> None:
    """Raises BadSettings for an origin that no browser sends: without scheme, or with a path."""
    for origin in filter(None, map(str.strip, settings.cors_origins.split(","))):
        if not _ORIGIN.match(origin):
            raise BadSettings(
                f"TAPEWATCH_CORS_ORIGINS: {origin[:80]!r} is no origin, expected scheme and host such as https://example.org"
            )


def check_listening(settings: Settings) -> None:
    """Raises BadSettings when the bridge would be open to others without a token; for those who start it."""
    if not settings.token and settings.bridge_host not in LOOPBACK:
        raise BadSettings(
            f"refusing to listen on {settings.bridge_host} without TAPEWATCH_TOKEN: set a token or stay on loopback"
        )

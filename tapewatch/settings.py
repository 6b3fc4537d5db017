"""Settings: `tapewatch.toml` (or --config), each overridable by an environment variable TAPEWATCH_<NAME>; secrets also
by a systemd credential of their name.

Unknown names stop the start. Secrets never appear in a repr.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from redis_functions.contract.schema import DAY_MS, Schema
from redis_functions.server import embedded
from redis_functions.server.connection import check_url
from vendor.vendors import DEFAULT

PREFIX = "TAPEWATCH_"
#: The vendor's real-time stock feed and REST base.
LIVE_FEED = DEFAULT.live_feed
LIVE_REST = DEFAULT.live_rest
KEY_VARIABLES = ("MASSIVE_API_KEY", "POLYGON_API_KEY")
#: Settings whose value is never shown.
SECRETS = (
    "token", "api_key", "grafana_token", "password_ingest", "password_alerts", "password_bridge", "password_grafana",
)  # fmt: skip

#: Settings that are also read from a file of their name in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=).
CREDENTIALS = (*SECRETS, "redis_url")

HOUR_MS = 3_600_000
_RETENTION_DEFAULT = {"1s": 2 * HOUR_MS, "1m": 7 * DAY_MS, "5m": 30 * DAY_MS, "1h": 365 * DAY_MS}
#: A small file is read soon after a crash of Redis (some 45 ms a MB); but a rewrite at the market's rate takes memory that a
#: small machine does not have, so there the file may hold a whole day.
_AOF_MB = {"default": 512, "small": 16_384}
_RETENTION_SMALL = {"1s": 2 * HOUR_MS, "1m": DAY_MS, "5m": 2 * DAY_MS, "1h": 10 * DAY_MS}
#: Ten years; and how the addresses must begin.
_LONGEST_RETENTION_S = 3653 * 86_400
_SCHEMES = {
    "feed_url": ("ws://", "wss://"),
    "rest_url": ("http://", "https://"),
    "bridge_url": ("http://", "https://"),
    "grafana_url": ("http://", "https://"),
}


class BadSettings(ValueError):
    """The settings cannot be used; the text is one clear line."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every setting with its default; `tapewatch config` prints them. Times in seconds unless the name ends in ms."""

    redis_url: str = ""  # empty: the embedded server's socket in the data folder
    feed_url: str = ""  # empty: the vendor's with a key, else the simulator
    rest_url: str = ""  # the vendor's REST base
    rest_per_second: float = 50.0
    subscribe: str = "A.*"
    feed_name: str = "stocks"
    data_dir: str = "data"
    profile: Literal["default", "small"] = "default"
    bridge_host: str = "127.0.0.1"
    bridge_port: int = 8080
    bridge_url: str = ""  # where Grafana reaches the bridge
    rate_limit: float = 500.0  # REST requests a second from one address; 0: any number
    allowed_hosts: str = ""  # comma list of names in Host that are answered without a token, besides loopback
    bridge_connections: int = 500  # open at once
    bridge_connections_per_address: int = 50
    bridge_proxies: str = ""  # comma list of proxies' addresses: no limits of one address; their X-Forwarded-For counts
    bridge_at_work: int = 8  # requests worked on at once; one address has at most a third of them
    bridge_queue_s: float = 5.0  # a request that waited so long to be worked on is answered with 503
    bridge_keep_alive_s: float = 5.0  # a connection without a request
    bridge_request_s: float = 10.0  # from a request's first byte to its last
    bridge_answer_s: float = 20.0  # for a client to read an answer
    bridge_in_flight_mb: int = 64  # answers being sent, of all clients
    push_port: int = 8081
    token: str = ""
    cors_origins: str = ""  # comma list of origins; empty: the Grafana of this box
    grafana_url: str = "http://127.0.0.1:3000"
    grafana_token: str = ""
    rules: str = "alerts.toml"
    api_key: str = ""  # or MASSIVE_API_KEY / POLYGON_API_KEY
    password_ingest: str = ""  # of Redis's users, for `tapewatch users apply`; empty: made up
    password_alerts: str = ""
    password_bridge: str = ""
    password_grafana: str = ""

    velocity_window_s: int = 5
    velocity_threshold: float = 0.5  # percent
    velocity_cooldown_s: int = 300
    velocity_base: Literal["previous_close", "window_start"] = "previous_close"
    velocity_max_age_s: int = 30

    labels: bool | None = None  # None: on, but off in the small profile
    retention_1s: int = 0  # seconds; 0: the profile's
    retention_1m: int = 0
    retention_5m: int = 0
    retention_1h: int = 0
    chunk_1s: int = 384
    chunk_rolled: int = 192
    redis_maxmemory_mb: int = 0  # of the embedded server; 0: the profile's
    redis_aof_mb: int = 0  # growth of the append-only file that is rewritten during the market too; 0: the profile's

    buffer_mb: int = 64  # newest frames kept in memory between reading the socket and working
    spool_mb: int = 2048  # raw frames on disk, in the data folder
    spool_hours: float = 24.0
    always_open: bool = False  # the market never closes: a simulated one
    stall_after_s: float = 30.0
    allow_plaintext_key: bool = False  # the key over ws:// or http:// to another machine

    sim_symbols: int = 100
    sim_rate: float = 40.0
    sim_seed: int = 1

    log_format: Literal["human", "json"] = "human"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __repr__(self) -> str:
        shown = {f: getattr(self, f) for f in self.__struct_fields__}
        for secret in SECRETS:
            shown[secret] = "***" if shown[secret] else ""
        shown["redis_url"] = "***" if "@" in self.redis_url else self.redis_url
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
    def data_path(self) -> Path:
        return Path(self.data_dir).expanduser()

    @property
    def store_url(self) -> str:
        """The Redis to use: the given URL, else the embedded server's socket."""
        return self.redis_url or embedded.url(self.data_path)

    @property
    def simulated(self) -> bool:
        """Whether `run` brings its own market: no key and no feed was given."""
        return not self.api_key and not self.feed_url


def load(config: Path | None, environ: Mapping[str, str]) -> Settings:
    """Reads the file (`tapewatch.toml` if it is there, when `config` is None), systemd's credentials over it, then the
    environment over both.

    Raises BadSettings with one line that names the file or variable.
    """
    values = {name: value for name, (value, _) in _gather(config, environ).items()}
    try:
        settings = msgspec.convert(values, Settings)
        if settings.redis_url:
            check_url(settings.redis_url)
    except ValueError as error:
        raise BadSettings(f"settings: {error}") from None
    _check(settings)
    return settings


def sources(config: Path | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Where each setting that has not its default was given: the file's or the variable's name."""
    return {name: source for name, (_, source) in _gather(config, environ).items()}


def _gather(config: Path | None, environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Name -> (value, source): the environment over credentials over the file, TAPEWATCH_API_KEY over the vendor's own."""
    path = config or Path("tapewatch.toml")
    found: dict[str, tuple[Any, str]] = {name: (value, str(path)) for name, value in _from_file(config).items()}
    found |= _from_credentials(environ.get("CREDENTIALS_DIRECTORY", ""))
    for variable in reversed(KEY_VARIABLES):
        if environ.get(variable):
            found["api_key"] = (environ[variable], variable)
    for variable, text in environ.items():
        if variable.startswith(PREFIX):
            name = variable[len(PREFIX) :].lower()
            if name not in Settings.__struct_fields__:
                raise BadSettings(f"{variable} is not a setting: `tapewatch config` lists them")
            found[name] = (_convert(name, text, variable), variable)
    return found


def _from_file(config: Path | None) -> dict[str, Any]:
    path = config or Path("tapewatch.toml")
    if config is None and not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings(f"{path}: {error}") from None
    for name in values:
        if name not in Settings.__struct_fields__:
            raise BadSettings(f"{path}: {name} is not a setting: `tapewatch config` lists them")
    return values


def _from_credentials(folder: str) -> dict[str, tuple[str, str]]:
    """What systemd laid down for this service: name -> (text without its closing line end, file)."""
    found = {}
    for name in CREDENTIALS if folder else ():
        path = Path(folder, name)
        if not path.exists():
            continue
        try:
            found[name] = (path.read_text().rstrip("\r\n"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise BadSettings(f"{path}: {why}") from None
        if not found[name][0]:
            raise BadSettings(f"{path}: the credential is empty")
    return found


def _convert(name: str, text: str, variable: str) -> Any:
    kind = next(f.type for f in msgspec.structs.fields(Settings) if f.name == name)
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        shown = "" if name in SECRETS else f" {text[:40]!r}"
        raise BadSettings(f"{variable}:{shown} is not a valid value") from None


def _check(settings: Settings) -> None:
    limits: dict[str, tuple[float, float]] = {
        "bridge_port": (1, 65535), "push_port": (1, 65535), "rest_per_second": (0.001, 1000),
        "rate_limit": (0, 1_000_000), "bridge_connections": (1, 10_000), "bridge_connections_per_address": (1, 10_000),
        "bridge_at_work": (1, 64), "bridge_queue_s": (0.1, 60), "bridge_keep_alive_s": (1, 600),
        "bridge_request_s": (1, 600), "bridge_answer_s": (1, 600), "bridge_in_flight_mb": (1, 4096),
        "velocity_window_s": (1, 60),
        "velocity_threshold": (0.001, 1000),
        "velocity_cooldown_s": (0, 86_400), "velocity_max_age_s": (0, 3600),
        "buffer_mb": (1, 4096), "spool_mb": (1, 1_000_000), "spool_hours": (0.01, 24 * 365),
        "stall_after_s": (1, 3600), "chunk_1s": (48, 1 << 20), "chunk_rolled": (48, 1 << 20),
        "sim_symbols": (1, 20_000), "sim_rate": (0.1, 100_000), "redis_maxmemory_mb": (0, 1 << 20),
        "redis_aof_mb": (0, 1 << 20),
        **{f"retention_{level}": (0, _LONGEST_RETENTION_S) for level in _RETENTION_DEFAULT},
    }  # fmt: skip
    for name, (low, high) in limits.items():
        if not low <= getattr(settings, name) <= high:
            raise BadSettings(f"{PREFIX}{name.upper()} must lie between {low:g} and {high:g}")
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
    if not settings.token and settings.bridge_host not in ("127.0.0.1", "::1", "localhost"):
        raise BadSettings(
            f"refusing to listen on {settings.bridge_host} without TAPEWATCH_TOKEN: set a token or stay on loopback"
        )

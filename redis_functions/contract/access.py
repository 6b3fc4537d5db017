"""Access lists: one Redis user for each process that needs no more than a part of the store, and what it may do.

A user has grants: commands on keys and channels. The first is its root permission, each other one a selector; a command is
allowed when one of them allows it with all its keys, so that a command which is fit for one key is not lent to another.

What cannot be held: RedisTimeSeries asks for read and write access to a key even where it only reads, so a reader has the
reading commands only, and no other command on series; TS.MRANGE, TS.MGET and TS.QUERYINDEX ignore key patterns and are
given to no user; TS.CREATERULE does not check its target, so `ingest`, which creates series, could let a rule write elsewhere;
SCAN, by which `ingest` finds the watchlists, shows the names of all keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote, urlsplit, urlunsplit

from redis import Redis

from redis_functions.contract import keys

#: What any client library sends to make a connection and keep it.
_SESSION = ("ping", "hello", "auth", "select", "client|setname", "client|setinfo", "client|id")
_SUBSCRIBE = ("subscribe", "psubscribe", "unsubscribe", "punsubscribe")
_READ_SERIES = ("ts.range", "ts.revrange", "ts.get", "ts.info")
_READ_PLAIN = (
    "get", "mget", "exists", "hget", "hmget", "hgetall", "smembers", "sismember", "scard", "xrange", "xrevrange", "xread",
    "xlen",
)  # fmt: skip
#: What the functions do inside; Redis asks there too.
_IN_FUNCTIONS = (
    "fcall", "fcall_ro", "get", "set", "del", "exists", "pexpire", "hget", "hset", "hlen", "xadd", "xlen", "xrange",
    "xrevrange", "zadd", "zscore", "zremrangebyscore",
)  # fmt: skip

_SERIES = (keys.series("*", "*", "*"),)
_STATS = (keys.stat("*"),)
_ALERT_SERIES = (keys.alert_series("*"),)
_ALERTS = (keys.ALERTS, keys.ALERTS_OWN)
_FEED = tuple(f"{key}{rest}" for key in (keys.lease("*"), keys.watermark("*"), keys.gaps("*")) for rest in ("", ":*"))
_WATCHLISTS = (keys.watchlist("*"), keys.watchlist_settings("*"))
_MARKET = (keys.SYMBOLS, keys.MOVERS, keys.HALTED, keys.latest("*"), keys.PREVIOUS_CLOSES)
_BARS = (keys.CHANNEL_BARS, keys.channel_bars("*"))


@dataclass(frozen=True)
class Grant:
    """`commands` on `keys` (patterns; read-only ones in `reads`) and `channels`."""

    commands: tuple[str, ...]
    keys: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    def rules(self) -> list[str]:
        """As ACL SETUSER takes them."""
        allowed = [f"+{command}" for command in dict.fromkeys(self.commands)]
        patterns = [f"~{key}" for key in self.keys] + [f"%R~{key}" for key in self.reads]
        return ["-@all", *allowed, *patterns, *(f"&{channel}" for channel in self.channels)]


@dataclass(frozen=True)
class User:
    """One user; `purpose` describes it for people."""

    name: str
    purpose: str
    grants: tuple[Grant, ...]

    def rules(self) -> list[str]:
        """All but state and password, as ACL SETUSER takes them; they replace whatever the user was allowed before."""
        root, *selectors = self.grants
        return [
            "resetkeys", "resetchannels", "clearselectors", *root.rules(),
            *(f"({' '.join(grant.rules())})" for grant in selectors),
        ]  # fmt: skip


INGEST = User(
    "ingest",
    "the feed into the store: bars, alerts of velocity, gaps, lease and watermark, statistics",
    (
        Grant(
            (
                *_SESSION, *_READ_SERIES, "ts.create", "ts.createrule", "ts.add", "ts.madd", "ts.del", "info", "time", "publish",
                "multi", "exec", "discard", "scan", "bgrewriteaof",
            ),
            (*_SERIES, *_STATS, *_ALERT_SERIES),
            channels=(*_BARS, keys.CHANNEL_ALERTS),
        ),
        Grant((*_IN_FUNCTIONS, "hmget", "hgetall", "expire"), (*_ALERTS, *_FEED, keys.late("*"))),
        # A late print is merged by a function that has the series of its symbol among its keys.
        Grant(("fcall", "fcall_ro"), (*_SERIES, keys.late("*"))),
        Grant(("get", "set"), (keys.latest("*"), keys.MOVERS)),
        Grant(("get", "set", "del"), (keys.metrics("ingest"),)),
        Grant(("sadd", "smembers", "scard"), (keys.SYMBOLS,)),
        Grant(("hset", "hdel", "hgetall", "del"), (keys.HALTED,)),
        Grant(("hsetnx", "hmget", "hgetall"), (keys.STORE,)),
        Grant(("type",), ("*",)),
        Grant(("hset", "hget", "hmget", "hgetall", "expire"), (keys.PREVIOUS_CLOSES,)),
        Grant((*_READ_PLAIN, "sscan"), reads=_WATCHLISTS),
    ),
)  # fmt: skip

ALERTS = User(
    "alerts",
    "rules over bars: reads the market, raises alerts and keeps their receipts",
    (
        Grant(
            (*_SESSION, *_READ_SERIES, *_SUBSCRIBE, "time"), _SERIES, channels=_BARS
        ),
        Grant(
            (*_IN_FUNCTIONS, "hdel", "hgetall", "hmget", "expire", "xread", "zrange", "zrem", "zcard"), _ALERTS
        ),
        Grant(("ts.add", "ts.range", "ts.get"), _ALERT_SERIES),
        Grant(("publish",), channels=(keys.CHANNEL_ALERTS,)),
        Grant(("get", "set", "del"), (keys.metrics("alerts"),)),
        Grant(_READ_PLAIN, reads=(*_MARKET, *_WATCHLISTS)),
    ),
)  # fmt: skip

BRIDGE = User(
    "bridge",
    "the REST API: reads the store, writes watchlists",
    (
        Grant(
            (*_SESSION, *_READ_SERIES, *_SUBSCRIBE, "multi", "exec", "discard"),
            (*_SERIES, *_STATS, *_ALERT_SERIES),
            channels=(*_BARS, keys.CHANNEL_ALERTS),
        ),
        Grant(_READ_PLAIN, reads=(*_MARKET, *_ALERTS, *_FEED, *_WATCHLISTS, keys.metrics("*"))),
        Grant(("sadd", "srem", "hset", "hdel", "del"), _WATCHLISTS),
    ),
)

GRAFANA = User(
    "grafana",
    "Grafana's Redis data source: reads series, last bars and movers, by command or by the functions for people",
    (
        # TS.REVRANGE is what the function `candles` needs; with the aggregations first and last it swaps them.
        Grant((*_SESSION, *_READ_SERIES, "fcall_ro", "info", "command"), (*_SERIES, *_STATS, *_ALERT_SERIES)),
        Grant(("get", "fcall_ro"), reads=(keys.MOVERS, keys.latest("*"))),
    ),
)

USERS: dict[str, User] = {user.name: user for user in (INGEST, ALERTS, BRIDGE, GRAFANA)}


def exists(client: Redis, name: str) -> bool:
    """Whether Redis knows the user. Raises redis.RedisError."""
    return client.acl_getuser(name) is not None


def apply(client: Redis, user: User, password: str | None) -> None:
    """Makes `user` what it is here, in one step; None keeps the passwords it has. Raises redis.RedisError.

    Only the password's hash is sent, so that no monitor or log of Redis can show it.
    """
    secret = [] if password is None else ["resetpass", f"#{sha256(password.encode()).hexdigest()}"]
    client.execute_command("ACL", "SETUSER", user.name, "on", *secret, *user.rules())


def save(client: Redis) -> bool:
    """Keeps the users over a restart; False where this Redis has no file for them. Raises redis.RedisError."""
    if not client.config_get("aclfile").get("aclfile"):
        return False
    client.execute_command("ACL", "SAVE")
    return True


def default_is_open(client: Redis) -> bool:
    """Whether a client without a name needs no password and may do everything. Raises redis.RedisError."""
    found = client.acl_getuser("default")
    flags = found["flags"] if found else []
    return isinstance(flags, list) and "on" in flags and "nopass" in flags


def url_for(url: str, name: str, password: str) -> str:
    """`url` with this user in place of the one it has."""
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(name, safe='')}:{quote(password, safe='')}@{where}"))


def described(users: Iterable[User]) -> str:
    """The users with their rules, for people and for an aclfile; without passwords, so nobody can log in with it."""
    blocks = []
    for user in users:
        words = " ".join(rule for rule in user.rules() if rule != "clearselectors")
        blocks.append(f"# {user.name}: {user.purpose}\nuser {user.name} on {words}")
    return "\n".join(blocks)

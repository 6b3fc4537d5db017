"""Redis: reachable, new enough, configured for durable time series, and in accordance with the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from redis import Redis
from redis.exceptions import RedisError

from redis_functions.lua import loader
from redis_functions.read import process_metrics
from redis_functions.server import embedded, inspection
from redis_functions.server.connection import connect, connect_async
from redis_functions.server.inspection import OLDEST_MODULE, Server
from redis_functions.write.store_stamp import foreign_series
from tapewatch.commands.config import shown
from tapewatch.commands.redis import is_locked
from tapewatch.doctor.finding import TIMEOUT_S, Finding, fail, ok, warn
from tapewatch.settings import Settings

MIB = 1 << 20
#: Shares of maxmemory: from the first a warning, from the second Redis will soon reject writes.
FULL_WARN, FULL_FAIL = 0.8, 0.97
#: Series that are looked at for those of other programs: the whole market has some 300,000.
MAX_SCANNED = 500_000


def findings(settings: Settings) -> list[Finding]:
    """Findings about Redis; only the first when Redis does not answer."""
    where = str(shown("redis_url", settings.store_url))
    with connect(settings.store_url, timeout=TIMEOUT_S) as client:
        try:
            client.ping()
            server = inspection.server(client)
        except RedisError as error:
            return [unreachable(settings, where, error)]
        found = [version(server, where), module(server)]
        found += [eviction(server), persistence(server), fullness(server), io_threads(server)]
        if server.module:
            found += [
                _asked("functions", partial(functions, client)),
                _asked("rules", partial(rules, client, settings)),
                _asked("ingest", partial(heartbeat, client)),
                _asked("other programs", partial(other_programs, settings.store_url)),
            ]
        return found


def unreachable(settings: Settings, where: str, error: RedisError) -> Finding:
    """Why Redis does not answer, as far as that shows here."""
    if settings.redis_url:
        return fail("redis", f"{where} does not answer: {error}", "check TAPEWATCH_REDIS_URL and that server")
    if is_locked(settings.data_path) and not embedded.socket_path(settings.data_path).exists():
        detail = f"a server runs, but its socket {embedded.socket_path(settings.data_path)} was deleted"
        return fail("redis", detail, "restart it: systemctl restart tapewatch-redis (tapewatch run does so by itself)")
    return fail("redis", f"{where} does not answer: {error}", "start it: tapewatch run")


def version(server: Server, where: str) -> Finding:
    """Redis 7.4 before 7.4.6 has known faults in Lua that any Redis user can exploit, over the network with a stolen password."""
    numbers = [int(part) if part.isdigit() else 0 for part in server.version.split(".")[:3]]
    detail = f"{server.version} at {where}"
    if (7, 0) <= tuple(numbers[:2]) <= (7, 4) and tuple(numbers) < (7, 4, 6):
        if not where.startswith("unix://"):
            return warn("redis", f"{detail} has known faults in Lua that any Redis user can exploit", "use Redis 8")
        detail += "; on its owner's socket alone: it has known faults in Lua that any Redis user can exploit"
    return ok("redis", detail)


def _asked(what: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except RedisError as error:
        return warn(what, f"unknown: {error}", "allow this user the commands that tapewatch needs")


def module(server: Server) -> Finding:
    """RedisTimeSeries, new enough."""
    if not server.module:
        return fail("time series", "the module RedisTimeSeries is missing", "use Redis 8 (image redis:8)")
    detail = f"RedisTimeSeries {server.module_version}"
    if server.module < OLDEST_MODULE:
        return fail("time series", f"{detail} is too old", "use Redis 8, or the module from 1.10 on")
    return ok("time series", detail)


def eviction(server: Server) -> Finding:
    """Every policy but noeviction evicts whole series."""
    if server.policy is None:
        return warn("eviction", "the policy is unknown", "make sure that it is noeviction")
    if server.policy != "noeviction":
        return fail("eviction", f"{server.policy} evicts whole series", "CONFIG SET maxmemory-policy noeviction")
    return ok("eviction", "noeviction, logical database 0")


def persistence(server: Server) -> Finding:
    """An append-only file, without which a restart loses the day."""
    if not server.append_ok:
        return fail(
            "persistence", "the append-only file could not be written", "see Redis's log and the free disk space"
        )
    if not server.append_only:
        return warn("persistence", "no append-only file: a restart loses data", "CONFIG SET appendonly yes")
    return ok("persistence", "append-only file on")


def fullness(server: Server) -> Finding:
    """Used memory against maxmemory."""
    if not server.maxmemory:
        return ok("redis memory", f"{server.used_memory / MIB:.0f} MiB used, no limit")
    part = server.used_memory / server.maxmemory
    detail = f"{server.used_memory / MIB:.0f} of {server.maxmemory / MIB:.0f} MiB used ({part:.0%})"
    if part < FULL_WARN:
        return ok("redis memory", detail)
    fix = "shorter retentions and `tapewatch schema apply`, fewer symbols, or a higher limit"
    return (fail if part >= FULL_FAIL else warn)("redis memory", detail, fix)


def io_threads(server: Server) -> Finding:
    """More than one thread doubles the server's CPU for our single, pipelined writer."""
    if server.io_threads is not None and server.io_threads > 1:
        return warn("io threads", f"{server.io_threads}: costs more than it brings here", "io-threads 1 in redis.conf")
    return ok("io threads", "1" if server.io_threads else "unknown: this user may not use CONFIG")


def functions(client: Redis) -> Finding:
    """The Redis Functions of this version."""
    loaded, ours = loader.version_of(client), loader.library().version
    if loaded == ours:
        return ok("functions", f"version {loaded}")
    detail = "not loaded" if loaded is None else f"version {loaded} is loaded, expected {ours}"
    return fail("functions", detail, "tapewatch functions load")


def heartbeat(client: Redis) -> Finding:
    """Whether ingest runs: it renews its metrics every few seconds."""
    if process_metrics.alive(client, "ingest"):
        return ok("ingest", "running")
    return warn("ingest", "not running", "tapewatch run, or systemctl start tapewatch-ingest")


def other_programs(url: str) -> Finding:
    """Series that begin like ours and are another program's."""

    async def ask() -> list[str]:
        async with connect_async(url, timeout=TIMEOUT_S) as client:
            return await foreign_series(client, MAX_SCANNED)

    found = asyncio.run(ask())
    if not found:
        return ok("other programs", "no series but those of tapewatch")
    detail = f"this database also holds series of another program, such as {', '.join(found[:3])}"
    return warn("other programs", detail, "they are left alone; give tapewatch a Redis of its own")


def rules(client: Redis, settings: Settings) -> Finding:
    """The series and compaction rules of one symbol against the settings."""
    symbol = inspection.sample_symbol(client)
    if symbol is None:
        return ok("rules", "no symbol yet")
    found = inspection.differences(client, symbol, settings.schema)
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return fail("rules", f"{found[0]}{more}", "tapewatch schema apply")
    return ok("rules", f"series and rules of {symbol} are as the settings have them")

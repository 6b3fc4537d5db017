"""The machine: Python, data folder, disk, memory, and whether the embedded server can run here."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

from market.holidays import covers
from market.sessions import NEW_YORK
from redis_functions.server import embedded
from tapewatch.disk_plan import room_mib, shortage
from tapewatch.doctor.finding import Finding, fail, ok, warn
from tapewatch.settings import CREDENTIALS, KEY_VARIABLES, PREFIX, TOKEN_LENGTH, Settings
from tapewatch.trusted_files import changeable_by_others, readable_by_others

GIB = 1 << 30
#: With less free Redis cannot rewrite its append-only file any more.
DISK_FAIL_MIB = 512
#: Where `make install` puts the settings of the units.
CONFIGURATION = Path("/etc/tapewatch")
#: For the whole market: in the default profile (labels, a week of minutes, the fork of a rewrite); in small.
MEMORY_DEFAULT, MEMORY_SMALL = 3 * GIB, 900 << 20

OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")
MEMINFO = Path("/proc/meminfo")


def findings(settings: Settings, given: Mapping[str, str]) -> list[Finding]:
    """Findings about this machine; `given` is the source of each setting."""
    found = [
        ok("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ok("settings", _settings(settings, given)),
        *settings_files(given),
        token(settings),
        data_folder(settings),
        memory(settings, MEMINFO),
        calendar(datetime.now(NEW_YORK).date()),
    ]
    if not settings.redis_url:
        found += [embedded_server(settings.data_path), overcommit(OVERCOMMIT)]
    return found


def token(settings: Settings) -> Finding:
    """A token that is used beyond loopback must be long."""
    if settings.token_is_short:
        detail = f"{len(settings.token)} characters: the bridge stays on loopback instead of {settings.bridge_host}"
        return fail("token", detail, f"set at least {TOKEN_LENGTH}: openssl rand -hex 24")
    return ok("token", "set" if settings.token else "none: only loopback is bound")


def _settings(settings: Settings, given: Mapping[str, str]) -> str:
    files = sorted({source for source in given.values() if not source.startswith((PREFIX, *KEY_VARIABLES))})
    where = f" from {', '.join(files)} and the environment" if files else " from the environment" if given else ""
    return f"profile {settings.profile}, {len(given)} of {len(Settings.__struct_fields__)} given{where}"


def data_folder(settings: Settings) -> Finding:
    """Checks that the data folder is writable (before the first start: can be created), its owner's alone, and that its disk
    has space for a day of the market."""
    what, folder, place = "data folder", settings.data_path.resolve(), settings.data_path.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return fail(what, f"{folder} cannot be written", "set TAPEWATCH_DATA_DIR, or make this user its owner")
    if why := changeable_by_others(folder):
        return fail(what, f"{folder} cannot be trusted", why)
    free, _ = room_mib(settings.data_path)
    detail = f"{folder}, {free / 1024:.1f} GiB free"
    if free < DISK_FAIL_MIB:
        return fail(what, detail, "free disk space: Redis stops writing when the disk is full")
    if short := shortage(settings):
        return warn(what, f"{folder}: {short}", "a larger disk, a lower TAPEWATCH_SPOOL_MB, or TAPEWATCH_PROFILE=small")
    if readable_by_others(folder):
        return warn(what, f"others can read {folder}", f"chmod 700 {folder}")
    return ok(what, detail)


def settings_files(given: Mapping[str, str], folder: Path = CONFIGURATION) -> list[Finding]:
    """Names the files that others can read: those that a secret comes from, and the environment files of the units."""
    variables = (PREFIX, *KEY_VARIABLES)
    secret = {
        Path(source) for name, source in given.items() if name in CREDENTIALS and not source.startswith(variables)
    }
    return [
        warn("settings file", f"others can read {path}, which may hold secrets", f"chmod 600 {path}")
        for path in sorted(secret | set(folder.glob("*.env")))
        if readable_by_others(path)
    ]


def memory(settings: Settings, meminfo: Path) -> Finding:
    """The machine's memory against what the profile needs for the whole market."""
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        total = int(lines["MemTotal"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return ok("memory", "unknown on this system")
    detail = f"{total / GIB:.1f} GiB, profile {settings.profile}"
    if total < MEMORY_SMALL:
        return warn("memory", detail, "the whole market needs 1 GiB: subscribe to fewer symbols (TAPEWATCH_SUBSCRIBE)")
    if settings.profile != "small" and total < MEMORY_DEFAULT and not settings.simulated:
        return warn("memory", detail, "TAPEWATCH_PROFILE=small fits the whole market into 1 GiB")
    return ok("memory", detail)


def calendar(today: date) -> Finding:
    """Whether the exchanges' holidays of this year are known."""
    if covers(today):
        return ok("calendar", f"the exchanges' holidays of {today.year} are known")
    detail = f"the exchanges' holidays of {today.year} are not known: every weekday counts as a trading day"
    return warn("calendar", detail, "upgrade tapewatch")


def embedded_server(folder: Path) -> Finding:
    """Whether the embedded Redis can run here."""
    try:
        server = embedded.check()
    except embedded.CannotServe as error:
        return fail("embedded Redis", "cannot run here", str(error))
    path = embedded.socket_path(folder)
    if len(os.fsencode(path)) > embedded.SOCKET_PATH_BYTES:
        return fail(
            "embedded Redis", f"the path of {path} is too long for a socket", "choose a shorter TAPEWATCH_DATA_DIR"
        )
    return ok("embedded Redis", str(server))


def overcommit(path: Path) -> Finding:
    """The kernel's setting that Redis asks for, where there is one."""
    try:
        value = path.read_text().strip()
    except OSError:
        return ok("overcommit", "not applicable to this system")
    if value == "1":
        return ok("overcommit", "vm.overcommit_memory is 1")
    return warn(
        "overcommit",
        f"vm.overcommit_memory is {value}: a rewrite of the append-only file may fail when memory is short",
        "sudo sysctl vm.overcommit_memory=1 (`make install` makes it permanent)",
    )

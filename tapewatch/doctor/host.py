"""The machine: Python, data folder, disk, memory, and whether the embedded server can run here."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path

from redis_functions.server import embedded
from tapewatch.doctor.finding import Finding, fail, ok, warn
from tapewatch.settings import KEY_VARIABLES, PREFIX, Settings

GIB = 1 << 30
#: The append-only file grows by some GB on a busy day before it is rewritten.
DISK_FAIL, DISK_WARN = GIB, 5 * GIB
#: For the whole market: in the default profile (labels, a week of minutes, the fork of a rewrite); in small.
MEMORY_DEFAULT, MEMORY_SMALL = 3 * GIB, 900 << 20

OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")
MEMINFO = Path("/proc/meminfo")


def findings(settings: Settings, given: Mapping[str, str]) -> list[Finding]:
    """Findings about this machine; `given` is the source of each setting."""
    found = [
        ok("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ok("settings", _settings(settings, given)),
        data_folder(settings.data_path),
        memory(settings, MEMINFO),
    ]
    if not settings.redis_url:
        found += [embedded_server(settings.data_path), overcommit(OVERCOMMIT)]
    return found


def _settings(settings: Settings, given: Mapping[str, str]) -> str:
    files = sorted({source for source in given.values() if not source.startswith((PREFIX, *KEY_VARIABLES))})
    where = f" from {', '.join(files)} and the environment" if files else " from the environment" if given else ""
    return f"profile {settings.profile}, {len(given)} of {len(Settings.__struct_fields__)} given{where}"


def data_folder(folder: Path) -> Finding:
    """Checks that the data folder is writable (before the first start: can be created) and its disk has space."""
    what, place = "data folder", folder.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return fail(
            what, f"{folder.resolve()} cannot be written", "set TAPEWATCH_DATA_DIR, or make this user its owner"
        )
    free = shutil.disk_usage(place).free
    detail = f"{folder.resolve()}, {free / GIB:.1f} GiB free"
    if free < DISK_FAIL:
        return fail(what, detail, "free disk space: Redis stops writing when the disk is full")
    if free < DISK_WARN:
        return warn(what, detail, "free disk space: the append-only file may grow by some GiB in a day")
    return ok(what, detail)


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


def embedded_server(folder: Path) -> Finding:
    """Whether the embedded Redis can run here."""
    try:
        server, _ = embedded.binaries()
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

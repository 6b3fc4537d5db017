"""Runs the Grafana of this machine with our provisioning; GF_… variables of the user override it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from grafana.build import DIST, HERE
from grafana.query import DATASOURCE_TYPE

#: Where packages put Grafana: apt and dnf, Homebrew on Apple silicon, Homebrew elsewhere.
PACKAGED_HOMES = (
    Path("/usr/share/grafana"),
    Path("/opt/homebrew/opt/grafana/share/grafana"),
    Path("/usr/local/opt/grafana/share/grafana"),
    Path("/home/linuxbrew/.linuxbrew/opt/grafana/share/grafana"),
)
#: Where packages keep the plugins that `grafana cli` installed.
PACKAGED_PLUGINS = (
    Path("/var/lib/grafana/plugins"),
    Path("/opt/homebrew/var/lib/grafana/plugins"),
    Path("/usr/local/var/lib/grafana/plugins"),
)

HOW_TO_GET_ONE = (
    "set GRAFANA_HOME to an unpacked Grafana 11.6 or newer (a folder with bin/grafana, conf/ and public/), "
    "or install its package (https://grafana.com/grafana/download, or `brew install grafana`), "
    "or use `docker compose up`"
)


class CannotRun(RuntimeError):
    """No usable Grafana was found; the message is one line with the remedy."""


@dataclass(frozen=True)
class Installation:
    """A Grafana: its binary, and the folder with conf/ and public/."""

    binary: Path
    home: Path


def find(environ: Mapping[str, str], homes: Iterable[Path] = PACKAGED_HOMES) -> Installation:
    """The Grafana of GRAFANA_HOME, else an installed package. Raises CannotRun."""
    if given := environ.get("GRAFANA_HOME"):
        home = Path(given).expanduser().resolve()
        missing = [name for name in ("bin/grafana", "conf", "public") if not (home / name).exists()]
        if missing:
            raise CannotRun(f"GRAFANA_HOME={given} is not a Grafana (no {', '.join(missing)}): {HOW_TO_GET_ONE}")
        return Installation(home / "bin" / "grafana", home)
    for candidate in _candidates(environ, homes):
        if (
            (candidate.home / "conf").is_dir()
            and (candidate.home / "public").is_dir()
            and os.access(candidate.binary, os.X_OK)
        ):
            return candidate
    raise CannotRun(f"no Grafana found: {HOW_TO_GET_ONE}")


def _candidates(environ: Mapping[str, str], homes: Iterable[Path]) -> Iterable[Installation]:
    for home in homes:
        yield Installation(home / "bin" / "grafana", home)
        yield Installation(home.parent.parent / "bin" / "grafana", home)
    if on_path := shutil.which("grafana", path=environ.get("PATH", "")):
        binary = Path(on_path).resolve()
        root = binary.parent.parent
        yield Installation(binary, root)
        yield Installation(binary, root / "share" / "grafana")


def command(grafana: Installation, environ: Mapping[str, str]) -> list[str]:
    """The server's command line. It has no further options, as they would override the environment."""
    config = environ.get("GF_PATHS_CONFIG") or str(HERE / "grafana.ini")
    return [str(grafana.binary), "server", "--homepath", str(grafana.home), "--config", config]


def environment(environ: Mapping[str, str], bridge_url: str, token: str, folder: Path) -> dict[str, str]:
    """The environment of the server: the user's, and our values for what it does not set.

    `folder` holds its database, plugins and secrets; it is created with mode 0700. Raises CannotRun.
    """
    ours = {
        "GF_PATHS_DATA": str(folder),
        "GF_PATHS_LOGS": str(folder / "log"),
        "GF_PATHS_PLUGINS": str(folder / "plugins"),
        "GF_PATHS_PROVISIONING": str(HERE / "provisioning"),
    }
    listen = environ.get("GF_SERVER_HTTP_ADDR", "")
    if listen not in ("", "0.0.0.0", "::"):
        ours["GF_SERVER_DOMAIN"] = listen  # grafana.ini enforces the domain of loopback
    out = ours | {name: value for name, value in environ.items() if value or name not in ours}
    data = Path(out["GF_PATHS_DATA"])
    try:
        for path in (folder, data):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _add_secrets(out, data)
    except OSError as error:
        raise CannotRun(f"cannot use Grafana's data folder {data}: {error.strerror}") from None
    out["TAPEWATCH_BRIDGE_URL"] = bridge_url
    out["TAPEWATCH_TOKEN"] = token
    out["GRAFANA_BRIDGE_AUTH"] = "bearerToken" if token else "none"
    out["GRAFANA_DASHBOARDS"] = str(DIST)
    return out


def _add_secrets(environ: dict[str, str], data: Path) -> None:
    """Sets a password for `admin` and a key for the database, generated once, in place of Grafana's public defaults."""
    known = {"GF_SECURITY_ADMIN_PASSWORD": "admin-password", "GF_SECURITY_SECRET_KEY": "secret-key"}
    for variable, name in known.items():
        path = data / name
        # An existing database was created with other secrets.
        if environ.get(variable) or ((data / "grafana.db").exists() and not path.exists()):
            continue
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(24) + "\n")
        environ[variable] = path.read_text().strip()


def has_plugin(folder: Path) -> bool:
    """Whether the Infinity data source is among the plugins of `folder`."""
    for manifest in (folder / "plugin.json", *folder.glob("*/plugin.json"), *folder.glob("*/*/plugin.json")):
        try:
            if json.loads(manifest.read_bytes()).get("id") == DATASOURCE_TYPE:
                return True
        except (OSError, ValueError, AttributeError):
            continue
    return False


def provide_plugin(
    grafana: Installation, environ: dict[str, str], given: bool, elsewhere: Iterable[Path] = PACKAGED_PLUGINS
) -> None:
    """Makes sure that GF_PATHS_PLUGINS has the Infinity data source. Raises CannotRun with the command that installs it.

    Looks where packages keep plugins, then runs Grafana's own installer. A folder that the user named (`given`) is not
    changed: a missing plugin is reported, and Grafana runs without it.
    """
    preinstalled = f"{environ.get('GF_PLUGINS_PREINSTALL_SYNC', '')},{environ.get('GF_PLUGINS_PREINSTALL', '')}"
    folder = Path(environ["GF_PATHS_PLUGINS"])
    if has_plugin(folder) or has_plugin(grafana.home / "plugins-bundled") or DATASOURCE_TYPE in preinstalled:
        return
    install = [str(grafana.binary), "cli", "--homepath", str(grafana.home), "--pluginsDir", str(folder)]
    install += ["plugins", "install", DATASOURCE_TYPE]
    how = f"the plugin {DATASOURCE_TYPE} is not in {folder}: install it with `{' '.join(install)}`"
    if given:
        print(f"tapewatch: {how}", file=sys.stderr, flush=True)
        return
    for other in (grafana.home / "data" / "plugins", *elsewhere):
        if has_plugin(other):
            environ["GF_PATHS_PLUGINS"] = str(other)
            return
    print(f"tapewatch: installing Grafana's plugin {DATASOURCE_TYPE} into {folder}", file=sys.stderr, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(install, stdin=subprocess.DEVNULL, env=environ)
    if done.returncode != 0 or not has_plugin(folder):
        raise CannotRun(how)


def address(environ: Mapping[str, str]) -> str:
    """The URL of the server, as seen from this machine."""
    host = environ.get("GF_SERVER_HTTP_ADDR") or "127.0.0.1"
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    if ":" in host:
        host = f"[{host}]"
    return f"{environ.get('GF_SERVER_PROTOCOL') or 'http'}://{host}:{environ.get('GF_SERVER_HTTP_PORT') or 3000}/"

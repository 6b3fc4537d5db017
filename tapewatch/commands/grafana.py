"""`tapewatch grafana build|push|run`: write the dashboards' JSON, upload it, run a Grafana with it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from grafana import build, server, upload
from market.printable import printable
from tapewatch.cli import CannotGoOn
from tapewatch.settings import Settings

HELP = "dashboards: regenerate their JSON, upload them, or run a Grafana that shows them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    text = "regenerate the dashboards' JSON in grafana/dist"
    one = actions.add_parser("build", help=text, description=text)
    one.add_argument("--check", action="store_true", help="write nothing: exit 1 when the JSON differs from the code")
    text = "upload the dashboards to a running Grafana, with the token in TAPEWATCH_GRAFANA_TOKEN"
    one = actions.add_parser("push", help=text, description=text)
    one.add_argument("--url", help="Grafana's address (default: the setting grafana_url)")
    one.add_argument("--datasource", action="store_true", help="also create or update the data source `tapewatch`")
    text = "run the Grafana under GRAFANA_HOME, or an installed one, in the foreground with our dashboards"
    actions.add_parser("run", help=text, description=text)


def run(args: argparse.Namespace, settings: Settings) -> int:
    if args.action == "build":
        return _check() if args.check else _build()
    if args.action == "push":
        return _push(args.url or settings.grafana_url, args.datasource, settings)
    return _run(settings)


def bridge_url(settings: Settings) -> str:
    """Where Grafana reaches the bridge: the setting, else the bridge of this machine."""
    if settings.bridge_url:
        return settings.bridge_url.rstrip("/")
    host = "127.0.0.1" if settings.bridge_host in ("", "0.0.0.0", "::") else settings.bridge_host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.bridge_port}"


def _build() -> int:
    try:
        paths = build.write()
    except OSError as error:
        raise CannotGoOn(f"cannot write the dashboards: {error}") from None
    print("\n".join(str(path) for path in paths))
    return 0


def _check() -> int:
    changed = build.differences()
    if changed:
        print(f"tapewatch: not up to date: {', '.join(changed)}; run `tapewatch grafana build`", file=sys.stderr)
    return 1 if changed else 0


def _push(url: str, with_datasource: bool, settings: Settings) -> int:
    if not settings.grafana_token:
        raise CannotGoOn("TAPEWATCH_GRAFANA_TOKEN is not set: create a service account token in Grafana")
    try:
        there = upload.Grafana(url, settings.grafana_token)
        if with_datasource:
            there.push_datasource(bridge_url(settings), settings.token)
        there.push_folder()
        for make in build.DASHBOARDS.values():
            made = make()
            print(f"{made['title']}: {url.rstrip('/')}{there.push_dashboard(made)}")
        if not with_datasource and not there.has_datasource():
            print("tapewatch: that Grafana has no data source `tapewatch` yet: push with --datasource", file=sys.stderr)
    except upload.UploadError as error:
        if error.refused:
            raise CannotGoOn(str(error)) from None
        print(printable(f"tapewatch: {error}"), file=sys.stderr)
        return 1
    return 0


def _run(settings: Settings) -> int:
    try:
        found = server.find(os.environ)
        folder = settings.data_path.resolve() / "grafana"
        environ = server.environment(os.environ, bridge_url(settings), settings.token, folder)
        server.provide_plugin(found, environ, given=bool(os.environ.get("GF_PATHS_PLUGINS")))
    except server.CannotRun as error:
        raise CannotGoOn(str(error)) from None
    password = Path(environ["GF_PATHS_DATA"]) / "admin-password"
    login = f"; to edit, log in as admin with the password in {password}" if password.exists() else ""
    print(f"dashboards  {server.address(environ)}  (bridge {environ['TAPEWATCH_BRIDGE_URL']}{login})", flush=True)
    command = server.command(found, environ)
    try:
        # Grafana replaces this process, so that signals and supervisors reach it directly.
        os.execve(command[0], command, environ)
    except OSError as error:
        raise CannotGoOn(f"cannot run {command[0]}: {error.strerror}") from None

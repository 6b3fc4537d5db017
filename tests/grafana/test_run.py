"""`tapewatch grafana run`: which Grafana is run, with what, and the error when there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grafana import server
from grafana.build import DIST, HERE
from tests.grafana.fake_grafana import Home, put_plugin


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def clean_environment(**more: str) -> dict[str, str]:
    hidden = ("GF_", "GRAFANA_", "TAPEWATCH_", "MASSIVE_", "POLYGON_")
    return {k: v for k, v in os.environ.items() if not k.startswith(hidden)} | more


def grafana_run(tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tapewatch", "grafana", "run"],
        cwd=tmp_path,
        env=clean_environment(TAPEWATCH_DATA_DIR=str(tmp_path / "d"), **env),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_runs_it_with_our_provisioning(home: Home, tmp_path: Path) -> None:
    put_plugin(tmp_path / "d" / "grafana" / "plugins")
    done = grafana_run(tmp_path, GRAFANA_HOME=str(home.path))
    assert done.returncode == 0, done.stderr
    (call,) = home.calls
    config = str(HERE / "grafana.ini")
    assert call["argv"] == ["server", "--homepath", str(home.path), "--config", config]
    data = tmp_path / "d" / "grafana"
    expected = {
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_LOGS": str(data / "log"),
        "GF_PATHS_PLUGINS": str(data / "plugins"),
        "GF_PATHS_PROVISIONING": str(HERE / "provisioning"),
        "TAPEWATCH_BRIDGE_URL": "http://127.0.0.1:8080",
        "TAPEWATCH_TOKEN": "",
        "GRAFANA_BRIDGE_AUTH": "none",
        "GRAFANA_DASHBOARDS": str(DIST),
    }
    assert {name: call["env"].get(name) for name in expected} == expected
    assert "http://127.0.0.1:3000/" in done.stdout
    assert str(data / "admin-password") in done.stdout


def test_secrets_are_kept_and_for_the_owner_only(home: Home, tmp_path: Path) -> None:
    put_plugin(tmp_path / "d" / "grafana" / "plugins")
    for _ in range(2):
        grafana_run(tmp_path, GRAFANA_HOME=str(home.path))
    first, second = (call["env"] for call in home.calls)
    for variable, name in (("GF_SECURITY_ADMIN_PASSWORD", "admin-password"), ("GF_SECURITY_SECRET_KEY", "secret-key")):
        path = tmp_path / "d" / "grafana" / name
        assert first[variable] == second[variable] == path.read_text().strip()
        assert len(first[variable]) >= 24
        assert path.stat().st_mode & 0o077 == 0


def test_a_database_that_was_there_keeps_its_own_secrets(tmp_path: Path) -> None:
    (tmp_path / "grafana.db").touch()
    environ = server.environment({}, "http://127.0.0.1:8080", "", tmp_path)
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environ
    assert "GF_SECURITY_SECRET_KEY" not in environ


def test_the_users_variables_win(home: Home, tmp_path: Path) -> None:
    plugins, data = tmp_path / "my-plugins", tmp_path / "my-data"
    put_plugin(plugins)
    own = {
        "GF_PATHS_PLUGINS": str(plugins),
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_PROVISIONING": "/elsewhere",
        "GF_SERVER_HTTP_PORT": "3999",
        "GF_SECURITY_ADMIN_PASSWORD": "mine",
    }
    done = grafana_run(tmp_path, GRAFANA_HOME=str(home.path), **own)
    assert done.returncode == 0, done.stderr
    (call,) = home.calls
    assert {name: call["env"].get(name) for name in own} == own
    # Options on the command line would beat them.
    assert not [word for word in call["argv"] if word.startswith("cfg:")]
    assert "http://127.0.0.1:3999/" in done.stdout


@pytest.mark.parametrize(
    ("given", "domain"),
    [
        ({}, None),
        ({"GF_SERVER_HTTP_ADDR": "0.0.0.0"}, None),
        ({"GF_SERVER_HTTP_ADDR": "10.0.0.5"}, "10.0.0.5"),
        ({"GF_SERVER_HTTP_ADDR": "10.0.0.5", "GF_SERVER_DOMAIN": "grafana.example.org"}, "grafana.example.org"),
    ],
)
def test_the_domain_that_is_enforced_is_where_it_listens(
    tmp_path: Path, given: dict[str, str], domain: str | None
) -> None:
    found = server.environment(given, "http://127.0.0.1:8080", "", tmp_path)
    assert found.get("GF_SERVER_DOMAIN") == domain


def test_the_token_travels_in_the_environment_alone(home: Home, tmp_path: Path) -> None:
    put_plugin(tmp_path / "d" / "grafana" / "plugins")
    settings = {"TAPEWATCH_TOKEN": "s3cret-token", "TAPEWATCH_BRIDGE_URL": "http://10.1.2.3:9000/"}
    done = grafana_run(tmp_path, GRAFANA_HOME=str(home.path), **settings)
    (call,) = home.calls
    assert call["env"]["TAPEWATCH_TOKEN"] == "s3cret-token"
    assert call["env"]["GRAFANA_BRIDGE_AUTH"] == "bearerToken"
    assert call["env"]["TAPEWATCH_BRIDGE_URL"] == "http://10.1.2.3:9000"
    assert "s3cret-token" not in done.stdout + done.stderr + " ".join(call["argv"])
    files = [path for path in (tmp_path / "d").rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cret-token" in path.read_bytes()]


def test_signals_reach_grafana_itself(home: Home, tmp_path: Path) -> None:
    put_plugin(tmp_path / "d" / "grafana" / "plugins")
    process = subprocess.Popen(
        [sys.executable, "-m", "tapewatch", "grafana", "run"],
        cwd=tmp_path,
        env=clean_environment(TAPEWATCH_DATA_DIR=str(tmp_path / "d"), GRAFANA_HOME=str(home.path), FAKE_WAITS="1"),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process.stdout as stdout:
        assert "dashboards" in stdout.readline()
        assert stdout.readline() == "serving\n"
        assert home.calls[0]["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 7


def test_a_missing_plugin_is_installed_once(home: Home, tmp_path: Path) -> None:
    for _ in range(2):
        assert grafana_run(tmp_path, GRAFANA_HOME=str(home.path)).returncode == 0
    plugins = str(tmp_path / "d" / "grafana" / "plugins")
    install = ["cli", "--homepath", str(home.path), "--pluginsDir", plugins, "plugins", "install"]
    first, *rest = [call["argv"] for call in home.calls]
    assert first == [*install, "yesoreyeram-infinity-datasource"]
    assert [argv[0] for argv in rest] == ["server", "server"]


def test_a_plugin_that_cannot_be_installed_is_said_in_one_line(home: Home, tmp_path: Path) -> None:
    done = grafana_run(tmp_path, GRAFANA_HOME=str(home.path), FAKE_INSTALL_FAILS="1")
    assert done.returncode == 78
    assert "plugins install yesoreyeram-infinity-datasource" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_into_the_users_own_plugin_folder_nothing_is_put(home: Home, tmp_path: Path) -> None:
    put_plugin(tmp_path / "plugins", "some-other-datasource")
    done = grafana_run(tmp_path, GRAFANA_HOME=str(home.path), GF_PATHS_PLUGINS=str(tmp_path / "plugins"))
    assert done.returncode == 0
    assert [call["argv"][0] for call in home.calls] == ["server"]
    (line,) = done.stderr.splitlines()
    assert f"--pluginsDir {tmp_path / 'plugins'} plugins install yesoreyeram-infinity-datasource" in line


def test_a_plugin_that_grafana_was_told_to_fetch_is_left_to_it(home: Home, tmp_path: Path) -> None:
    environ = server.environment({"GF_PLUGINS_PREINSTALL_SYNC": server.DATASOURCE_TYPE}, "http://b", "", tmp_path)
    server.provide_plugin(server.Installation(home.binary, home.path), environ, given=False, elsewhere=[])
    assert home.calls == []


def test_the_plugins_of_a_package_are_used(home: Home, tmp_path: Path) -> None:
    put_plugin(tmp_path / "var" / "plugins")
    environ = server.environment({}, "http://b", "", tmp_path / "d")
    found = server.Installation(home.binary, home.path)
    server.provide_plugin(found, environ, given=False, elsewhere=[tmp_path / "var" / "plugins"])
    assert environ["GF_PATHS_PLUGINS"] == str(tmp_path / "var" / "plugins")
    assert home.calls == []


def test_without_a_grafana_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(server.CannotRun, match=r"GRAFANA_HOME.*download") as raised:
        server.find({"PATH": str(tmp_path)}, homes=[tmp_path / "none"])
    assert "\n" not in str(raised.value)


def test_a_home_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    done = grafana_run(tmp_path, GRAFANA_HOME=str(tmp_path))
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert f"GRAFANA_HOME={tmp_path}" in line
    assert "bin/grafana" in line


def test_installed_packages_are_found(home: Home, tmp_path: Path) -> None:
    expected = server.Installation(home.binary, home.path)
    assert server.find({"PATH": ""}, homes=[tmp_path / "none", home.path]) == expected
    on_path = server.find({"PATH": str(home.path / "bin")}, homes=[])
    assert on_path == expected


def test_homebrews_layout_is_found(home: Home, tmp_path: Path) -> None:
    """bin/ and share/grafana/ beside each other."""
    keg = tmp_path / "keg"
    (keg / "share").mkdir(parents=True)
    (keg / "bin").mkdir()
    home.binary.rename(keg / "bin" / "grafana")
    home.path.rename(keg / "share" / "grafana")
    expected = server.Installation(keg / "bin" / "grafana", keg / "share" / "grafana")
    assert server.find({"PATH": str(keg / "bin")}, homes=[]) == expected
    assert server.find({"PATH": ""}, homes=[keg / "share" / "grafana"]) == expected

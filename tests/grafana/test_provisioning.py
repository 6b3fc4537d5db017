"""What Grafana reads beside the dashboards: provisioning, grafana.ini, and the container's compose file."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.build import HERE
from grafana.query import DATASOURCE_TYPE, DATASOURCE_UID
from tapewatch.load_settings import load
from tests.grafana.boards import BOARDS
from tests.support import ROOT


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def ini() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(HERE / "grafana.ini")
    return parser


@pytest.fixture
def compose() -> dict[str, Any]:
    services: dict[str, Any] = read(ROOT / "docker-compose.yml")["services"]
    return services


def test_the_data_source_is_the_one_the_dashboards_name() -> None:
    (source,) = read(HERE / "provisioning" / "datasources" / "tapewatch.yaml")["datasources"]
    assert source["uid"] == DATASOURCE_UID == "tapewatch"
    assert source["type"] == DATASOURCE_TYPE
    assert source["access"] == "proxy"
    assert source["url"] == "${TAPEWATCH_BRIDGE_URL}"
    options = source["jsonData"]
    # Without these every answer carries a notice, or the health check always passes.
    assert options["allowedHosts"] == [f"{source['url']}/"]
    assert options["customHealthCheckEnabled"] is True
    assert options["customHealthCheckUrl"] == "/readyz"
    assert options["timeoutInSeconds"] > 0
    assert source["secureJsonData"] == {"bearerToken": "${TAPEWATCH_TOKEN}"}


def test_the_dashboards_are_read_only_files() -> None:
    (provider,) = read(HERE / "provisioning" / "dashboards" / "tapewatch.yaml")["providers"]
    assert provider["type"] == "file"
    assert provider["options"] == {"path": "${GRAFANA_DASHBOARDS}"}
    assert provider["allowUiUpdates"] is False


def test_grafana_ini_is_safe_quiet_and_fast_enough() -> None:
    settings = ini()
    assert settings["server"]["http_addr"] == settings["server"]["domain"] == "127.0.0.1"
    assert settings["server"]["enforce_domain"] == "true"
    assert settings["auth.anonymous"]["org_role"] == "Viewer"
    assert settings["users"]["allow_sign_up"] == "false"
    assert settings["dashboards"]["min_refresh_interval"] == "1s"
    assert settings["users"]["home_page"] == f"/d/{BOARDS['market-overview']['uid']}"
    for key in ("reporting_enabled", "check_for_updates", "check_for_plugin_updates"):
        assert settings["analytics"][key] == "false"
    assert settings["security"]["disable_gravatar"] == "true"
    assert settings["news"]["news_feed_enabled"] == "false"
    assert settings["plugins"]["preinstall_disabled"] == "true"


def test_compose_has_the_three_and_their_health(compose: dict[str, Any]) -> None:
    assert set(compose) == {"redis", "tapewatch", "grafana"}
    assert compose["redis"]["image"].startswith("redis:8")
    for service in compose.values():
        assert service["healthcheck"]["test"][0] == "CMD"
        assert "no-new-privileges:true" in service["security_opt"]
        assert not service.get("privileged")
    assert compose["tapewatch"]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert compose["grafana"]["depends_on"] == {"tapewatch": {"condition": "service_healthy"}}


def test_compose_is_seen_from_this_machine_only(compose: dict[str, Any]) -> None:
    assert "ports" not in compose["redis"]
    ports = [port for service in compose.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    # A bridge that listens beyond loopback must have a token, so compose does not start without one.
    for name in ("tapewatch", "grafana"):
        assert compose[name]["environment"]["TAPEWATCH_TOKEN"].startswith("${TAPEWATCH_TOKEN:?")
    assert compose["grafana"]["environment"]["GRAFANA_BRIDGE_AUTH"] == "bearerToken"
    # Who knows the API's token is not for that reason Grafana's administrator.
    password = compose["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"]
    assert password.startswith("${GF_SECURITY_ADMIN_PASSWORD:?")
    assert "TOKEN" not in password


def test_compose_gives_grafana_all_that_provisioning_asks_for(compose: dict[str, Any]) -> None:
    grafana = compose["grafana"]
    mounts = {
        target: ROOT / source for source, target in (v.split(":")[:2] for v in grafana["volumes"]) if "/" in source
    }
    assert all(path.exists() for path in mounts.values())
    assert mounts["/etc/grafana/grafana.ini"] == HERE / "grafana.ini"
    assert mounts[grafana["environment"]["GRAFANA_DASHBOARDS"]] == HERE / "dist"
    assert grafana["environment"]["GF_PLUGINS_PREINSTALL_SYNC"] == DATASOURCE_TYPE


def test_composes_settings_are_settings(compose: dict[str, Any]) -> None:
    environ = {
        name: value.partition(":-")[2].rstrip("}") if ":-" in value else value
        for name, value in compose["tapewatch"]["environment"].items()
    }
    settings = load(None, environ)
    assert settings.simulated
    assert settings.redis_url == "redis://redis:6379/0"
    bridge_port = compose["grafana"]["environment"]["TAPEWATCH_BRIDGE_URL"].rpartition(":")[2]
    assert str(settings.bridge_port) == bridge_port


def test_compose_is_understood_by_docker(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker compose here; the other tests read the file")
    command = [docker, "compose", "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
    done = subprocess.run(
        command, env={"TAPEWATCH_TOKEN": "x", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    without = subprocess.run(command, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert "TAPEWATCH_TOKEN" in without.stderr

"""The units as `make install` stages them: verified, hardened, and agreeing with what the program does."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tapewatch.cli import COMMANDS, EX_CONFIG
from tapewatch.load_settings import load
from tapewatch.part_environment import NEEDED
from tapewatch.settings import KEY_VARIABLES, PREFIX, SECRETS, Settings, abouts
from tests.support import ROOT

SERVICES = ("redis", "ingest", "bridge")
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")


def stage_into(root: Path, **variables: str) -> None:
    words = ["make", "-s", "install", f"DESTDIR={root}", *(f"{name}={value}" for name, value in variables.items())]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, env=without_make(os.environ))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def without_make(environ: os._Environ[str]) -> dict[str, str]:
    """Our own make may be running the tests: its flags are not for this one."""
    return {name: value for name, value in environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stage with a space")
    stage_into(root)
    return root


def unit(stage: Path, name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(stage / "etc/systemd/system" / f"tapewatch-{name}.service")
    return parser


@needs_systemd
def test_systemd_finds_nothing_wrong(stage: Path) -> None:
    units = sorted(str(path) for path in (stage / "etc/systemd/system").iterdir())
    assert len(units) == len(SERVICES) + 1
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", *units], capture_output=True, text=True, timeout=60
    )
    output = [line for line in (done.stdout + done.stderr).splitlines() if "is not executable" not in line]
    assert output == []


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_exposure(stage: Path, name: str) -> None:
    path = stage / "etc/systemd/system" / f"tapewatch-{name}.service"
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(path)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"Overall exposure level.*: ([\d.]+)", done.stdout)
    assert found
    assert float(found[1]) <= 2.5


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_runs_its_command_and_stops_trying_at_78(stage: Path, name: str) -> None:
    service = unit(stage, name)["Service"]
    assert service["ExecStart"] == f"/opt/tapewatch/bin/tapewatch {name}"
    assert name in COMMANDS
    assert service["RestartPreventExitStatus"] == str(EX_CONFIG)
    assert service["Restart"] == "always"
    assert unit(stage, name)["Unit"]["StartLimitIntervalSec"] == "0"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gets_the_secrets_that_it_uses_and_leaves_no_core(stage: Path, name: str) -> None:
    service = unit(stage, name)["Service"]
    hidden = {PREFIX + secret.upper() for secret in SECRETS if secret not in NEEDED[name]}
    if "api_key" not in NEEDED[name]:
        hidden |= set(KEY_VARIABLES)
    assert set(service["UnsetEnvironment"].split()) == hidden
    assert service["LimitCORE"] == "0"


def test_the_bridge_can_write_nothing(stage: Path) -> None:
    service = unit(stage, "bridge")["Service"]
    assert service["ReadOnlyPaths"] == "-/var/lib/tapewatch"
    assert not {"StateDirectory", "ReadWritePaths", "CacheDirectory"} & service.keys()


def test_when_memory_is_short_the_store_is_killed_last(stage: Path) -> None:
    scores = [int(unit(stage, name)["Service"]["OOMScoreAdjust"]) for name in ("redis", "ingest", "bridge")]
    assert scores == [-900, -200, 300]


@pytest.mark.parametrize("name", SERVICES)
def test_the_target_is_reached_at_once_and_left_last(stage: Path, name: str) -> None:
    """At the start nothing waits for ingest; `systemctl stop` returns when the services have stopped (the order reversed)."""
    assert "tapewatch.target" in unit(stage, name)["Unit"]["After"].split()
    assert unit(stage, name)["Unit"]["PartOf"] == "tapewatch.target"


def test_the_target_wants_all_of_them(stage: Path) -> None:
    text = (stage / "etc/systemd/system/tapewatch.target").read_text()
    line = next(line for line in text.splitlines() if line.startswith("Wants="))
    assert line.removeprefix("Wants=").split() == [f"tapewatch-{name}.service" for name in SERVICES]


def test_settings_and_secrets_are_not_for_everyone_and_survive_an_upgrade(tmp_path: Path) -> None:
    stage_into(tmp_path)
    settings = tmp_path / "etc/tapewatch/tapewatch.env"
    assert settings.stat().st_mode & 0o777 == 0o600
    settings.write_text("TAPEWATCH_TOKEN=mine\n")
    stage_into(tmp_path)
    assert settings.read_text() == "TAPEWATCH_TOKEN=mine\n"
    assert (tmp_path / "etc/tapewatch/tapewatch.env.example").is_file()


def test_other_places_reach_the_units(tmp_path: Path) -> None:
    stage_into(tmp_path, PREFIX="/srv/tw", CONFDIR="/srv/conf")
    text = (tmp_path / "etc/systemd/system/tapewatch-ingest.service").read_text()
    assert "EnvironmentFile=-/srv/conf/tapewatch.env" in text
    assert "/opt/tapewatch" not in text


def test_the_example_is_made_of_settings_that_can_be_used() -> None:
    text = (ROOT / "systemd/tapewatch.env.example").read_text()
    pairs = dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))
    assert not re.findall(r"^[A-Z]", text, re.MULTILINE)
    assert len(pairs) > 15
    for name in pairs:
        assert name == "MASSIVE_API_KEY" or name.removeprefix(PREFIX).lower() in Settings.__struct_fields__
    examples = {name for name, about in abouts().items() if about.example}
    settings, default = load(None, pairs), Settings()
    assert {
        name for name in Settings.__struct_fields__ if getattr(settings, name) != getattr(default, name)
    } <= examples


def test_links_of_the_installed_docs_lead_somewhere(stage: Path) -> None:
    docs = stage / "opt/tapewatch/share/doc/tapewatch"
    pages = sorted(docs.rglob("*.md"))
    assert len(pages) > 10
    broken = []
    for page in pages:
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in link and not (page.parent / link).exists():
                broken.append(f"{page.relative_to(docs)}: {link}")
    assert broken == []
    for name in SERVICES:
        documentation = unit(stage, name)["Unit"]["Documentation"].removeprefix("file:")
        assert (stage / documentation.lstrip("/")).is_file()

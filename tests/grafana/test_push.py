"""`tapewatch grafana push`: dashboards to a Grafana that runs elsewhere; and `grafana build --check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from grafana import upload
from grafana.build import DASHBOARDS, HERE
from tapewatch.cli import main
from tests.grafana.boards import BOARDS
from tests.grafana.fake_grafana import Api
from tests.support import free_port


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file of the checkout; a token that is right."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAPEWATCH_GRAFANA_TOKEN", "right")


def test_uploads_every_dashboard_into_our_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with Api() as api:
        # The second time everything is there already.
        for _ in range(2):
            assert main(["grafana", "push", "--url", f"{api.url}/"]) == 0
    assert {uid: body["dashboard"]["title"] for uid, body in api.dashboards.items()} == {
        board["uid"]: board["title"] for board in BOARDS.values()
    }
    for body in api.dashboards.values():
        assert body["folderUid"] == "tapewatch"
        assert body["overwrite"] is True
        # An id or version of another Grafana would be refused.
        assert body["dashboard"]["id"] is None
        assert body["dashboard"]["version"] is None
    printed = capsys.readouterr()
    assert f"Symbol: {api.url}/d/tapewatch-symbol/slug" in printed.out
    assert "--datasource" in printed.err
    assert api.datasources == {}


def test_the_data_source_is_made_and_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAPEWATCH_TOKEN", "bridge-token")
    monkeypatch.setenv("TAPEWATCH_BRIDGE_URL", "http://bridge:8080")
    with Api() as api:
        assert main(["grafana", "push", "--url", api.url, "--datasource"]) == 0
        assert api.datasources["tapewatch"]["url"] == "http://bridge:8080"
        monkeypatch.setenv("TAPEWATCH_BRIDGE_URL", "http://other:8080")
        assert main(["grafana", "push", "--url", api.url, "--datasource"]) == 0
        assert ("PUT", "/api/datasources/uid/tapewatch") in api.requests
    made = api.datasources["tapewatch"]
    assert made["url"] == "http://other:8080"
    assert made["secureJsonData"] == {"bearerToken": "bridge-token"}
    assert made["jsonData"]["auth_method"] == "bearerToken"


def test_pushed_and_provisioned_data_source_are_the_same() -> None:
    provisioned = yaml.safe_load((HERE / "provisioning" / "datasources" / "tapewatch.yaml").read_text())
    (expected,) = provisioned["datasources"]
    text = json.dumps(upload.datasource("${TAPEWATCH_BRIDGE_URL}", "${TAPEWATCH_TOKEN}"))
    pushed = json.loads(text.replace('"bearerToken", "allowedHosts', '"${GRAFANA_BRIDGE_AUTH}", "allowedHosts'))
    assert pushed == {key: value for key, value in expected.items() if key != "editable"}
    assert upload.datasource("http://b", "")["secureJsonData"] == {}
    assert upload.datasource("http://b", "")["jsonData"]["auth_method"] == "none"


def test_without_a_token_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("TAPEWATCH_GRAFANA_TOKEN")
    assert main(["grafana", "push"]) == 78
    assert "TAPEWATCH_GRAFANA_TOKEN" in capsys.readouterr().err


def test_a_refused_token_is_final(capsys: pytest.CaptureFixture[str]) -> None:
    with Api(token="another") as api:
        assert main(["grafana", "push", "--url", api.url]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert "401 Invalid API key" in line
    assert "right" not in line


def test_nobody_there_may_be_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grafana", "push", "--url", f"http://127.0.0.1:{free_port()}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "does not answer" in line


def test_a_redirect_does_not_get_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    with Api() as other, Api() as api:
        api.redirect_to = other.url
        assert main(["grafana", "push", "--url", api.url]) == 1
    assert other.requests == []
    assert "302" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["ftp://host", "grafana:3000", "http://user:word@host"])
def test_an_address_that_is_none(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grafana", "push", "--url", url]) == 78
    assert "word" not in capsys.readouterr().err


def test_check_passes_on_the_committed_dashboards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grafana", "build", "--check"]) == 0


def test_check_names_what_is_stale(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(DASHBOARDS, "symbol.json", lambda: {"title": "changed"})
    assert main(["grafana", "build", "--check"]) == 1
    assert "symbol.json" in capsys.readouterr().err

"""`users apply|show` as an operator meets them: passwords are output_of once, kept, and never where they do not belong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from redis_functions.contract.access import USERS
from redis_functions.server.connection import connect
from tapewatch import logs
from tapewatch.cli import EX_CONFIG, EX_USAGE, main
from tapewatch.load_settings import load
from tapewatch.settings import SECRETS, Settings


@pytest.fixture
def store(redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Redis]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAPEWATCH_REDIS_URL", redis_url)
    redis.acl_deluser(*USERS)
    yield redis
    redis.acl_deluser(*USERS)


def output_of(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """stdout and stderr of a command that ends with `code`."""
    assert main(words) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def works(url: str) -> bool:
    with connect(url) as client:
        try:
            return bool(client.ping())
        except AuthenticationError:
            return False


def urls(text: str) -> list[str]:
    return re.findall(r"^(?:\w+: applied, )?TAPEWATCH_REDIS_URL=(\S+)$", text, re.MULTILINE)


def test_passwords_are_made_told_once_and_kept(store: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = output_of(capsys, "users", "apply")
    found = urls(out)
    assert len(found) == len(USERS) == len(out.splitlines())
    assert len({url.split("@")[0] for url in found}) == len(USERS)
    assert all(works(url) for url in found)
    again, _ = output_of(capsys, "users", "apply")
    assert urls(again) == []
    assert again.count("its password stays") == len(USERS)
    assert all(works(url) for url in found)
    assert "`default`" in err


def test_new_passwords(store: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    before = urls(output_of(capsys, "users", "apply", "--user", "bridge", "grafana")[0])
    after = urls(output_of(capsys, "users", "apply", "--user", "bridge", "--new-passwords")[0])
    assert [works(url) for url in before] == [False, True]
    assert [works(url) for url in after] == [True]
    assert store.acl_getuser("ingest") is None


def test_passwords_of_the_settings(
    store: Redis, redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TAPEWATCH_PASSWORD_BRIDGE", "mine: a/long@one")
    for _ in range(2):
        out, err = output_of(capsys, "users", "apply", "--user", "bridge")
        assert out == "bridge: applied with the password of TAPEWATCH_PASSWORD_BRIDGE\n"
        assert "mine" not in err
    file = tmp_path / "bridge.env"
    out, _ = output_of(capsys, "users", "apply", "--user", "bridge", "--write", str(file))
    assert "mine" not in out
    [url] = urls(file.read_text())
    assert url == redis_url.replace("unix://", "unix://bridge:mine%3A%20a%2Flong%40one@")
    assert works(url)


def test_a_password_that_is_too_short(
    store: Redis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAPEWATCH_PASSWORD_INGEST", "shortpw")
    out, err = output_of(capsys, "users", "apply", code=EX_CONFIG)
    assert (out, err.count("\n")) == ("", 1)
    assert "TAPEWATCH_PASSWORD_INGEST must have at least" in err
    assert "shortpw" not in err
    assert store.acl_getuser("alerts") is None


def test_a_file_for_one_user_keeps_its_other_lines(
    store: Redis, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "ingest.env"
    file.write_text("TAPEWATCH_PROFILE=small\nTAPEWATCH_REDIS_URL=redis://old\n#TAPEWATCH_REDIS_URL=x")
    file.chmod(0o644)
    out, _ = output_of(capsys, "users", "apply", "--user", "ingest", "--write", str(file))
    assert out == f"ingest: applied, TAPEWATCH_REDIS_URL is in {file}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    *others, line = file.read_text().splitlines()
    assert others == ["TAPEWATCH_PROFILE=small", "#TAPEWATCH_REDIS_URL=x"]
    name, _, url = line.partition("=")
    assert name == "TAPEWATCH_REDIS_URL"
    assert works(url)
    assert load(None, {name: url}).store_url == url
    # Applied again it keeps password and file.
    out, _ = output_of(capsys, "users", "apply", "--user", "ingest", "--write", str(file))
    assert f"its password stays and {file} is left as it is" in out
    assert file.read_text().splitlines()[-1] == line
    assert works(url)
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_has_a_file_for_each_user(store: Redis, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out, _ = output_of(capsys, "users", "apply", "--write", str(tmp_path))
    assert urls(out) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.env" for name in USERS)
    for name in USERS:
        file = tmp_path / f"{name}.env"
        assert file.stat().st_mode & 0o777 == 0o600
        with connect(urls(file.read_text())[0]) as client:
            assert client.ping()
            with pytest.raises(NoPermissionError):
                client.flushall()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--write", "all.env"), "one user only"),
        (("--user", "ingest", "--write", "no/such/x.env"), "there is no folder"),
    ],
)
def test_where_nothing_can_be_written_nothing_is_done(
    store: Redis, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    _, err = output_of(capsys, "users", "apply", *words, code=EX_CONFIG)
    assert message in err
    assert all(store.acl_getuser(name) is None for name in USERS)


def test_a_server_without_a_file_for_users_says_so(
    store: Redis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(store), "config_get", lambda *_: {"aclfile": ""})
    _, err = output_of(capsys, "users", "apply")
    assert "after its restart the users are gone" in err


def test_show_needs_no_redis_and_no_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAPEWATCH_PASSWORD_BRIDGE", "mine-and-long-enough")
    monkeypatch.setenv("TAPEWATCH_REDIS_URL", "unix:///nowhere/redis.sock")
    out, err = output_of(capsys, "users", "show")
    assert err == ""
    assert re.findall(r"^user (\w+) on ", out, re.MULTILINE) == list(USERS)
    assert "mine-and" not in out
    assert not re.search(r" [>#]\w", re.sub(r"^#.*$", "", out, flags=re.MULTILINE))
    out, _ = output_of(capsys, "users", "show", "--user", "bridge")
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize("words", [(), ("drop",), ("apply", "--user", "root")])
def test_bad_words(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["users", *words])
    assert ended.value.code == EX_USAGE


def test_passwords_are_secrets() -> None:
    names = [f"password_{name}" for name in USERS]
    assert set(names) <= set(SECRETS)
    settings = load(None, {f"TAPEWATCH_{name.upper()}": f"{name}-is-this" for name in names})
    assert "is-this" not in repr(settings)
    assert {f"{name}-is-this" for name in names} <= set(logs.secrets_of(settings))
    assert settings == Settings(**{name: f"{name}-is-this" for name in names})

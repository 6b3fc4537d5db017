"""Settings: precedence, errors in one line, and secrets that stay secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tapewatch.cli import main
from tapewatch.load_settings import load, sources
from tapewatch.settings import BadSettings, Settings, abouts, check_listening


def test_nothing_given_is_a_simulated_market_on_the_embedded_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(None, {})
    assert settings == Settings()
    assert settings.simulated
    assert settings.store_url == f"unix://{tmp_path}/data/simulator/redis.sock"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('bridge_port = 9000\nsubscribe = "T.*"\napi_key = "from-file"\n')
    environ = {"TAPEWATCH_BRIDGE_PORT": "9001", "MASSIVE_API_KEY": "from-vendor", "PATH": "/bin"}
    settings = load(file, environ)
    assert (settings.bridge_port, settings.subscribe, settings.api_key) == (9001, "T.*", "from-vendor")
    assert sources(file, environ) == {
        "bridge_port": "TAPEWATCH_BRIDGE_PORT",
        "subscribe": str(file),
        "api_key": "MASSIVE_API_KEY",
    }


def test_tapewatch_toml_of_the_folder_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tapewatch.toml").write_text("push_port = 9100")
    assert load(None, {}).push_port == 9100


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"MASSIVE_API_KEY": "m"}, "m"),
        ({"POLYGON_API_KEY": "p"}, "p"),
        ({"POLYGON_API_KEY": "p", "MASSIVE_API_KEY": "m"}, "m"),
        ({"POLYGON_API_KEY": "p", "MASSIVE_API_KEY": ""}, "p"),
        ({"MASSIVE_API_KEY": "m", "TAPEWATCH_API_KEY": "t"}, "t"),
    ],
)
def test_both_key_variables(environ: dict[str, str], key: str) -> None:
    settings = load(None, environ)
    assert settings.api_key == key
    assert not settings.simulated


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("TAPEWATCH_BRIGDE_PORT", "1", "TAPEWATCH_BRIGDE_PORT is not a setting"),
        ("TAPEWATCH_BRIDGE_PORT", "http", "TAPEWATCH_BRIDGE_PORT: 'http' is not a valid value of"),
        ("TAPEWATCH_BRIDGE_PORT", "70000", "TAPEWATCH_BRIDGE_PORT must lie between 1 and 65535"),
        ("TAPEWATCH_PROFILE", "tiny", "TAPEWATCH_PROFILE: 'tiny' is not a valid value"),
        ("TAPEWATCH_REST_PER_SECOND", "0", "TAPEWATCH_REST_PER_SECOND must lie"),
        ("TAPEWATCH_REST_PER_SECOND", "nan", "TAPEWATCH_REST_PER_SECOND must lie"),
        ("TAPEWATCH_RATE_LIMIT", "-1", "TAPEWATCH_RATE_LIMIT must lie between 0 and 1e.06"),
        ("TAPEWATCH_CHUNK_1S", "250", "multiples of 8"),
        ("TAPEWATCH_RETENTION_1S", "4499", "at least 4500"),
        ("TAPEWATCH_RETENTION_1M", "3599", "TAPEWATCH_RETENTION_1M must be 0 .* at least 3600"),
        ("TAPEWATCH_RETENTION_1H", "-1", "TAPEWATCH_RETENTION_1H must lie"),
        ("TAPEWATCH_REDIS_URL", "http://localhost", "Redis URL"),
        ("TAPEWATCH_REDIS_URL", "redis://localhost/1", "only logical database 0"),
        (
            "TAPEWATCH_FEED_URL",
            "https://socket.massive.com/stocks",
            "TAPEWATCH_FEED_URL must begin with ws:// or wss://",
        ),
        ("TAPEWATCH_REST_URL", "api.massive.com", "TAPEWATCH_REST_URL must begin with http"),
        (
            "TAPEWATCH_CORS_ORIGINS",
            "https://a.example, b.example",
            "'b.example' is no origin, expected scheme and host",
        ),
        ("TAPEWATCH_CORS_ORIGINS", "https://a.example/page", "is no origin"),
    ],
)
def test_refused_in_one_line(name: str, text: str, message: str) -> None:
    with pytest.raises(BadSettings, match=message) as refused:
        load(None, {name: text})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bridge_prot = 1", "bridge_prot is not a setting"),
        ('bridge_port = "8080"', "bridge_port"),
        ("bridge_port =", "t.toml: "),
        ("\xff", "t.toml: "),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "t.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadSettings, match=message) as refused:
        load(file, {})
    assert "\n" not in str(refused.value)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="No such file"):
        load(tmp_path / "none.toml", {})


@pytest.mark.parametrize(
    ("host", "token", "listens", "address"),
    [
        ("0.0.0.0", "x" * 16, "0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "x" * 16, "::", "http://[::1]:8080"),
        ("192.0.2.7", "x" * 16, "192.0.2.7", "http://192.0.2.7:8080"),
        ("0.0.0.0", "x" * 15, "127.0.0.1", "http://127.0.0.1:8080"),
        ("::", "x" * 15, "::1", "http://[::1]:8080"),
        ("127.0.0.1", "x", "127.0.0.1", "http://127.0.0.1:8080"),
        ("::1", "", "::1", "http://[::1]:8080"),
    ],
)
def test_beyond_loopback_only_with_a_long_token(host: str, token: str, listens: str, address: str) -> None:
    settings = load(None, {"TAPEWATCH_BRIDGE_HOST": host, "TAPEWATCH_TOKEN": token})
    assert (settings.listen_host, settings.bridge_address) == (listens, address)
    assert settings.token_is_short == (listens != host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_beyond_loopback_never_without_a_token(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Other commands do not listen there, and under systemd are not given the token.
    settings = load(None, {"TAPEWATCH_BRIDGE_HOST": host})
    with pytest.raises(BadSettings, match=f"refusing to listen on {host} without TAPEWATCH_TOKEN"):
        check_listening(settings)
    check_listening(load(None, {"TAPEWATCH_BRIDGE_HOST": "::1"}))
    monkeypatch.setenv("TAPEWATCH_BRIDGE_HOST", host)
    assert [main([command]) for command in ("run", "bridge")] == [78, 78]


@pytest.mark.parametrize("text", ["a-key\n", "a-key\r\n", "  a-key\t", '"a-key"', "'a-key' ", "\ufeffa-key", "a-key"])
def test_what_a_paste_leaves_around_a_key_is_taken_off(text: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(text)
    (tmp_path / "t.toml").write_text(f"grafana_token = {json.dumps(text)}")
    settings = load(tmp_path / "t.toml", {"MASSIVE_API_KEY": text, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert (settings.api_key, settings.token, settings.grafana_token) == ("a-key",) * 3


@pytest.mark.parametrize("hidden", ["\u200b", "\u00ad", "\x00", "\x7f", "\u2028", "\n"])
def test_a_character_that_cannot_be_seen_is_named(hidden: str) -> None:
    with pytest.raises(BadSettings, match=rf"TAPEWATCH_TOKEN: token holds .* \(U\+{ord(hidden):04X}\)") as refused:
        load(None, {"TAPEWATCH_TOKEN": f"pw-{hidden}secret"})
    assert "secret" not in str(refused.value)


def test_other_values_lose_their_white_space_too() -> None:
    settings = load(None, {"TAPEWATCH_BRIDGE_PORT": " 8090\r", "TAPEWATCH_FEED_URL": '"ws://h/stocks"\n'})
    assert (settings.bridge_port, settings.feed_url) == (8090, "ws://h/stocks")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_bytes(b"\xef\xbb\xbfbridge_port = 8099\r\n")
    assert load(file, {}).bridge_port == 8099


@pytest.mark.parametrize(
    ("name", "text", "valid"),
    [
        ("profile", "tiny", "one of default, small"),
        ("log_level", "loud", "one of debug, info, warning, error"),
        ("always_open", "maybe", "true or false"),
        ("labels", "maybe", "true or false"),
        ("bridge_port", "http", "a whole number from 1 to 65535"),
        ("rest_per_second", "many", "a number from 0.001 to 1000"),
        ("sim_seed", "x", "a whole number"),
    ],
)
def test_an_invalid_value_lists_the_valid_ones(name: str, text: str, valid: str, tmp_path: Path) -> None:
    variable = f"TAPEWATCH_{name.upper()}"
    with pytest.raises(BadSettings) as refused:
        load(None, {variable: text})
    assert str(refused.value) == f"{variable}: '{text}' is not a valid value of {name}: {valid}"
    file = tmp_path / "t.toml"
    file.write_text(f'{name} = "{text}"')
    with pytest.raises(BadSettings) as refused:
        load(file, {})
    assert str(refused.value) == f"{file}: '{text}' is not a valid value of {name}: {valid}"


KUBERNETES = {
    "TAPEWATCH_PORT": "tcp://10.0.0.1:8080",
    "TAPEWATCH_SERVICE_HOST": "10.0.0.1",
    "TAPEWATCH_SERVICE_PORT": "8080",
    "TAPEWATCH_SERVICE_PORT_HTTP": "8080",
    "TAPEWATCH_PORT_8080_TCP": "tcp://10.0.0.1:8080",
    "TAPEWATCH_PORT_8080_TCP_ADDR": "10.0.0.1",
    "TAPEWATCH_PORT_8080_TCP_PORT": "8080",
    "TAPEWATCH_PORT_8080_TCP_PROTO": "tcp",
    # of a Service `tapewatch-bridge`: the name of a setting
    "TAPEWATCH_BRIDGE_PORT": "tcp://10.0.0.2:8080",
    "TAPEWATCH_BRIDGE_SERVICE_HOST": "10.0.0.2",
    "TAPEWATCH_PUSH_PORT": "udp://10.0.0.2:8081",
}


def test_variables_of_kubernetes_are_ignored_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load(None, KUBERNETES) == Settings()
    for variable, text in KUBERNETES.items():
        monkeypatch.setenv(variable, text)
    assert main(["config"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line == f"tapewatch: ignoring variables that Kubernetes made of its Services: {', '.join(sorted(KUBERNETES))}"
    )


@pytest.mark.parametrize("variable", ["TAPEWATCH_PROT", "TAPEWATCH_PORT", "TAPEWATCH_SERVICE"])
def test_a_mistyped_name_is_none_of_kubernetes(variable: str) -> None:
    with pytest.raises(BadSettings, match=f"{variable} is not a setting"):
        load(None, {variable: "8080"})


def test_every_setting_has_its_help() -> None:
    assert {name for name, about in abouts().items() if len(about.help) < 5} == set()


def test_the_smallest_second_retention_leaves_fifteen_minutes_for_late_bars() -> None:
    assert load(None, {"TAPEWATCH_RETENTION_1S": "4500"}).schema.lateness_ms == 900_000


def test_the_small_profile() -> None:
    small = load(None, {"TAPEWATCH_PROFILE": "small"})
    assert small.schema.labels is False
    assert small.schema.retention_ms["1m"] == 86_400_000
    assert load(None, {"TAPEWATCH_PROFILE": "small", "TAPEWATCH_LABELS": "true"}).schema.labels is True


def test_secrets_are_not_in_the_repr() -> None:
    settings = load(
        None,
        {
            "TAPEWATCH_TOKEN": "token-secret",
            "MASSIVE_API_KEY": "key-secret",
            "TAPEWATCH_GRAFANA_TOKEN": "grafana-secret",
            "TAPEWATCH_REDIS_URL": "redis://me:pw-secret@example.org:6379/0",
        },
    )
    assert "secret" not in repr(settings)
    assert repr(settings).count("***") == 4
    assert "redis://me:***@example.org" in repr(settings)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("TAPEWATCH_REDIS_URL", "what://me:pw-secret@h:1/0"),
        ("TAPEWATCH_REDIS_URL", "redis://me:pw-secret/x@h:1/0"),
        ("TAPEWATCH_REDIS_URL", "redis://me:pw-secret@h:1x/0"),
        ("TAPEWATCH_REDIS_URL", "redis://me:pw-secret@h:1/3"),
        ("TAPEWATCH_FEED_URL", "https://me:pw-secret@h/stocks"),
        ("TAPEWATCH_REDIS_URL", "redis://h/3?password=pw-secret"),
    ],
)
def test_passwords_are_not_in_refusals(variable: str, text: str) -> None:
    with pytest.raises(BadSettings) as refused:
        load(None, {variable: text})
    assert "secret" not in str(refused.value)


def test_the_config_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tapewatch.toml").write_text('redis_url = "redis://me:pw-secret@example.org:6379/0"\nlabels = false\n')
    monkeypatch.setenv("MASSIVE_API_KEY", "key-secret")
    monkeypatch.setenv("TAPEWATCH_FEED_URL", "wss://me:pw-secret@example.org/stocks")
    assert main(["config", "--json"]) == 0
    as_json = capsys.readouterr().out
    rows = {row["name"]: row for row in json.loads(as_json)}
    assert list(rows) == list(Settings.__struct_fields__)
    assert (rows["retention_1s"]["value"], rows["redis_aof_mb"]["value"]) == (7200, 512)
    assert rows["redis_url"]["value"] == "redis://me:***@example.org:6379/0"
    assert rows["feed_url"]["value"] == "wss://me:***@example.org/stocks"
    assert rows["api_key"] == {
        "name": "api_key", "value": "***", "default": "", "variable": "TAPEWATCH_API_KEY", "source": "MASSIVE_API_KEY",
    }  # fmt: skip
    assert rows["labels"]["source"] == "tapewatch.toml"
    assert rows["push_port"]["source"] == "default"
    assert main(["config"]) == 0
    table = capsys.readouterr().out
    assert "secret" not in table + as_json
    assert table.splitlines()[0].split() == ["name", "value", "default", "variable", "source"]
    assert len(table.splitlines()) == len(rows) + 1


def test_the_command_line_tells_a_bad_setting_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAPEWATCH_NONSENSE", "1")
    assert main(["config"]) == 78
    assert capsys.readouterr().err == "tapewatch: TAPEWATCH_NONSENSE is not a setting: `tapewatch config` lists them\n"


def test_secrets_may_be_credentials_of_systemd(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('token = "of-the-file"\ngrafana_token = "of-the-file"\n')
    (tmp_path / "token").write_text("of-systemd\n")
    (tmp_path / "api_key").write_text("key-of-systemd")
    (tmp_path / "redis_url").write_text("redis://me:pw-secret@example.org:6379/0\n")
    (tmp_path / "bridge_port").write_text("1\n")  # no secret: not looked for
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    settings = load(file, environ)
    assert (settings.token, settings.api_key, settings.grafana_token) == ("of-systemd", "key-of-systemd", "of-the-file")
    assert settings.redis_url == "redis://me:pw-secret@example.org:6379/0"
    assert settings.bridge_port == 8080
    assert sources(file, environ)["token"] == str(tmp_path / "token")
    assert "secret" not in repr(settings)
    nearer = load(
        file, environ | {"TAPEWATCH_TOKEN": "of-the-environment", "MASSIVE_API_KEY": "key-of-the-environment"}
    )
    assert (nearer.token, nearer.api_key) == ("of-the-environment", "key-of-the-environment")
    assert load(file, {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}).token == "of-the-file"


@pytest.mark.parametrize(
    ("raw", "message"), [(b"", "token: the credential is empty"), (b"\xff-secret", "is not UTF-8")]
)
def test_a_credential_that_cannot_be_read_is_named(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "token").write_bytes(raw)
    with pytest.raises(BadSettings, match=message) as refused:
        load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "secret" not in str(refused.value)

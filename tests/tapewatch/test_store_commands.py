"""`functions load|list` and `schema apply` as an operator meets them: idempotent, one clear line without Redis."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.schema import create_commands
from redis_functions.lua import loader
from tapewatch.cli import EX_CONFIG, EX_USAGE, main
from tapewatch.commands.schema import progress
from tapewatch.settings import Settings


@pytest.fixture
def store(redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Redis:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAPEWATCH_REDIS_URL", redis_url)
    return redis


def output_of(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """stdout and stderr of a command that ends with `code`."""
    assert main(words) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_functions_load_tells_what_changed(store: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    version = loader.library().version
    assert output_of(capsys, "functions", "load") == (f"tapewatch {version}: loaded\n", "")
    assert output_of(capsys, "functions", "load") == (f"tapewatch {version}: already loaded, nothing changed\n", "")
    store.function_load(loader.library().source.replace(version, "0123456789ab"), replace=True)
    assert output_of(capsys, "functions", "load") == (f"tapewatch {version}: loaded in place of 0123456789ab\n", "")


def test_functions_list(store: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = output_of(capsys, "functions", "list", code=1)
    assert (out, err.count("\n")) == ("", 1)
    assert "`tapewatch functions load`" in err
    output_of(capsys, "functions", "load")
    head, *rows = output_of(capsys, "functions", "list")[0].splitlines()
    assert head == f"tapewatch {loader.library().version} (this version)"
    assert [row.split()[:2] for row in rows] == [
        [function.name, "FCALL" if function.writes else "FCALL_RO"] for function in loader.functions(store)
    ]
    assert {"candles FCALL_RO", "raise_alert FCALL"} <= {" ".join(row.split()[:2]) for row in rows}
    store.function_load(loader.library().source.replace(loader.library().version, "0123456789ab"), replace=True)
    assert "`tapewatch functions load`" in output_of(capsys, "functions", "list")[0].splitlines()[0]


def test_schema_apply(store: Redis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for command in create_commands("AAPL", Settings().schema)[:4]:
        store.execute_command(*command)
    store.sadd(keys.SYMBOLS, "AAPL")
    monkeypatch.setenv("TAPEWATCH_RETENTION_1M", "90000")
    assert output_of(capsys, "schema", "apply") == ("symbols: 1, series created: 20, brought to the settings: 4\n", "")
    assert output_of(capsys, "schema", "apply") == ("symbols: 1, series created: 0, brought to the settings: 24\n", "")
    flat = store.execute_command("TS.INFO", keys.series("AAPL", "1m", "open"))
    assert dict(zip(flat[::2], flat[1::2], strict=True))[b"retentionTime"] == 90_000_000


def test_a_key_in_the_way_is_one_line(store: Redis, capsys: pytest.CaptureFixture[str]) -> None:
    store.sadd(keys.SYMBOLS, "X")
    store.set(keys.series("X", "1s", "open"), "in the way")
    out, err = output_of(capsys, "schema", "apply", code=1)
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("tapewatch: ts:{X}:1s:open: ")


def test_progress_is_told_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    now = iter([0.0, 0.5, 1.2, 1.2, 1.9, 2.3, 2.3, 9.0])
    report = progress(lambda: next(now))
    for done in (50, 1100, 1200, 1300, 1350):
        report(done, 1350)
    assert capsys.readouterr().err == "  1,100 of 1,350 symbols\n  1,300 of 1,350 symbols\n"


@pytest.mark.parametrize("words", [("functions", "load"), ("functions", "list"), ("schema", "apply")])
def test_no_redis_is_one_line(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    out, err = output_of(capsys, *words, code=1)
    assert (out, err.count("\n")) == ("", 1)
    assert "start it with `tapewatch run`" in err
    monkeypatch.setenv("TAPEWATCH_REDIS_URL", f"unix://user:secret@{tmp_path}/nothing.sock")
    _, err = output_of(capsys, *words, code=1)
    assert "no Redis at " in err
    assert "secret" not in err
    assert "`tapewatch run`" not in err


def test_a_refused_password_is_final(
    store: Redis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.connection_pool.connection_kwargs["path"]
    monkeypatch.setenv("TAPEWATCH_REDIS_URL", f"unix://nobody:wrong@{path}")
    _, err = output_of(capsys, "functions", "load", code=EX_CONFIG)
    assert err.startswith("tapewatch: Redis rejects the login")


@pytest.mark.parametrize("words", [("functions",), ("functions", "drop"), ("schema",), ("schema", "drop")])
def test_unknown_actions(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == EX_USAGE

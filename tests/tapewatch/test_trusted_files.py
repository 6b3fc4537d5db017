"""What others may change is not believed: the settings file and the data folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tapewatch.cli import main
from tapewatch.load_settings import load
from tapewatch.settings import BadSettings
from tapewatch.trusted_files import secure_folder


def test_the_data_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "data"
    old = os.umask(0)
    try:
        secure_folder(folder)
    finally:
        os.umask(old)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o750)
    secure_folder(folder)  # an existing mode is kept; the doctor names it
    assert folder.stat().st_mode & 0o777 == 0o750


def test_a_data_folder_that_everybody_may_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(BadSettings, match="cannot be trusted, everybody may write it: chmod o-w"):
        secure_folder(tmp_path)
    monkeypatch.setenv("TAPEWATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TAPEWATCH_FEED_URL", "ws://127.0.0.1:1/stocks")
    assert [main([command]) for command in ("run", "redis", "ingest")] == [78] * 3
    assert capsys.readouterr().err.count("cannot be trusted") == 3
    tmp_path.chmod(0o1777)
    secure_folder(tmp_path)  # as /tmp: nobody changes what belongs to another


def test_a_settings_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text("bridge_port = 8099\n")
    file.chmod(0o666)
    with pytest.raises(BadSettings, match=f"{file} cannot be trusted, everybody may write it"):
        load(file, {})
    file.chmod(0o644)
    assert load(file, {}).bridge_port == 8099


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_settings_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "t.toml"
    file.write_text("bridge_port = 8099\n")
    os.chown(file, 4711, 4711)
    assert load(file, {}).bridge_port == 8099  # root may read what others wrote
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BadSettings, match="it belongs to another user: sudo chown 1000"):
        load(file, {})

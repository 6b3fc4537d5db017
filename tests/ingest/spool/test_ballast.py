"""Space on the disk that is kept for records that must not be shed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.spool.ballast import Ballast


def test_it_is_taken_released_and_owed_until_it_is_taken_again(tmp_path: Path) -> None:
    path = tmp_path / "ballast"
    made = Ballast(path, 1 << 16)
    assert not made.give_up()
    made.take()
    assert (made.held, made.owed, path.stat().st_size, path.stat().st_mode & 0o077) == (True, False, 1 << 16, 0)
    assert made.give_up()
    assert (made.held, made.owed, path.exists()) == (False, True, False)
    made.take()
    assert (made.held, made.owed, path.stat().st_size) == (True, False, 1 << 16)


def test_it_is_a_share_of_a_small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    made = Ballast(tmp_path / "ballast", 1 << 40)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((*real[:1], 1024, 100, 50, 50, *real[5:])))
    made.take()
    assert (tmp_path / "ballast").stat().st_size == 5 * 1024


def test_where_there_is_no_space_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: int) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "posix_fallocate", full)
    made = Ballast(tmp_path / "ballast", 1 << 16)
    with pytest.raises(OSError, match="no space"):
        made.take()
    assert (made.held, list(tmp_path.iterdir())) == (False, [])

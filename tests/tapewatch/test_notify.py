"""Notifications as systemd would receive them, on real sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tapewatch.notify import notify


def test_without_systemd_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert notify("READY=1") is False


@pytest.mark.parametrize("abstract", [False, True])
def test_the_message_arrives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, abstract: bool) -> None:
    name = f"@tapewatch-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + name[1:] if abstract else name)
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert notify("READY=1\nSTATUS=connected") is True
        assert systemd.recv(100) == b"READY=1\nSTATUS=connected"


@pytest.mark.parametrize("path", ["/nowhere/notify", "relative", ""])
def test_a_socket_that_is_not_there_is_no_error(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    assert notify("WATCHDOG=1") is False

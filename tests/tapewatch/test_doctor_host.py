"""`tapewatch doctor` about the machine: Python, data folder, disk, memory, settings files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tapewatch import disk_plan
from tapewatch.doctor import host, outside
from tapewatch.settings import Settings
from tests.tapewatch.test_doctor import by_name


def test_the_machine(tmp_path: Path) -> None:
    found = by_name(host.findings(Settings(data_dir=str(tmp_path / "not" / "yet")), {"token": "TAPEWATCH_TOKEN"}))
    assert found["data folder"].status in ("ok", "warn")
    assert not (tmp_path / "not").exists()
    assert found["embedded Redis"].status == "ok"
    assert "1 of" in found["settings"].detail
    assert "embedded Redis" not in by_name(host.findings(Settings(redis_url="redis://localhost"), {}))


def test_a_data_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert host.data_folder(Settings(data_dir=str(tmp_path / "file" / "data"))).status == "fail"
    assert host.embedded_server(tmp_path / ("d" * 100)).status == "fail"


def test_a_data_folder_that_is_not_ours_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    for mode, status, word in ((0o700, "ok", "free"), (0o755, "warn", "others can read"), (0o777, "fail", "everybody")):
        tmp_path.chmod(mode)
        found = host.data_folder(settings)
        assert (found.status, word in found.line()) == (status, True), found


def test_a_disk_that_a_day_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    market = Settings(data_dir=str(tmp_path), feed_url="ws://h/stocks", profile="small")
    simulated = Settings(data_dir=str(tmp_path), sim_symbols=10, sim_rate=1)
    for module in (disk_plan, host):
        monkeypatch.setattr(module, "room_mib", lambda folder: (1_500.0, 1_000.0))
    assert 3_000 < disk_plan.needed_mib(market) < 5_000  # the profile small fits 8 GiB
    assert (host.data_folder(market).status, host.data_folder(simulated).status) == ("warn", "ok")
    assert "a day needs up to" in host.data_folder(market).detail
    remote = Settings(data_dir=str(tmp_path), feed_url="ws://h/stocks", redis_url="redis://h")
    assert host.data_folder(remote).status == "ok"  # only the spool is here
    monkeypatch.setattr(host, "room_mib", lambda folder: (100.0, 0.0))
    assert host.data_folder(simulated).status == "fail"


def test_room_counts_what_is_used_already(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "a").write_bytes(bytes(2 << 20))
    free, held = disk_plan.room_mib(tmp_path)
    assert free > 0
    assert held == 2
    assert disk_plan.room_mib(tmp_path / "not" / "yet")[1] == 0


def test_settings_files_that_others_can_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name, mode in (("etc/a.env", 0o600), ("etc/b.env", 0o644), ("secret.toml", 0o644), ("plain.toml", 0o644)):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    given = {
        "token": str(tmp_path / "secret.toml"),
        "subscribe": str(tmp_path / "plain.toml"),
        "api_key": "MASSIVE_API_KEY",
    }
    found = host.settings_files(given, tmp_path / "etc")
    assert [finding.fix for finding in found] == [
        f"chmod 600 {tmp_path / 'etc/b.env'}", f"chmod 600 {tmp_path / 'secret.toml'}",
    ]  # fmt: skip


def test_a_short_token() -> None:
    short = Settings(bridge_host="0.0.0.0", token="x" * 15)
    assert (host.token(short).status, host.token(Settings(token="x")).status) == ("fail", "ok")


def test_the_doctor_prepares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert host.embedded_server(tmp_path).status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_a_unit_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = tmp_path / "tapewatch-ingest.service"
    monkeypatch.setattr(outside, "UNITS", (unit,))
    assert outside.feed(Settings(), auth=False).status == "ok"
    unit.write_text("")
    found = outside.feed(Settings(), auth=False)
    assert (found.status, "78" in found.detail) == ("fail", True)


@pytest.mark.parametrize(
    ("kib", "settings", "status"),
    [
        (8 << 20, Settings(api_key="k"), "ok"),
        (1 << 20, Settings(api_key="k"), "warn"),
        (1 << 20, Settings(), "ok"),
        (1 << 20, Settings(api_key="k", profile="small"), "ok"),
        (1 << 19, Settings(api_key="k", profile="small"), "warn"),
        (None, Settings(), "ok"),
    ],
)
def test_memory_against_the_profile(tmp_path: Path, kib: int | None, settings: Settings, status: str) -> None:
    meminfo = tmp_path / "meminfo"
    if kib is not None:
        meminfo.write_text(f"MemTotal:       {kib} kB\nMemFree:        1 kB\n")
    assert host.memory(settings, meminfo).status == status


@pytest.mark.parametrize(("value", "status"), [("0\n", "warn"), ("1\n", "ok"), ("2\n", "warn"), (None, "ok")])
def test_overcommit(tmp_path: Path, value: str | None, status: str) -> None:
    if value is not None:
        (tmp_path / "o").write_text(value)
    assert host.overcommit(tmp_path / "o").status == status


def test_a_year_without_holidays_is_named() -> None:
    assert host.calendar(date(2026, 11, 29)).status == "ok"
    found = host.calendar(date(2100, 1, 4))
    assert (found.status, found.fix) == ("warn", "upgrade tapewatch")
    assert "2100" in found.detail

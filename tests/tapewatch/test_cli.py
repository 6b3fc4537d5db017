"""The command line itself: its version, and one clear line for what it cannot do."""

from importlib.metadata import version

import pytest

from tapewatch.cli import EX_USAGE, main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"tapewatch {version('tapewatch')}\n"


def test_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rnu"])
    assert ended.value.code == EX_USAGE
    assert "rnu" in capsys.readouterr().err

"""Each part of `tapewatch run` gets the secrets that it uses, and no other."""

from __future__ import annotations

import argparse

import pytest

from tapewatch.commands.run import parts
from tapewatch.part_environment import NEEDED, of_part
from tapewatch.settings import SECRETS, Settings

GIVEN = {
    **{f"TAPEWATCH_{name.upper()}": f"{name}-secret" for name in SECRETS},
    "MASSIVE_API_KEY": "api_key-secret",
    "POLYGON_API_KEY": "api_key-secret",
    "TAPEWATCH_SUBSCRIBE": "A.*",
    "TAPEWATCH_SERVICE_HOST": "10.0.0.1",
    "PATH": "/bin",
}


@pytest.mark.parametrize("part", NEEDED)
def test_a_part_gets_its_secrets_alone(part: str) -> None:
    found = of_part(part, GIVEN)
    assert {value.removesuffix("-secret") for value in found.values() if value.endswith("-secret")} == set(NEEDED[part])
    assert (found["TAPEWATCH_SUBSCRIBE"], found["PATH"]) == ("A.*", "/bin")
    assert "TAPEWATCH_SERVICE_HOST" not in found


def test_run_gives_no_part_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    for part in parts(argparse.Namespace(config=None), Settings(feed_url="ws://h/stocks", api_key="api_key-secret")):
        secrets = {value.removesuffix("-secret") for value in part.env.values() if value.endswith("-secret")}
        assert secrets == set(NEEDED[part.name])

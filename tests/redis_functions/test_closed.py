"""The store is closed: no command on series, no call of a function, no key and no error text of Redis outside it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
#: What only the store may spell, with an example that the test must find.
FORBIDDEN = {
    r"\bTS\.[A-Z]+\b": 'pipe.execute_command("TS.GET", key)',
    r"\bexecute_command\b": "client.execute_command(*words)",
    r"\bFCALL(_RO)?\b": '("FCALL", "raise_alert", 2)',
    r"\bcontract import (\w+, )*keys\b": "from redis_functions.contract import keys",
    r"\bTSDB\b": 'if "TSDB:" in text',
    r"key does not exist": 'if "key does not exist" in str(error)',
    r"\b(WRONGTYPE|NOPERM|READONLY|MASTERDOWN|CLUSTERDOWN|MISCONF|WRONGPASS)\b": 'text.startswith("NOPERM")',
    r"\b(ts|latest|alert|gaps|lease|watermark|late|metrics|previous_close):\{+": 'f"latest:{{{symbol}}}"',
}
#: The plan, the doctor and the descriptions of settings name a key or a command to people.
PROSE = re.compile(r"`[^`]*`|About\(\"[^\"]*\"")


def _sources() -> list[Path]:
    packages = {name.partition(".")[0] for name in PACKAGES} - {"redis_functions"}
    return sorted(path for name in packages for path in (ROOT / name).rglob("*.py"))


def _found(pattern: str, text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if re.search(pattern, PROSE.sub("", line))]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_only_the_store_spells(pattern: str) -> None:
    assert _found(pattern, FORBIDDEN[pattern]), "the pattern finds its own example"
    sources = _sources()
    assert len(sources) > 100
    assert {
        str(path.relative_to(ROOT)): found for path in sources if (found := _found(pattern, path.read_text()))
    } == {}

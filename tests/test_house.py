"""Rules of CONTRIBUTING.md that a machine can check: sizes, and the files that it names."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES_OF_A_FILE = 400
FILES_ON_THE_PATH = 10

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def sources() -> list[str]:
    """Every Python and Lua file of the repository, or of an unpacked copy of it."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "*.py", "*.lua"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs a git checkout: {error}")
    return [name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]


def test_files_are_short() -> None:
    lines = {name: len((ROOT / name).read_text().splitlines()) for name in sources()}
    assert {name: n for name, n in lines.items() if n > LINES_OF_A_FILE} == {}


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", CONTRIBUTING, re.MULTILINE | re.DOTALL)
    assert found is not None, f"CONTRIBUTING.md has no section {title!r}"
    return found[1]


@pytest.mark.parametrize("title", ["From frame to stored bar", "Where a change belongs"])
def test_files_that_are_named_exist(title: str) -> None:
    named = [name for name in re.findall(r"`([\w/.*]+)`", section(title)) if "/" in name]
    assert named
    assert [name for name in named if not list(ROOT.glob(name))] == []


def test_path_of_a_frame_is_short() -> None:
    steps = re.findall(r"^\d+\. ", section("From frame to stored bar"), re.MULTILINE)
    files = re.findall(r"`([\w/]+\.py)`", section("From frame to stored bar"))
    assert len(steps) <= FILES_ON_THE_PATH
    assert len(set(files)) <= FILES_ON_THE_PATH


def test_image_has_every_package() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    names = {name.partition(".")[0] for name in packages} | {"LICENSE", "README.md", "pyproject.toml"}
    build = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[0]
    copied = {word for line in re.findall(r"^COPY (.+) \S+$", build, re.MULTILINE) for word in line.split()}
    sent = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert names - copied == set()
    assert names - sent == set()

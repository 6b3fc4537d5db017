"""Rules of CONTRIBUTING.md that a machine can check: sizes, and the files that it names."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 60
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


Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_functions_are_short() -> None:
    long = {
        f"{name}:{node.lineno} {node.name}"
        for name in sources()
        if name.endswith(".py")
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, Function) and (node.end_lineno or 0) - node.lineno >= LINES_OF_A_FUNCTION
    }
    assert long == set()


def public(body: list[ast.stmt]) -> Iterator[Function]:
    """The public functions of a module, and the public methods of its public classes."""
    for node in body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body)


def raised(node: ast.AST) -> Iterator[str]:
    """What the function itself raises, by name; functions within it and re-raised errors are left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(child, ast.Raise) and child.exc is not None:
            yield ast.unparse(child.exc.func if isinstance(child.exc, ast.Call) else child.exc).rpartition(".")[2]
        yield from raised(child)


def test_public_functions_document_what_they_raise() -> None:
    silent = {}
    for name in sources():
        if name.startswith("tests/") or not name.endswith(".py"):
            continue
        for node in public(ast.parse((ROOT / name).read_text()).body):
            errors = set(raised(node)) - {"AssertionError", "SystemExit"}
            text = ast.get_docstring(node) or ""
            if errors and "Raises" not in text and not any(error in text for error in errors):
                silent[f"{name}:{node.lineno} {node.name}"] = errors
    assert silent == {}


#: Modules of ingest that are tested in another's file: (module, file).
TESTED_ELSEWHERE = {
    "ingest/spool/cursor.py": "tests/ingest/spool/test_damage.py",
    "ingest/spool/errors.py": "tests/ingest/spool/test_disk.py",
    "ingest/spool/folder.py": "tests/ingest/spool/test_damage.py",
    "ingest/spool/sync.py": "tests/ingest/spool/test_disk.py",
    "ingest/store_market.py": "tests/end_to_end/test_one_store_one_market.py",
}


def test_each_module_of_ingest_has_its_test_file() -> None:
    names = sources()
    modules = [name for name in names if name.startswith("ingest/") and not name.endswith("__init__.py")]
    untested = []
    for name in modules:
        folder, _, file = name.rpartition("/")
        if TESTED_ELSEWHERE.get(name, f"tests/{folder}/test_{file}") not in names:
            untested.append(name)
    assert untested == []


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

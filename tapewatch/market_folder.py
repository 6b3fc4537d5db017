"""Where TAPEWATCH_DATA_DIR is not set: each market has a data folder of its own, and the commands use that of the last run."""

from __future__ import annotations

import re
from pathlib import Path

from redis_functions.write.store_stamp import VENDOR

ROOT = Path("data")
SIMULATOR = "simulator"
#: The file that names the folder of the last run.
_LAST = "last"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def folder_of(market: str) -> Path:
    """``data/vendor``, ``data/simulator`` (whatever its seed), ``data/recording-…``, ``data/<name>``."""
    if market.startswith(f"{SIMULATOR}-"):
        market = SIMULATOR
    name = re.sub(r"[^A-Za-z0-9._-]", "_", market)[:64]
    return ROOT / (name if _NAME.fullmatch(name) else VENDOR)


def current(simulated: bool) -> Path:
    """The folder of the last run; before any run the folder that one would use, or ``data`` itself where an earlier version
    has kept its store there."""
    try:
        name = (ROOT / _LAST).read_text().strip()
    except OSError:
        name = ""
    if _NAME.fullmatch(name) and (ROOT / name).is_dir():
        return ROOT / name
    if earlier_store():
        return ROOT
    return ROOT / (SIMULATOR if simulated else VENDOR)


def earlier_store() -> bool:
    """Whether ``data`` itself holds a store: of a version before each market had a folder."""
    return (ROOT / "redis").is_dir()


def remember(folder: Path) -> None:
    """The other commands use `folder` from now on. Raises OSError."""
    if folder.parent == ROOT:
        (ROOT / _LAST).write_text(f"{folder.name}\n")

"""The disk of the data folder against the plan: whether a day of the market fits it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tapewatch import capacity
from tapewatch.settings import Settings

MIB = 1 << 20
#: The whole market: symbols that trade on a day, and bars a second as a mean of the session.
SYMBOLS, BARS_PER_SECOND = 10_000, 1_000.0


def needed_mib(settings: Settings) -> float:
    """MiB that append-only file and spool need at most: for the simulated market, or for the whole real one."""
    symbols, rate = SYMBOLS, BARS_PER_SECOND
    if settings.simulated:
        symbols, rate = settings.sim_symbols, min(settings.sim_rate, settings.sim_symbols)
    need = capacity.need(
        symbols, rate, settings.schema, settings.spool_mb, aof_limit_mib=settings.aof_limit_mb, held=settings.holds_writes
    )  # fmt: skip
    return need.spool_mib if settings.redis_url else need.disk_mib


def room_mib(folder: Path) -> tuple[float, float]:
    """(MiB free on the disk of the folder, MiB that its append-only file and spool use already)."""
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    held = sum(
        path.stat().st_size for part in ("redis", "spool") for path in (folder / part).rglob("*") if path.is_file()
    )
    return shutil.disk_usage(place).free / MIB, held / MIB


def shortage(settings: Settings) -> str:
    """What is missing on the disk, as one sentence; empty when the plan fits."""
    free, held = room_mib(settings.data_path)
    needed = needed_mib(settings)
    if free + held >= needed:
        return ""
    return (
        f"a day needs up to {needed / 1024:.1f} GiB for append-only file and spool, {held / 1024:.1f} are used and "
        f"{free / 1024:.1f} free"
    )

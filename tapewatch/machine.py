"""What this machine has: memory and cores."""

from __future__ import annotations

import os
from pathlib import Path

MIB = 1 << 20


def this_machine() -> tuple[float, float]:
    """(MiB, cores) of this machine, or of the control group that limits it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MIB
    limit = _group("memory.max")
    if limit and limit[0].isdigit():
        memory = min(memory, int(limit[0]) / MIB)
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota = _group("cpu.max")
    if len(quota) == 2 and quota[0].isdigit():
        cores = min(cores, int(quota[0]) / int(quota[1]))
    return memory, cores


def _group(name: str) -> list[str]:
    try:
        return Path("/sys/fs/cgroup", name).read_text().split()
    except OSError:
        return []

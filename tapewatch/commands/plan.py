"""`tapewatch plan`: what a market costs on this machine or another, before anything is started."""

from __future__ import annotations

import argparse
import json
import sys

import msgspec

from tapewatch import capacity, machine, machine_speed
from tapewatch.capacity import Need
from tapewatch.commands.redis import maxmemory_mb
from tapewatch.settings import HOUR_MS, Settings

HELP = "predict memory, disk and CPU for a number of symbols and bars; exit 1 when a machine is too small"

_LEVELS = ("1s", "1m", "5m", "1h")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--symbols", type=int, required=True, metavar="N", help="symbols that trade")
    parser.add_argument(
        "--bars-per-second", type=float, required=True, metavar="R", help="over all symbols, mean of the session"
    )
    parser.add_argument("--profile", choices=("default", "small"), help="default: the setting")
    for level in _LEVELS:
        parser.add_argument(f"--retention-{level}", type=int, metavar="S", help=f"seconds that {level} bars are kept")
    parser.add_argument("--memory-mb", type=float, metavar="MB", help="of the machine (default: this one's)")
    parser.add_argument("--cores", type=float, metavar="C", help="of the machine (default: this one's)")
    parser.add_argument(
        "--slowness", type=float, metavar="X",
        help="CPU time of the machine's cores over the reference's: 2 is half as fast (default: this one's, measured now)",
    )  # fmt: skip
    parser.add_argument("--hours", type=float, metavar="H", help="so long after the first opening bell, not at a close")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Returns 0 when it fits, 1 after a line for each reason why not, 2 for invalid arguments."""
    settings, mistake = _settings(args, settings)
    if mistake:
        print(f"tapewatch plan: {mistake}", file=sys.stderr)
        return 2
    slowness = machine_speed.measure() if args.slowness is None else args.slowness
    found = capacity.need(
        args.symbols, args.bars_per_second, settings.schema, settings.spool_mb, args.hours, settings.buffer_mb,
        settings.aof_limit_mb, slowness, settings.holds_writes,
    )  # fmt: skip
    memory, cores = machine.this_machine()
    memory, cores = args.memory_mb or memory, args.cores or cores
    limit = maxmemory_mb(settings, memory)
    against = capacity.reasons_against(found, memory, cores, limit)
    instance = capacity.smallest_instance(found, limit)
    if args.json:
        print(json.dumps(found.as_dict() | {"slowness": slowness, "fits": not against, "instance": instance}))
    else:
        print(_text(found, args, settings, (memory, cores, slowness), instance))
    for reason in against:
        print(f"tapewatch: this does not fit: {reason}", file=sys.stderr)
    return 1 if against else 0


def _settings(args: argparse.Namespace, settings: Settings) -> tuple[Settings, str]:
    """The settings, overridden by the command line, and the error in the latter ("" if none)."""
    if not 1 <= args.symbols <= 1_000_000:
        return settings, "--symbols must lie between 1 and 1,000,000"
    if not 0 < args.bars_per_second <= args.symbols:
        return settings, "--bars-per-second must be positive and at most --symbols: a symbol has one bar a second"
    for name in ("memory_mb", "cores", "hours", "slowness"):
        value = getattr(args, name)
        if value is not None and not 0 < value < 1e9:
            return settings, f"--{name.replace('_', '-')} must be positive"
    changes = {
        f"retention_{level}": value for level in _LEVELS if (value := getattr(args, f"retention_{level}")) is not None
    }
    if args.profile:
        changes["profile"] = args.profile
    settings = msgspec.structs.replace(settings, **changes)
    for level, kept in settings.schema.retention_ms.items():
        least = 4500 if level == "1s" else 3600
        if not least <= kept // 1000 <= 3653 * 86_400:
            return settings, f"--retention-{level} must lie between {least} seconds and ten years"
    return settings, ""


def _text(
    found: Need, args: argparse.Namespace, settings: Settings, machine: tuple[float, float, float], instance: str | None
) -> str:
    memory, cores, slowness = machine
    kept = ", ".join(f"{level} {_span(ms)}" for level, ms in settings.schema.retention_ms.items())
    limit = settings.aof_limit_mb
    cpu = f"ingest {found.ingest_cores:.2f}, Redis {found.redis_cores:.2f}; readers and peaks besides"
    parts = (
        f"Redis {found.redis_mib:,.0f}, ingest {found.ingest_mib:,.0f}, bridge {found.bridge_mib:,.0f}, "
        f"supervisor {found.supervisor_mib:,.0f}; with the system {found.machine_mib:,.0f}"
    )
    often = f"{found.rewrites_a_day:.0f} times a day" if found.rewrites_a_day else "not on such a day"
    during = f"while Redis rewrites its file during the market: {often} ({limit:,} MiB of growth)"
    rows = [
        ("memory", f"{found.total_mib:,.0f} MiB", parts),
        ("", f"{found.fork_mib:,.0f} MiB more", during),
        ("disk", f"{found.disk_mib / 1024:,.1f} GiB", f"append-only file {found.aof_mib / 1024:,.1f} at most "
         f"({found.aof_mib_day / 1024:,.1f} GiB a day go into it), spool {found.spool_mib / 1024:,.1f}"),
        ("restart", f"{found.load_s:,.0f} s", "until a Redis that crashed has read its largest file; the spool takes the stream"),
        ("CPU", f"{found.cores:.2f} cores", f"{cpu}; a core takes {slowness:.2f} times the reference's CPU time"),
        ("machine", f"{memory:,.0f} MiB, {cores:g} CPU", f"the smallest EC2 type that holds it: {instance or 'none of ours'}"),
    ]  # fmt: skip
    head = (
        f"{args.symbols:,} symbols, {args.bars_per_second:,g} bars/s ({found.bars_a_day / 1e6:,.1f} million a session), "
        f"profile {settings.profile}; kept: {kept}; labels {'on' if settings.schema.labels else 'off'}"
    )
    return "\n".join([head, *(f"  {name:<8} {figure:<18} {more}" for name, figure, more in rows)])


def _span(ms: int) -> str:
    return f"{ms / 86_400_000:g} d" if ms >= 86_400_000 else f"{ms / HOUR_MS:g} h"

"""What a market costs in memory, disk and CPU: a small model over constants that were measured.

Every constant names what measured it; `python -m bench.day` compares the model with the real thing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from market.timeframes import STORED
from redis_functions.contract.schema import DAY_MS, FIELDS, Schema

#: The regular session, seconds.
DAY_S = 23_400
MIB = 1 << 20

# --- measured: python -m bench.calibrate (Redis 7.4 with RedisTimeSeries 1.12)

#: Bytes of an empty series with its rules, its first chunk of 384 (1s) or 192 bytes in it; more by its three labels.
EMPTY_SERIES, LABELS = 743, 912
#: Share of a level's buckets that have a bar -> bytes a sample, chunks and all, as a mean of the six fields.
SHARES = (0.05, 0.2, 0.5, 1.0)
SAMPLE_BYTES = {
    "1s": (6.86, 5.27, 4.41, 2.69),
    "1m": (11.55, 11.13, 9.44, 4.48),
    "5m": (11.77, 11.14, 9.54, 4.68),
    "1h": (12.47, 11.67, 10.07, 5.16),
}
#: What Redis keeps of a chunk besides its bytes (facts: +72 to 88).
CHUNK_MORE = 80
#: The chunk sizes that SAMPLE_BYTES was measured with.
CHUNKS = {"1s": 384, "1m": 192, "5m": 192, "1h": 192}

# --- measured: python -m bench.day (PSS of the processes, used_memory)

#: Redis before any symbol: itself, the module, the functions, connections and their buffers.
REDIS_BASE_MIB = 2.2
#: `latest:` and the place in `symbols`, bytes a symbol.
SYMBOL_BYTES = 450
#: PSS over used_memory: fragmentation, and what of the program itself is resident (MiB).
FRAGMENTATION, REDIS_PROGRAM_MIB = 1.02, 7.0
#: MiB of the daemon alone, and bytes of PSS per byte of a full memory buffer (setting buffer_mb).
INGEST_BASE_MIB, INGEST_SYMBOL_BYTES, BUFFER_COST = 36.0, 1_700, 1.45
#: After a few answers; and `tapewatch run` itself.
BRIDGE_MIB, SUPERVISOR_MIB = 48.0, 24.0

# --- measured: python -m bench.ingest, python -m bench.day

#: CPU µs a bar with 100 and with 10,000 symbols, the mean of four market days: the working set outgrows the caches.
INGEST_US, REDIS_US = (10.0, 10.4), (10.0, 19.5)
#: CPU of the daemon's second-by-second work (movers, statistics) and of an idle Redis: share of a core.
IDLE_CPU = 0.02
#: Bytes a bar in the append-only file before a rewrite, and in the spool (the vendor's frame and a record's head).
AOF_BAR, SPOOL_BAR = 490, 184
#: Size of the rewritten file, of used_memory; during a rewrite there are two.
AOF_BASE_SHARE = 0.55
#: What a rewrite at the market's own rate takes besides, of used_memory; while the market rests it is next to nothing.
FORK_SHARE = 0.43
#: The same where ingest holds its writes, or the market rests: page tables and 3 MiB (bench.day), with something to spare.
FORK_HELD_SHARE = 0.02
# --- measured: python -m bench.restart
#: Seconds of CPU that Redis takes for a MiB of the append-only file when it starts.
LOAD_S_MIB = 0.03

#: MiB of the operating system.
SYSTEM_MIB = 150.0

#: Instances with x86 processors (the embedded Redis has no other on Linux), smallest first:
#: name, vCPU, MiB, and the share of all vCPU that may be used all the time (burstable types have a baseline).
EC2 = (
    ("t3a.nano", 2, 512, 0.05),
    ("t3a.micro", 2, 1024, 0.10),
    ("t3a.small", 2, 2048, 0.20),
    ("t3a.medium", 2, 4096, 0.20),
    ("m7a.large", 2, 8192, 1.0),
    ("m7a.xlarge", 4, 16384, 1.0),
    ("r7a.xlarge", 4, 32768, 1.0),
    ("r7a.2xlarge", 8, 65536, 1.0),
    ("r7a.4xlarge", 16, 131072, 1.0),
)


@dataclass(frozen=True)
class Need:
    """MiB, cores, and seconds; `redis_mib` and `total_mib` are PSS, `redis_used_mib` is Redis's used_memory."""

    redis_used_mib: float
    redis_mib: float
    ingest_mib: float
    bridge_mib: float
    supervisor_mib: float
    total_mib: float
    machine_mib: float  # with what the operating system needs, and a rewrite where it comes during the market
    fork_mib: float  # besides, while Redis rewrites its file during the market
    rewrites_a_day: float  # of those
    aof_mib_day: float  # what is written to the file on a day
    aof_mib: float  # the file at its largest, while it is rewritten
    load_s: float  # until a Redis that crashed with its largest file answers again
    spool_mib: float
    disk_mib: float  # of all
    cores: float
    redis_cores: float  # it has one thread, so at most 1
    ingest_cores: float  # the same
    bars_a_day: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def rates(symbols: int, bars_per_second: float) -> NDArray[np.float64]:
    """How likely each symbol has a bar in a second: Zipf's law with exponent 1, at most 1, their sum `bars_per_second`."""
    weight = 1.0 / np.arange(1, symbols + 1)
    low, high = 0.0, float(symbols)
    for _ in range(80):
        middle = (low + high) / 2
        if np.minimum(1.0, weight * middle).sum() < bars_per_second:
            low = middle
        else:
            high = middle
    return np.asarray(np.minimum(1.0, weight * high))


def sessions(retention_ms: int) -> float:
    """Trading days that lie in a retention at most (weekends have none); a part of one where it is shorter than a day."""
    days = retention_ms / DAY_MS
    weeks, rest = divmod(days, 7)
    return float(weeks * 5 + min(rest, 5))


def level_bytes(level: str, chance: NDArray[np.float64], kept_s: float, chunk: int, rolling: float) -> float:
    """Bytes that the samples of one level take beyond the empty series, over all symbols and fields.

    `kept_s` seconds of trading time are kept; `rolling`: the share of series whose older samples
    are let go by now, which happens chunk by chunk: half a chunk more is there.
    """
    bucket_s = STORED[level] / 1000
    share = 1 - (1 - chance) ** bucket_s
    samples = kept_s / bucket_s * share
    each = np.interp(share, SHARES, SAMPLE_BYTES[level])
    # Smaller or larger chunks than measured: the same payload with another share of what a chunk costs besides.
    measured = CHUNKS[level]
    each = each * measured / (measured + CHUNK_MORE) * (chunk + CHUNK_MORE) / chunk
    whole = chunk + CHUNK_MORE
    chunks = samples * each / whole
    # The first chunk belongs to the empty series; on average the last one is half full.
    more = np.maximum(0.0, chunks - 0.5 + 0.5 * rolling)
    return float(more.sum()) * whole * len(FIELDS)


def need(
    symbols: int,
    bars_per_second: float,
    schema: Schema,
    spool_mib: float,
    hours: float | None = None,
    buffer_mib: float = 64.0,
    aof_limit_mib: float = 512.0,
    slowness: float = 1.0,
    held: bool = False,
) -> Need:
    """What the configuration needs in its steady state: at the close of a day, all retentions full.

    `hours`: so long after the opening bell of its first day, levels that are kept no longer than a day less full, all
    others full (what bench.day plays). `buffer_mib` of newest frames are taken for used: a burst, or Redis away, fills them.
    `aof_limit_mib`: growth of the append-only file at which it is rewritten during the market.
    `held`: ingest holds its writes meanwhile.
    `slowness`: CPU time that the machine's cores take, over that of the cores behind the constants (machine_speed.py).
    """
    chance = rates(symbols, bars_per_second)
    redis_used = REDIS_BASE_MIB + _series_bytes(symbols, chance, schema, hours) / MIB
    redis = REDIS_PROGRAM_MIB + redis_used * FRAGMENTATION
    ingest = INGEST_BASE_MIB + buffer_mib * BUFFER_COST + symbols * INGEST_SYMBOL_BYTES / MIB
    total = redis + ingest + BRIDGE_MIB + SUPERVISOR_MIB
    ingest_cores, redis_cores = (
        bars_per_second * slowness * _us(cost, symbols) / 1e6 for cost in (INGEST_US, REDIS_US)
    )
    bars = bars_per_second * DAY_S
    grown, base = bars * AOF_BAR / MIB, redis_used * AOF_BASE_SHARE
    fork = redis_used * (FORK_HELD_SHARE if held else FORK_SHARE)
    aof = min(grown, aof_limit_mib) + 2 * base
    spool = min(spool_mib, bars * SPOOL_BAR / MIB)
    return Need(
        redis_used_mib=redis_used,
        redis_mib=redis,
        ingest_mib=ingest,
        bridge_mib=BRIDGE_MIB,
        supervisor_mib=SUPERVISOR_MIB,
        total_mib=total,
        machine_mib=total + SYSTEM_MIB + (fork if grown > aof_limit_mib else 0.0),
        fork_mib=fork,
        rewrites_a_day=grown // aof_limit_mib,
        aof_mib_day=grown,
        aof_mib=aof,
        load_s=(aof - base) * LOAD_S_MIB * slowness,
        spool_mib=spool,
        disk_mib=aof + spool,
        cores=ingest_cores + redis_cores + IDLE_CPU * slowness,
        redis_cores=redis_cores,
        ingest_cores=ingest_cores,
        bars_a_day=bars,
    )


def _series_bytes(symbols: int, chance: NDArray[np.float64], schema: Schema, hours: float | None) -> float:
    """Bytes of all series after `hours` (see `need`)."""
    used: float = symbols * (
        len(FIELDS) * len(STORED) * (EMPTY_SERIES + (LABELS if schema.labels else 0)) + SYMBOL_BYTES
    )
    used += symbols * len(FIELDS) * (schema.chunk_1s - CHUNKS["1s"] + 3 * (schema.chunk_rolled - CHUNKS["1m"]))
    elapsed_s = DAY_S if hours is None else min(DAY_S, hours * 3600)
    for level in STORED:
        retention = schema.retention_ms[level]
        kept_s = min(retention / 1000, elapsed_s) if retention <= DAY_MS else sessions(retention) * DAY_S
        chunk = schema.chunk_1s if level == "1s" else schema.chunk_rolled
        # What is kept for days begins to roll when today's bars push the oldest out.
        rolling = elapsed_s / DAY_S if retention > DAY_MS else float(retention / 1000 < elapsed_s)
        used += level_bytes(level, chance, kept_s, chunk, rolling)
    return used


def _us(cost: tuple[float, float], symbols: int) -> float:
    return float(np.interp(np.log10(max(symbols, 1)), (2.0, 4.0), cost))


def reasons_against(found: Need, memory_mib: float, cores: float, maxmemory_mib: int | None) -> list[str]:
    """Why the machine cannot hold it; empty when it can."""
    against = []
    if found.machine_mib > memory_mib:
        against.append(f"it needs {found.machine_mib:,.0f} MiB and the machine has {memory_mib:,.0f}")
    if maxmemory_mib and found.redis_used_mib > maxmemory_mib:
        against.append(f"Redis would hold {found.redis_used_mib:,.0f} MiB and its maxmemory is {maxmemory_mib:,}")
    if found.cores > cores:
        against.append(f"it needs {found.cores:.2f} cores and the machine has {cores:.2f}")
    for name, busy in (("Redis", found.redis_cores), ("ingest", found.ingest_cores)):
        if busy > 1:
            against.append(f"{name} needs {busy:.1f} cores and has one thread")
    return against


def smallest_instance(found: Need, maxmemory_mib: int | None = None) -> str | None:
    """The first of EC2 that holds it all the time; None when none does."""
    for name, cpus, memory, baseline in EC2:
        if not reasons_against(found, memory, cpus * baseline, maxmemory_mib):
            return name
    return None

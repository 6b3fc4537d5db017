"""PostgreSQL with the same duties, where it is installed: bars are upserted, and a one-minute table is kept live.

Its rows come ready-made through COPY into a staging table, with nothing to decode, in transactions of a given
number of bars: a better lot than a real client of it would have.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.world import cpu_s, family, wait_until
from market.bar import Bar

_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: p.parent.name.zfill(4), reverse=True)

_TABLES = """
CREATE TABLE bars (sym text, t bigint, o bigint, h bigint, l bigint, c bigint, v bigint, n bigint, PRIMARY KEY (sym, t));
CREATE TABLE minutes (LIKE bars INCLUDING ALL);
CREATE TEMP TABLE stage (LIKE bars);
SET synchronous_commit = off;
"""
_COPY = "BEGIN;\nCOPY stage FROM STDIN;\n"
_UPSERT = r"""\.
INSERT INTO bars SELECT * FROM stage ON CONFLICT (sym, t) DO UPDATE SET
 o = excluded.o, h = excluded.h, l = excluded.l, c = excluded.c, v = excluded.v, n = excluded.n;
INSERT INTO minutes AS m SELECT sym, t / 60000 * 60000, (array_agg(o ORDER BY t))[1], max(h), min(l),
 (array_agg(c ORDER BY t DESC))[1], sum(v), sum(n) FROM stage GROUP BY 1, 2 ON CONFLICT (sym, t) DO UPDATE SET
 h = greatest(m.h, excluded.h), l = least(m.l, excluded.l), c = excluded.c, v = m.v + excluded.v, n = m.n + excluded.n;
TRUNCATE stage;
COMMIT;
"""


def folder() -> Path | None:
    """Where the server's programs are; None where PostgreSQL is not installed."""
    for place in _FOLDERS:
        if (place / "initdb").exists() and (place / "psql").exists():
            return place
    return None


@contextlib.contextmanager
def _server(programs: Path) -> Iterator[tuple[Path, int]]:
    """A server of its own in a folder, reached by a Unix socket only: (the folder, its process)."""
    place = Path(tempfile.mkdtemp(prefix="tb-pg-"))
    # It refuses to be root.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(place, user)
    data = place / "data"
    quiet = subprocess.DEVNULL
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"],
        user=user, stdout=quiet, check=True, cwd=place,
    )  # fmt: skip
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(place),
        "shared_buffers": "256MB",
        "max_wal_size": "4GB",
    }
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, *words], user=user, stdout=quiet, stderr=quiet, cwd=place
    )
    try:
        ready = [str(programs / "pg_isready"), "-q", "-h", str(place)]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 30, "PostgreSQL", every=0.1)
        yield place, server.pid
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(place, ignore_errors=True)


def run(seconds: Sequence[Sequence[Bar]], batch: int) -> tuple[float, float]:
    """(bars a second, CPU µs a bar of server and client) with transactions of `batch` bars.

    The first second only warms up. Raises FileNotFoundError where PostgreSQL is not installed."""
    programs = folder()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed")
    with _server(programs) as (place, pid):
        psql = subprocess.Popen(
            [programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", place, "-U", "bench", "-d", "postgres", "-At"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert psql.stdin is not None
        assert psql.stdout is not None
        psql.stdin.write(_TABLES.encode() + _script(seconds[:1], batch) + b"SELECT 'begin';\n")
        psql.stdin.flush()
        psql.stdout.readline()
        script = _script(seconds[1:], batch)
        before, began = _cpu(pid, psql.pid), time.perf_counter()
        psql.stdin.write(script + b"SELECT count(*) FROM bars;\n")
        psql.stdin.flush()
        stored = int(psql.stdout.readline() or 0)
        took, spent = time.perf_counter() - began, _cpu(pid, psql.pid) - before
        psql.stdin.close()
        psql.wait(10)
    count = sum(map(len, seconds[1:]))
    if stored != sum(map(len, seconds)):
        raise RuntimeError(f"PostgreSQL holds {stored} bars instead of {sum(map(len, seconds))}")
    return count / took, spent / count * 1e6


def _cpu(server: int, client: int) -> float:
    return sum(cpu_s(pid) for pid in [*family(server), client])


def _script(seconds: Sequence[Sequence[Bar]], batch: int) -> bytes:
    rows = [f"{b.sym}\t{b.t}\t{b.o}\t{b.h}\t{b.l}\t{b.c}\t{int(b.v)}\t{b.n}\n" for second in seconds for b in second]
    return "".join(_COPY + "".join(rows[i : i + batch]) + _UPSERT for i in range(0, len(rows), batch)).encode()

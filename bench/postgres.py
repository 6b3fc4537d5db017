"""PostgreSQL with the same duties, where it is installed: bars are upserted, and tables of larger candles are kept live.

As a daemon like ours, fed by the same WebSocket (`through_feed`), and with ready-made rows in large transactions and nothing to
read or decode (`ready_made`): the best that PostgreSQL can do. Commits are not waited for to be on disk
(synchronous_commit off), as ours are not.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import tape
from bench.feed import FeedProcess, plain
from bench.harness import ROOT, Result, cpu_s, family, wait_until
from bench.postgres_client import tables
from market.bar import Bar

_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: p.parent.name.zfill(4), reverse=True)

_STAGE = "CREATE TEMP TABLE stage (LIKE bars); SET synchronous_commit = off;\n"
_COPY = "BEGIN;\nCOPY stage FROM STDIN;\n"
_UPSERT = r"""\.
INSERT INTO bars SELECT * FROM stage ON CONFLICT (sym, t) DO UPDATE SET
 o = excluded.o, h = excluded.h, l = excluded.l, c = excluded.c, v = excluded.v, n = excluded.n;
INSERT INTO bars_1m AS m SELECT sym, t / 60000 * 60000, (array_agg(o ORDER BY t))[1], max(h), min(l),
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
def server(programs: Path) -> Iterator[tuple[Path, int]]:
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
        # The server has no replica, and statements this short are not worth compiling.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "jit": "off",
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


class Psql:
    """A psql that is asked one thing after the other."""

    def __init__(self, programs: Path, place: Path) -> None:
        words = ["-q", "-v", "ON_ERROR_STOP=1", "-h", str(place), "-U", "bench", "-d", "postgres", "-At"]
        self._process = subprocess.Popen([programs / "psql", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self._process.pid

    def ask(self, script: bytes, question: str) -> str:
        """Runs `script`, then answers the one value of `question`. Raises RuntimeError when there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(script + f"{question};\n".encode())
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"psql ended without an answer to {question}")
        return line.decode().strip()

    def __enter__(self) -> Psql:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def programs() -> Path:
    """The folder of the server's programs. Raises FileNotFoundError where PostgreSQL is not installed."""
    found = folder()
    if found is None:
        raise FileNotFoundError("PostgreSQL is not installed")
    return found


def through_feed(seconds: Sequence[Sequence[Bar]], timeframes: Sequence[str], events: int) -> Result:
    """(d) A daemon of the same duties (bench.postgres_client), timed like the other contestants: the first second warms up."""
    warm, timed = seconds[0], list(itertools.chain.from_iterable(seconds[1:]))
    rounds = [plain(tape.frames([tape.aggregate(bar) for bar in bars])) for bars in (warm, timed)]
    with server(programs()) as (place, pid), FeedProcess(rounds) as feed, Psql(programs(), place) as psql:
        psql.ask(tables(timeframes).encode(), "SELECT 1")
        words = [str(feed.port), str(place), str(events), ",".join(timeframes)]
        client = subprocess.Popen([sys.executable, "-m", "bench.postgres_client", *words], cwd=ROOT)

        def stored(bars: Sequence[Bar]) -> bool:
            if client.poll() is not None:
                raise RuntimeError(f"PostgreSQL's client ended with {client.returncode}")
            return psql.ask(b"", f"SELECT count(*) FROM bars WHERE sym = '{bars[-1].sym}' AND t = {bars[-1].t}") == "1"

        try:
            feed.begin(0)
            feed.sent(60)
            wait_until(lambda: stored(warm), 120, "PostgreSQL: the first second")
            before, mine, began = _cpu(pid), cpu_s(client.pid), time.perf_counter()
            feed.begin(1)
            wait_until(lambda: stored(timed), 600, "PostgreSQL: the last bar")
            took, spent, mine = time.perf_counter() - began, _cpu(pid) - before, cpu_s(client.pid) - mine
            feed.sent(60)
            _check(psql, seconds, timeframes)
        finally:
            client.kill()
            client.wait(10)
    return Result(len(timed) / took, mine / len(timed) * 1e6, spent / len(timed) * 1e6)


def _check(psql: Psql, seconds: Sequence[Sequence[Bar]], timeframes: Sequence[str]) -> None:
    """Every bar is there, and its volume in every live candle. Raises RuntimeError."""
    bars, volume = sum(map(len, seconds)), sum(int(bar.v) for second in seconds for bar in second)
    found = int(psql.ask(b"", "SELECT count(*) FROM bars"))
    if found != bars:
        raise RuntimeError(f"PostgreSQL holds {found} bars instead of {bars}")
    for name in timeframes:
        found = int(psql.ask(b"", f"SELECT sum(v) FROM bars_{name}"))
        if found != volume:
            raise RuntimeError(f"the volume of PostgreSQL's {name} candles is {found} instead of {volume}")


def ready_made(seconds: Sequence[Sequence[Bar]], batch: int) -> Result:
    """(d) at its best: rows that are ready-made, through COPY into a staging table, in transactions of `batch` bars."""
    with server(programs()) as (place, pid), Psql(programs(), place) as psql:
        psql.ask((tables(["1m"]) + _STAGE).encode() + _script(seconds[:1], batch), "SELECT 1")
        script = _script(seconds[1:], batch)
        before, began = _cpu(pid), time.perf_counter()
        psql.ask(script, "SELECT 1")
        took, spent = time.perf_counter() - began, _cpu(pid) - before
        _check(psql, seconds, ["1m"])
    count = sum(map(len, seconds[1:]))
    return Result(count / took, 0.0, spent / count * 1e6)


def _cpu(pid: int) -> float:
    return sum(map(cpu_s, family(pid)))


def _script(seconds: Sequence[Sequence[Bar]], batch: int) -> bytes:
    rows = [f"{b.sym}\t{b.t}\t{b.o}\t{b.h}\t{b.l}\t{b.c}\t{int(b.v)}\t{b.n}\n" for second in seconds for b in second]
    return "".join(_COPY + "".join(rows[i : i + batch]) + _UPSERT for i in range(0, len(rows), batch)).encode()

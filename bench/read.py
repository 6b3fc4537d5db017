"""The rate at which candles are answered, to a bare loop of the same reads, and while bars are written.

`python -m bench.read [--short] [--seconds S]`
"""

from __future__ import annotations

import argparse
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench import tape
from bench.feed import FeedProcess, Frame, plain
from bench.harness import Harness, cpu_s, family, free_port, serve_bridge
from bench.ingest import SCHEMA, make_series, raw_limit
from bench.latency import LIMIT_OF_TIMES
from bench.table import Table, command_line, percentile, report
from market import timeframes
from market.bar import MINUTE_MS
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS
from redis_functions.read.reader import read_candles
from redis_functions.server.connection import connect_reader
from rest_bridge.rows import candle_rows
from rest_bridge.view import encode

POINTS = 300
#: Symbols that have a past to be asked for, and its minutes.
KNOWN, MINUTES = 100, POINTS + 150
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
FRAMES = 50


@dataclass
class Answers:
    """Milliseconds of each answer, counted from when it was due; and how long all took."""

    ms: list[float] = field(default_factory=list)
    took_s: float = 0.0
    bridge_us: float = 0.0
    redis_us: float = 0.0


class Client:
    """Keep-alive connections in one loop: it costs less than an HTTP library in the same two cores."""

    def __init__(self, port: int, connections: int, rows: int | None = POINTS) -> None:
        """`rows`: so many candles each answer must have; None: any answer will do."""
        self._rows = rows
        self._selector = selectors.DefaultSelector()
        # In turn, so that none is silent for so long that it is closed.
        self._idle: deque[socket.socket] = deque()
        for _ in range(connections):
            sock = socket.create_connection(("127.0.0.1", port), timeout=10)
            self._selector.register(sock, selectors.EVENT_READ)
            self._idle.append(sock)
        self._asked: dict[socket.socket, float] = {}
        self._received: dict[socket.socket, bytearray] = {}

    def ask(self, requests: Sequence[bytes], per_second: float = 0.0) -> Answers:
        """All requests, at a pace or as fast as they are answered. Raises RuntimeError for an unexpected answer."""
        found, waiting, began = Answers(), deque(enumerate(requests)), time.perf_counter()
        while waiting or self._asked:
            while waiting and self._idle:
                i, request = waiting[0]
                due = began + i / per_second if per_second else time.perf_counter()
                if due > time.perf_counter():
                    break
                waiting.popleft()
                sock = self._idle.popleft()
                self._asked[sock], self._received[sock] = due, bytearray()
                sock.sendall(request)
            pause = 1.0
            if waiting and self._idle:
                pause = max(0.0, began + waiting[0][0] / per_second - time.perf_counter())
            for key, _ in self._selector.select(pause):
                assert isinstance(key.fileobj, socket.socket)
                self._read(key.fileobj, found)
        found.took_s = time.perf_counter() - began
        return found

    def _read(self, sock: socket.socket, found: Answers) -> None:
        data = self._received[sock]
        part = sock.recv(1 << 18)
        if not part:
            raise RuntimeError(f"the bridge closed a connection after {bytes(data[:200])!r}")
        data += part
        head = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, head) if head > 0 else None
        if length is None or len(data) < head + 4 + int(length[1]):
            return
        rows = data.count(b'"t":') if self._rows is not None else None
        if not data.startswith(b"HTTP/1.1 200") or rows != self._rows:
            raise RuntimeError(f"{rows} rows, expected {self._rows}: {bytes(data[: head + 200])!r}")
        found.ms.append((time.perf_counter() - self._asked.pop(sock)) * 1000)
        self._idle.append(sock)

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


def seed(harness: Harness, symbols: Sequence[str]) -> None:
    """The minutes that are asked for, straight into the one-minute series of `symbols`."""
    make_series(harness, symbols)
    rng = np.random.default_rng(5)
    pipe = harness.client.pipeline(transaction=False)
    for symbol in symbols:
        prices = (100_0000 + rng.integers(-3, 4, MINUTES).cumsum() * 100).tolist()
        for field_name in FIELDS:
            scale = {"volume": 0, "notional": 6_000}.get(field_name, 1)
            words: list[str | int] = []
            for i, price in enumerate(prices):
                value = price * scale or 6_000
                words += [keys.series(symbol, "1m", field_name), tape.OPEN_MS - (MINUTES - i) * MINUTE_MS, value]
            pipe.execute_command("TS.MADD", *words)
    pipe.sadd(keys.SYMBOLS, *symbols)
    pipe.execute()


@dataclass(frozen=True)
class Question:
    """`/candles` of POINTS minutes that end at `to` and lie before what is being written."""

    symbol: str
    to: int

    def request(self) -> bytes:
        path = f"/api/v1/candles?symbol={self.symbol}&timeframe=1m&to={self.to}&limit={POINTS}"
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def questions(symbols: Sequence[str], count: int) -> list[Question]:
    """`count` different questions, so that no answer serves two of them. Raises ValueError when there are not so many."""
    found = [Question(s, tape.OPEN_MS - 1 - k * MINUTE_MS) for k in range(MINUTES - POINTS + 1) for s in symbols]
    if count > len(found):
        raise ValueError(
            f"{count} questions: expected at most {len(found)}, the seeded minutes of {len(symbols)} symbols"
        )
    return found[:count]


def bare(harness: Harness, asked: Sequence[Question]) -> tuple[float, float]:
    """The baseline: a loop in one thread that makes the same bytes from the same reads, without HTTP.

    Returns (answers a second, CPU µs an answer). Raises RuntimeError when an answer is not as expected.
    """
    client = connect_reader(harness.url)
    minute = timeframes.parse("1m")
    began, cpu = time.perf_counter(), time.process_time()
    for question in asked:
        rows = candle_rows(read_candles(client, [question.symbol], minute, 0, question.to, POINTS)[0])
        if len(encode(rows)) < POINTS:
            raise RuntimeError(f"{len(rows)} rows of {question}, expected {POINTS}")
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    client.close()
    return len(asked) / took, spent / len(asked) * 1e6


def frames(symbols: list[str], rate: int, seconds: int) -> list[Frame]:
    """`rate` bars a second for so many seconds, in equal frames."""
    rng = np.random.default_rng(6)
    made: list[Frame] = []
    for s in range(seconds):
        chosen = [symbols[k] for k in rng.permutation(len(symbols))[:rate]]
        events = [tape.aggregate(bar) for bar in tape.second(chosen, tape.OPEN_MS + (s + 1) * 1000, rng)]
        size = len(events) / FRAMES
        parts = (events[int(i * size) : int((i + 1) * size)] for i in range(FRAMES))
        made += [(f"[{','.join(part)}]".encode(), None) for part in parts]
    return made


def measure(harness: Harness, client: Client, bridge: int, asked: list[bytes], per_second: float = 0.0) -> Answers:
    """Asks, and divides the CPU that it cost by the requests."""
    before = sum(map(cpu_s, family(bridge))), cpu_s(harness.redis_pid)
    found = client.ask(asked, per_second)
    found.bridge_us = (sum(map(cpu_s, family(bridge))) - before[0]) / len(asked) * 1e6
    found.redis_us = (cpu_s(harness.redis_pid) - before[1]) / len(asked) * 1e6
    return found


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.read", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a second of each, 300 symbols")
    parser.add_argument("--seconds", type=int, help="of each row; default 10")
    args = parser.parse_args(argv)
    seconds = args.seconds or (1 if args.short else 10)
    scale = 1.0 if args.short else LIMIT_OF_TIMES / raw_limit()
    symbols = tape.names(300 if args.short else 10_000)
    rate = len(symbols)
    many = questions(symbols[:KNOWN], (300 if args.short else 1_500) * seconds)
    requests = [question.request() for question in many]
    asked = requests[: 200 * seconds]
    warm = tape.second(symbols, tape.OPEN_MS, np.random.default_rng(7))
    # Two rows are measured while bars are written; writing lasts longer than both take.
    paced = frames(symbols, rate, 4 * seconds)
    with (
        FeedProcess([plain(tape.frames([tape.aggregate(b) for b in warm])), lambda: paced]) as feed,
        Harness() as harness,
    ):
        seed(harness, symbols[:KNOWN])
        port = free_port()
        harness.tapewatch("ingest", FEED_URL=feed.url, LABELS="false", **{"SPOOL_MB": "4096"})
        bridge = serve_bridge(harness, port).pid
        feed.begin(0)
        feed.sent(60)
        harness.wait(lambda: harness.newest(warm[-1].sym) == tape.OPEN_MS, 120, "the first second")
        bare(harness, many[:50])
        bare_rate, bare_us = bare(harness, many)
        client = Client(port, 8)
        client.ask(asked[:50])
        rows = [("as fast as it answers, nothing is written", measure(harness, client, bridge, requests))]
        feed.begin(1, FRAMES)
        rows.append((f"200/s while {rate:,} bars/s are written", measure(harness, client, bridge, asked, 200)))
        under_way = f"as fast as it answers while {rate:,} bars/s are written"
        rows.append((under_way, measure(harness, client, bridge, requests)))
        over = feed.pipe.poll(0)
        client.close()
    table = _table(rows, over, bare_rate, bare_us)
    if not args.short:
        _require(table, rows[0][1], rows[1][1], bare_rate, scale, rate)
    return [table]


#: The least rate of the bridge to the bare loop's, and p99 ms at most beside a busy writer (see bench/latency.py).
_TO_BARE, _MEANWHILE_MS = 0.85, 15.0


def _require(table: Table, alone: Answers, meanwhile: Answers, bare_rate: float, scale: float, rate: int) -> None:
    """States the requirements; `scale` turns the required time into that of this machine."""
    per_second = len(alone.ms) / alone.took_s
    table.require(
        f"/candles of {POINTS} points from one worker, to a bare loop of the same reads without HTTP",
        per_second / bare_rate,
        at_least=_TO_BARE,
        absolute=f"{per_second:,.0f} to {bare_rate:,.0f}/s",
        headline=True,
    )
    name = f"200 such requests/s while {rate:,} bars/s are written, p99"
    table.require(name, percentile(meanwhile.ms, 0.99), at_most=_MEANWHILE_MS * scale, unit="ms")


def _table(rows: Sequence[tuple[str, Answers]], over: bool, bare_rate: float, bare_us: float) -> Table:
    table = Table(
        f"Reading: /candles of {POINTS} minutes, one bridge worker, schema {'with' if SCHEMA.labels else 'without'} labels",
        ["requests", "to the bare loop", "requests/s", "p50 / p99 / max ms", "bridge µs/request", "Redis µs/request"],
        command_line("bench.read"),
    )
    table.add("a bare loop in one thread, without HTTP", "1.00", f"{bare_rate:,.0f}", "-", f"{bare_us:.0f}", "-")
    for name, found in rows:
        per_second = len(found.ms) / found.took_s
        ratio = "-" if name.startswith("200/s") else f"{per_second / bare_rate:.2f}"
        ms = f"{percentile(found.ms, 0.5):.1f} / {percentile(found.ms, 0.99):.1f} / {max(found.ms):.1f}"
        writing = "writing included" if "while" in name else ""
        redis = f"{found.redis_us:.0f} {writing}".strip()
        table.add(name, ratio, f"{per_second:,.0f}", ms, f"{found.bridge_us:.0f}", redis)
    table.notes.append(
        "8 keep-alive connections, no gzip, no rate limit; each question is asked once. At a pace, time counts from when a "
        "request was due. The client and the feed share the cores with what is measured."
    )
    if over:
        table.notes.append("The writing ended before the last row did: read that row with care.")
    return table


if __name__ == "__main__":
    report(run())

"""The Redis time that open dashboards cost, to the sum of their panels' commands when each panel is asked for alone.

`python -m bench.dashboards [--short] [--seconds S]`

The committed dashboards' panels and annotations are asked for as the data source asks, over a store with an hour of a
simulated market that goes on meanwhile.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

from bench.harness import Harness, cpu_s, family, free_port, wait_until
from bench.read import Client
from bench.table import Table, command_line, report
from redis_functions.contract import keys
from rest_bridge.single_flight import SHARED_S
from tests.grafana.boards import BOARDS, Json, targets, view
from tests.grafana.infinity import address

OPEN = 20
#: Commands that only read; what of them the daemon itself needs is measured first and taken off.
READS = {
    "fcall_ro", "get", "hget", "hgetall", "hmget", "mget", "ping", "scard", "sismember", "smembers", "ts.get", "ts.info",
    "ts.range", "ts.revrange", "xrange", "xrevrange",
}  # fmt: skip
#: The simulated market sends its last hour first.
HISTORY_MS = 3_500_000
#: Longer than an answer may serve other panels of the same refresh (rest_bridge/single_flight.py).
_APART_S = 2 * SHARED_S
#: The most Redis time of the open dashboards, to that of their panels asked for alone.
_TO_ALONE = 0.8
#: As many as Grafana asks for at once: all panels of a dashboard.
CONNECTIONS = 20


def dashboards(symbols: Sequence[str]) -> list[tuple[Json, list[tuple[Json, Json | None]], dict[str, str | list[str]]]]:
    """So many as are open: (dashboard, its targets with their panels, what its viewer has chosen)."""
    found: list[tuple[Json, list[tuple[Json, Json | None]], dict[str, str | list[str]]]] = []
    for number in range(OPEN):
        name = sorted(BOARDS)[number % len(BOARDS)]
        # Variables are asked for when a dashboard is opened, not at each refresh.
        asked = [
            (target, panel) for board, where, target, panel in targets() if board == name and "variable" not in where
        ]
        turn = number // len(BOARDS)
        several = list(islice((symbols[(turn + k) % len(symbols)] for k in range(len(symbols))), 5))
        found.append((BOARDS[name], asked, {"symbol": several[0], "symbols": several}))
    return found


def used(harness: Harness) -> Counter[str]:
    """Microseconds of each reading command so far."""
    stats: Any = harness.client.info("commandstats")
    spent = {name.removeprefix("cmdstat_"): int(row["usec"]) for name, row in stats.items()}
    return Counter({name: usec for name, usec in spent.items() if name in READS})


def play(client: Client, opened: Sequence[Any], seconds: int) -> int:
    """Refreshes every dashboard once a second, evenly spread; how many refreshes that were."""
    began, done = time.monotonic(), 0
    for second in range(seconds):
        for number, (board, asked, chosen) in enumerate(opened):
            time.sleep(max(0.0, began + second + number / len(opened) - time.monotonic()))
            now = int(time.time() * 1000)
            paths = [address(target, view(board, now, panel, **chosen)) for target, panel in asked]
            client.ask([f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in paths])
            done += 1
    return done


def alone(client: Client, harness: Harness, opened: Sequence[Any]) -> float:
    """Redis milliseconds of one refresh of the dashboards, each panel asked for by itself: no answer is shared."""
    before = used(harness)
    for board, asked, chosen in opened:
        for target, panel in asked:
            path = address(target, view(board, int(time.time() * 1000), panel, **chosen))
            client.ask([f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()])
            time.sleep(_APART_S)
    return sum((used(harness) - before).values()) / 1000


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.dashboards", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="two seconds of a small market")
    parser.add_argument("--seconds", type=int, help="of open dashboards; default 20")
    args = parser.parse_args(argv)
    seconds, symbols = args.seconds or (2 if args.short else 20), 10 if args.short else 100
    with Harness() as harness:
        port = free_port()
        daemon = harness.tapewatch(
            "run", BRIDGE_PORT=str(port), RATE_LIMIT="0", SIM_SYMBOLS=str(symbols), SIM_RATE=str(symbols)
        )
        names = harness.wait(lambda: _settled(harness, symbols), 90, "the market's last hour")
        bridge = wait_until(lambda: _named(daemon.pid, "bridge"), 10, "the bridge")
        opened = dashboards(names)
        client = Client(port, CONNECTIONS, rows=None)
        play(client, opened, 1)
        bare_began = time.monotonic()
        # One viewer of each dashboard stands for all: the others choose other symbols.
        bare_ms = alone(client, harness, opened[: len(BOARDS)]) * OPEN / len(BOARDS)
        bare_s = time.monotonic() - bare_began
        client.close()
        quiet, began = used(harness), time.monotonic()
        time.sleep(min(seconds, 5))
        idle = used(harness) - quiet
        idle_s = time.monotonic() - began
        client = Client(port, CONNECTIONS, rows=None)
        before, cpu, began = used(harness), _cpu(bridge), time.monotonic()
        refreshes = play(client, opened, seconds)
        took = time.monotonic() - began
        spent = used(harness) - before
        for name in spent:
            spent[name] -= int(idle[name] / idle_s * took)
        bridge_ms = (_cpu(bridge) - cpu) * 1000
        client.close()
    bare_ms -= sum(idle.values()) / 1000 / idle_s * bare_s * OPEN / len(BOARDS)
    total = sum(spent.values()) * OPEN / refreshes / 1000
    table = _table(spent, refreshes, took, bridge_ms, sum(len(asked) for _, asked, _ in opened), symbols)
    table.add("the same panels, each asked for alone", f"{bare_ms:.1f}")
    if not args.short:
        table.require(
            "Redis time for 20 open dashboards at 1 s refresh, to that of their panels asked for alone",
            total / bare_ms,
            at_most=_TO_ALONE,
            absolute=f"{total:.1f} to {bare_ms:.1f} ms a second",
            headline=True,
        )
    return [table]


def _settled(harness: Harness, symbols: int) -> list[str]:
    """The symbols, once each has an hour of bars that reaches the present."""
    found: Any = harness.client.smembers(keys.SYMBOLS)
    names = sorted(name.decode() for name in found)
    if len(names) < symbols:
        return []
    for name in names:
        oldest: Any = harness.client.execute_command("TS.INFO", keys.series(name, "1s", "notional"))
        info = dict(zip(oldest[::2], oldest[1::2], strict=True))
        newest = int(info[b"lastTimestamp"])
        if newest - int(info[b"firstTimestamp"]) < HISTORY_MS or newest < time.time() * 1000 - 30_000:
            time.sleep(0.2)
            return []
    return names


def _named(pid: int, word: str) -> list[int]:
    """The processes of `tapewatch <word>` below `pid`."""
    found = []
    for each in family(pid)[1:]:
        with open(f"/proc/{each}/cmdline", "rb") as file:
            if word.encode() in file.read().split(b"\0"):
                found.append(each)
    return found


def _cpu(pids: Sequence[int]) -> float:
    return sum(map(cpu_s, pids))


def _table(spent: Counter[str], refreshes: int, took: float, bridge_ms: float, requests: int, symbols: int) -> Table:
    table = Table(
        f"{OPEN} open dashboards at 1 s refresh: {requests} requests a second, {symbols} symbols",
        ["command", "Redis ms a second"],
        command_line("bench.dashboards"),
    )
    # Of a second's refreshes, however many of them the machine had time for.
    scale = OPEN / refreshes / 1000
    table.add("all that read", f"{sum(spent.values()) * scale:.1f}")
    for name, usec in spent.most_common():
        if usec * scale >= 0.05:
            table.add(name.upper(), f"{usec * scale:.1f}")
    table.notes.append(
        f"By `INFO commandstats`, less what the daemon itself reads. The bridge's CPU: {bridge_ms / refreshes * OPEN:.0f} ms "
        f"for a second's refreshes; {refreshes} refreshes were answered in {took:.1f} s. The five dashboards four times each, "
        "with four symbols."
    )
    return table


if __name__ == "__main__":
    report(run())

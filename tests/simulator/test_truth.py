"""The truth file holds exactly what was sent and what was lost."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from simulator.faults import parse_faults
from simulator.market import Market
from simulator.server import Plan
from tests.simulator.support import simulating, tapped, until


def key(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True)


def test_truth_is_what_clients_got_and_what_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    received: list[dict[str, Any]] = []

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    async def scene() -> None:
        topics = ("A.*", "T.*", "AM.*", "LULD.*")
        plan = Plan(Market(30, 20, 3), truth=path, history_s=300, faults=parse_faults("drop@1.2"))
        async with simulating(plan) as (_, port):
            async with tapped(port, *topics) as tap:
                await tap.end()
                received.extend(tap.events)
            await until(lambda: [x for x in lines() if not x["sent"]], "something lost")
            async with tapped(port, *topics) as tap:
                await tap.until(lambda: len(tap.events) > 20, "live events")
                await tap.connection.close()
                await tap.end()
                received.extend(tap.events)

    asyncio.run(scene())
    truth = lines()
    assert [x["n"] for x in truth] == list(range(1, len(truth) + 1))
    sent = [{k: v for k, v in x.items() if k not in ("n", "sent")} for x in truth if x["sent"]]
    # What the client's own close cut off was sent, but not received: nothing may be missing before what was received.
    still = Counter(map(key, received))
    missing = []
    for n, body in enumerate(sent):
        still[key(body)] -= 1
        if still[key(body)] < 0:
            missing.append(n)
    assert missing == list(range(len(sent) - len(missing), len(sent)))
    assert len(sent) - len(missing) == len(received)
    assert {x["ev"] for x in sent} == {"A", "AM", "T", "LULD"}


def test_history_is_told_once_in_order_then_the_market_is_live(tmp_path: Path) -> None:
    async def scene() -> None:
        plan = Plan(Market(20, 15, 3), history_s=200)
        async with simulating(plan) as (_, port):
            async with tapped(port, "A.*") as tap:
                await tap.until(lambda: len({b["s"] for b in tap.events}) >= 202, "history and two live seconds")
                firsts: dict[tuple[str, int], int] = {}
                for n, bar in enumerate(tap.events):
                    firsts.setdefault((bar["sym"], bar["s"]), n)
                ordered = sorted(firsts, key=firsts.__getitem__)
                assert [s for _, s in ordered] == sorted(s for _, s in ordered)
                assert len(tap.frames) < 100
                newest = max(b["s"] for b in tap.events)
            async with tapped(port, "A.*") as again:
                await again.until(lambda: len(again.events) > 10, "live bars")
                assert min(b["s"] for b in again.events) > newest - 60_000

    asyncio.run(scene())


def test_the_same_seed_tells_the_same_history() -> None:
    async def history() -> dict[tuple[str, int], Any]:
        async with simulating(Plan(Market(10, 8, 3), history_s=100)) as (_, port), tapped(port, "A.*") as tap:
            await tap.until(lambda: len({b["s"] for b in tap.events}) >= 101, "history")
            return {(b["sym"], b["s"]): b for b in tap.events}

    one, other = asyncio.run(history()), asyncio.run(history())
    common = sorted(one.keys() & other.keys(), key=lambda k: k[1])
    # The newest may still wait for a late print.
    settled = [k for k in common if k[1] < common[-1][1] - 60_000]
    assert len(settled) > 100
    assert all(one[k] == other[k] for k in settled)

"""Each fault as a client on the wire meets it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from simulator.faults import KINDS, Fault, garbage, parse_faults
from simulator.market import Market
from simulator.server import Plan
from tests.simulator.support import simulating, tapped, until


def plan(faults: str, truth: Path | None = None, history_s: int = 0) -> Plan:
    return Plan(Market(20, 20, 3), truth=truth, history_s=history_s, faults=parse_faults(faults))


def run(scene: Any) -> None:
    asyncio.run(scene)


def test_faults_are_parsed_in_order_of_time() -> None:
    assert parse_faults("stall@20:12, drop@5,flood@7.5") == [
        Fault("drop", 5, 0), Fault("flood", 7.5, 10), Fault("stall", 20, 12),
    ]  # fmt: skip
    assert parse_faults("") == []
    assert [f.kind for f in parse_faults(",".join(f"{kind}@1" for kind in KINDS))] == list(KINDS)


@pytest.mark.parametrize(
    "text",
    [
        "drop",
        "drop@",
        "drop@x",
        "bang@1",
        "drop@1:5",
        "stall@1:0",
        "stall@-1",
        "halt@1:2.5",
        "stall@1:1:1",
        "drop@1.1.1",
        "@1",
    ],
)
def test_a_fault_that_is_none_is_a_clear_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"^fault '.*' ?[:a-z]"):
        parse_faults(text)


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        faults = parse_faults(text)
    except ValueError as error:
        faults, text = [], str(error)
    else:
        text = "fault "
    assert text.startswith("fault ")
    assert all(fault.kind in KINDS for fault in faults)


def test_drop_gives_no_close_frame_and_the_market_goes_on() -> None:
    async def scene() -> None:
        async with simulating(plan("drop@0.1")) as (_, port):
            async with tapped(port, "A.*") as tap:
                error = await tap.end()
                assert isinstance(error, ConnectionClosedError)
                assert error.rcvd is None
            async with tapped(port, "A.*") as again:
                await again.until(lambda: again.events, "bars after the drop")

    run(scene())


@pytest.mark.parametrize(
    ("kind", "code", "error"), [("close", 1000, ConnectionClosedOK), ("policy", 1008, ConnectionClosedError)]
)
def test_closes_with_a_code(kind: str, code: int, error: type[Exception]) -> None:
    async def scene() -> None:
        async with simulating(plan(f"{kind}@0.1")) as (_, port), tapped(port, "A.*") as tap:
            closed = await tap.end()
            assert isinstance(closed, error)
            assert closed.rcvd is not None
            assert closed.rcvd.code == code

    run(scene())


def test_a_stall_neither_sends_nor_answers_and_loses_what_was_due() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        async with simulating(plan("stall@1.5:3")) as (simulator, port), tapped(port, "A.*") as tap:
            await until(lambda: simulator.feed.stalled, "the stall")
            pong = asyncio.ensure_future(await tap.connection.ping())
            async with tapped(port) as newcomer:
                await newcomer.status("connected")
                assert loop.time() >= simulator.feed.stall_until
            await asyncio.wait_for(pong, 10)
            assert loop.time() >= simulator.feed.stall_until
            newest = max((b["s"] for b in tap.events), default=0)
            await tap.until(lambda: tap.events and tap.events[-1]["s"] > newest + 1000, "bars after the stall")
            received = sorted({b["s"] for b in tap.events})
            assert max(later - earlier for earlier, later in pairwise(received)) >= 3000

    run(scene())


def test_a_flood_repeats_every_event() -> None:
    async def scene() -> None:
        async with simulating(plan("flood@0:7")) as (_, port), tapped(port, "A.*") as tap:
            await tap.until(lambda: len(tap.events) >= 7 * 10, "the flood")
            first = tap.events[0]
            assert tap.events.count(first) == 7

    run(scene())


def test_garbage_arrives_between_good_bars() -> None:
    kinds = 17

    async def scene() -> None:
        async with simulating(plan(f"garbage@0.3:{kinds}")) as (simulator, port), tapped(port, "A.*") as tap:
            expected = {garbage(n, []) for n in range(6)} | {garbage(kinds - 1, [])}
            await tap.until(lambda: expected <= set(tap.frames), "garbage")
            good = len(tap.of("A"))
            await tap.until(lambda: len(tap.of("A")) > good, "bars after the garbage")
            assert simulator.feed.listeners

    run(scene())


def test_all_kinds_of_garbage_differ() -> None:
    frames = [garbage(n, []) for n in range(17)]
    assert len(set(frames)) == 17
    assert garbage(17, []) == frames[0]


def test_refused_authentication_drops_for_a_while_then_works() -> None:
    async def scene() -> None:
        async with simulating(plan("auth@0.1:600")) as (simulator, port):
            async with tapped(port, "A.*") as tap:
                assert (await tap.end()).rcvd is None
            async with tapped(port) as refused:
                await refused.status("connected")
                await refused.send("auth", "k")
                assert (await refused.status("auth_failed"))["message"] == "authentication failed"
                assert (await refused.end()).rcvd is None
            simulator.feed.refuse_until = 0.0  # ten minutes later
            async with tapped(port, "A.*"):
                pass

    run(scene())


def test_the_connection_limit_is_told_then_closed_with_1008() -> None:
    async def scene() -> None:
        async with simulating(plan("limit@0.1:600")) as (simulator, port):
            async with tapped(port, "A.*") as tap:
                await tap.status("max_connections")
                await tap.end()
                assert tap.connection.close_code == 1008
            async with tapped(port) as refused:
                await refused.status("max_connections")
                await refused.end()
                assert refused.connection.close_code == 1008
                assert [s["status"] for s in refused.statuses] == ["max_connections"]
            simulator.feed.limit_until = 0.0  # ten minutes later
            async with tapped(port, "A.*"):
                pass

    run(scene())


def test_a_halt_is_announced_and_lifted() -> None:
    async def scene() -> None:
        async with simulating(plan("halt@0:3")) as (simulator, port), tapped(port, "LULD.*", "A.*") as tap:
            await tap.until(lambda: [e for e in tap.of("LULD") if e["i"] == [18]], "the reopening")
            (halt,) = simulator.plan.market.halts
            name = simulator.plan.market.names[halt.who]
            assert [(e["T"], e["i"]) for e in tap.of("LULD") if e["i"] != [21]] == [(name, [17]), (name, [18])]
            assert not [b for b in tap.of("A") if b["sym"] == name and halt.start <= b["s"] // 1000 < halt.end]

    run(scene())


def test_mute_accepts_and_never_answers() -> None:
    async def scene() -> None:
        async with simulating(plan("mute@0.1:3")) as (_, port):
            async with tapped(port, "A.*") as tap:
                await tap.end()
            async with tapped(port) as unanswered:
                assert (await unanswered.end()).rcvd is None
                assert unanswered.frames == []
            async with tapped(port, "A.*"):
                pass

    run(scene())

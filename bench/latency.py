"""The time until a bar can be read over REST and until its alert is published, while the rest of the market streams in.

`python -m bench.latency [--short] [--shares 0.25,0.5,0.7] [--seconds S]`

The rates are shares of the raw limit that this run measures first. Required times hold where the raw limit is 68,000 bars/s;
elsewhere they are scaled by it, so that a slower machine is asked for as much as it can give.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench import tape
from bench.feed import FeedProcess, Frame, plain
from bench.harness import Harness, free_port, serve_bridge
from bench.ingest import raw_limit
from bench.table import Table, command_line, percentile, report
from market.bar import Bar
from redis_functions.contract import keys

#: Frames a second, and every which of them ends with a bar that is looked for.
FRAMES, PROBE_EVERY = 100, 5
PROBES = [f"PRB{chr(65 + i)}" for i in range(FRAMES // PROBE_EVERY)]
#: Each bar of a probe is so much dearer than the one before: every one of them is an alert.
STEP = 1.01
#: Between two questions for a probe: asked without a pause, they would take most of a core from what is measured.
PAUSES_S = (0.001, 0.002, 0.004)
#: The velocity rule for that: against the bar before, no cooldown.
_RULE = {"VELOCITY_WINDOW_S": "1", "VELOCITY_BASE": "window_start", "VELOCITY_COOLDOWN_S": "0"}


@dataclass
class Plan:
    """`minute_close`: during the seconds the minute bars of all symbols arrive at once."""

    symbols: int
    rate: int
    seconds: int
    minute_close: bool = False
    watched: bool = False

    @property
    def event_seconds(self) -> int:
        """Seconds of event time that pass in a real one: a symbol has one bar a second."""
        return max(1, -(-self.rate // self.symbols))

    @property
    def start_ms(self) -> int:
        """Where event time begins: with a minute's close, so that it lies in the middle."""
        return tape.OPEN_MS - (self.seconds // 2 * 1000 if self.minute_close else 0)


@dataclass
class Seen:
    """Milliseconds from the sending of each probe's frame."""

    readable: list[float] = field(default_factory=list)
    alerted: list[float] = field(default_factory=list)
    #: (symbol, t) to when its frame was sent, epoch ns.
    sent: dict[tuple[str, int], int] = field(default_factory=dict)
    sent_s: float = 0.0


def frames(plan: Plan) -> Iterable[Frame]:
    """The paced part: equal frames, evenly spread; a probe's frame is reported with (symbol, t)."""
    rng = np.random.default_rng(3)
    symbols = tape.names(plan.symbols)
    price = 100.0
    for wall in range(plan.seconds):
        first = plan.start_ms + wall * plan.event_seconds * 1000
        spread = [plan.rate // plan.event_seconds] * plan.event_seconds
        bars = [
            bar
            for i, count in enumerate(spread)
            for bar in tape.second([symbols[k] for k in rng.permutation(plan.symbols)[:count]], first + i * 1000, rng)
        ]
        if plan.minute_close and first == tape.OPEN_MS:
            # One frame: at the pace of the others many would come one by one.
            yield minute(symbols, rng), None
        price *= STEP
        size = len(bars) / FRAMES
        for i in range(FRAMES):
            events = [tape.aggregate(bar) for bar in bars[int(i * size) : int((i + 1) * size)]]
            label = None
            if i % PROBE_EVERY == PROBE_EVERY - 1:
                # In the running event second: what comes in order costs what bars in order cost.
                t = first + i * plan.event_seconds // FRAMES * 1000
                label = (PROBES[i // PROBE_EVERY], t)
                events.append(tape.aggregate(probe(*label, price)))
            yield f"[{','.join(events)}]".encode(), label


def minute(symbols: list[str], rng: np.random.Generator) -> bytes:
    """The `AM` bars of the minute before the opening bell, of all symbols at once."""
    bars = tape.second(symbols, tape.OPEN_MS - 60_000, rng)
    return f"[{','.join(tape.aggregate(bar, 'AM', 60_000) for bar in bars)}]".encode()


def probe(symbol: str, t: int, price: float) -> Bar:
    ticks = int(price * 100) * 100
    return Bar(symbol, t, ticks, ticks, ticks, ticks, 100, ticks * 100)


def measure(plan: Plan) -> Seen:
    """One run on a harness of its own."""
    rng = np.random.default_rng(4)
    before = plan.start_ms - 61_000
    warm = tape.second(tape.names(plan.symbols), before, rng) + [
        probe(name, plan.start_ms - 1000, 100.0) for name in PROBES
    ]
    paced = list(frames(plan))  # made beforehand: the feed only sends
    with (
        FeedProcess([plain(tape.frames([tape.aggregate(b) for b in warm])), lambda: paced]) as feed,
        Harness() as harness,
    ):
        port = free_port()
        if plan.watched:
            harness.client.sadd(keys.watchlist("bench"), *PROBES)
        topics = "A.*,AM.*" if plan.minute_close else "A.*"
        harness.tapewatch("ingest", FEED_URL=feed.url, SUBSCRIBE=topics, LABELS="false", **_RULE)
        serve_bridge(harness, port)
        feed.begin(0)
        feed.sent(60)
        harness.wait(lambda: harness.newest(PROBES[-1]) == plan.start_ms - 1000, 120, "the first second")
        alerts = _Alerts(harness)
        seen = _look(plan, feed, port)
        harness.wait(
            lambda: len(alerts.at) >= len(seen.sent), 30, f"{len(seen.sent)} alerts (there are {len(alerts.at)})"
        )
        seen.alerted = [(alerts.at[label] - at) / 1e6 for label, at in seen.sent.items() if label in alerts.at]
        alerts.close()
    return seen


def _look(plan: Plan, feed: FeedProcess, port: int) -> Seen:
    """Lets the paced round go and asks for each probe until the bridge has it."""
    seen, began = Seen(), time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    feed.begin(1, FRAMES)
    while True:
        if not feed.pipe.poll(30):
            raise RuntimeError("the feed of the bench went silent")
        label, at = feed.pipe.recv()
        if label == "sent":
            break
        symbol, t = label
        seen.sent[symbol, t] = at
        path = f"/api/v1/candles?symbol={symbol}&timeframe=1s&from={t}&to={t}&limit=1"
        for pause in itertools.chain(PAUSES_S, itertools.repeat(PAUSES_S[-1])):
            connection.request("GET", path)
            reply = connection.getresponse().read()
            if reply.startswith(b"[{"):
                break
            if time.time_ns() - at > 30e9:
                raise RuntimeError(f"{symbol} at {t} cannot be read after 30 s: {reply[:200]!r}")
            time.sleep(pause)
        seen.readable.append((time.time_ns() - at) / 1e6)
    seen.sent_s = time.perf_counter() - began
    connection.close()
    return seen


class _Alerts:
    """Notes when each alert is published, in a thread."""

    def __init__(self, harness: Harness) -> None:
        self.at: dict[tuple[str, int], int] = {}
        self._pubsub = harness.client.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(keys.CHANNEL_ALERTS)
        self._pubsub.get_message(timeout=5)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._closing = False
        self._thread.start()

    def _listen(self) -> None:
        while not self._closing:
            message = self._pubsub.get_message(timeout=0.2)
            if message:
                now = time.time_ns()
                alert = json.loads(message["data"])
                self.at.setdefault((alert["symbol"], alert["t"]), now)

    def close(self) -> None:
        self._closing = True
        self._thread.join(2)
        self._pubsub.close()


def run(argv: Sequence[str] | None = None) -> list[Table]:
    parser = argparse.ArgumentParser(prog="bench.latency", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one rate for 3 s, 500 symbols")
    parser.add_argument("--shares", default="0.25,0.5,0.7", help="rates as shares of the raw limit, a comma list")
    parser.add_argument("--seconds", type=int, default=20, help="of each rate")
    args = parser.parse_args(argv)
    if args.short:
        limit = raw_limit(500, 5)
        plans = [Plan(500, 500, 2), Plan(500, 200, 2, minute_close=True)]
        shares: dict[int, float] = {}
    else:
        limit = raw_limit()
        shares = {int(limit * float(share)) // 100 * 100: float(share) for share in args.shares.split(",")}
        plans = [Plan(10_000, rate, args.seconds) for rate in (_CALM, *shares)]
        plans.append(Plan(10_000, _CALM, args.seconds, minute_close=True))
        plans.append(Plan(10_000, int(limit * _OVERLOAD) // 100 * 100, args.seconds, watched=True))
    table = Table(
        f"Latency: from the sending of a frame, {plans[0].symbols:,} symbols, raw limit {limit:,.0f} bars/s",
        [
            "bars/s",
            "of the raw limit",
            "readable over REST p50 / p99 / max ms",
            "alert published p50 / p99 / max ms",
            "probes",
            "sent in",
        ],
        command_line("bench.latency"),
    )
    for plan, seen in zip(plans, map(measure, plans), strict=True):
        name = f"{plan.rate:,}" + (f" and a minute's close of {plan.symbols:,} AM" if plan.minute_close else "")
        name += ", probes watched" if plan.watched else ""
        table.add(
            name, f"{plan.rate / limit:.2f}", _three(seen.readable), _three(seen.alerted), str(len(seen.sent)),
            f"{seen.sent_s:.1f} s of {plan.seconds}",
        )  # fmt: skip
        if not args.short:
            _require(table, plan, seen, shares.get(plan.rate), LIMIT_OF_TIMES / limit)
    table.notes.append(
        f"{FRAMES} frames a second, evenly spread. {len(PROBES)} bars a second are asked for repeatedly, so a reading "
        "includes the way to the daemon, up to two of the bridge's answers and a pause of 1 to 4 ms; each of these bars is "
        f"an alert too. Beyond {plans[0].symbols:,} bars/s event time runs faster than the clock. Required times are those of "
        f"a raw limit of {LIMIT_OF_TIMES:,} bars/s, scaled by {LIMIT_OF_TIMES / limit:.2f} here."
    )
    return [table]


#: The raw limit, bars/s, of the machine whose times are required.
LIMIT_OF_TIMES = 68_000
#: An ordinary second of the whole market, bars/s.
_CALM = 1_000
#: p99 ms at most until a bar is readable and until its alert is published: on a calm market, and by share of the raw limit.
_CALM_MS = (25.0, 10.0)
_READABLE_MS, _ALERTED_MS = {0.5: 35.0, 0.7: 100.0}, {0.5: 15.0}
#: More than the machine can store, as a share of the raw limit, and p99 ms at most for watched symbols meanwhile: they
#: overtake the backlog once it is a second old (ingest/overtaking.py).
_OVERLOAD, _OVERLOAD_MS = 1.2, 2_000.0
#: The delay that the minute bars of the whole market may cause second bars.
_MINUTE_CLOSE_MS = 250.0


def _require(table: Table, plan: Plan, seen: Seen, share: float | None, scale: float) -> None:
    """States what is required of this rate; `scale` turns the required times into those of this machine."""
    if plan.minute_close:
        slowest = max(seen.readable, default=float("nan"))
        name = f"slowest second bar while {plan.symbols:,} minute bars come at once"
        table.require(name, slowest, at_most=_MINUTE_CLOSE_MS * scale, unit="ms")
        return
    if plan.watched:
        for what, values in (("readable over REST", seen.readable), ("alert published", seen.alerted)):
            name = f"watched symbols: frame received to {what}, p99 at {_OVERLOAD:g} of the raw limit"
            table.require(
                name,
                percentile(values, 0.99),
                at_most=_OVERLOAD_MS * scale,
                unit="ms",
                absolute=f"{plan.rate:,} bars/s",
            )
        return
    at = f"at {plan.rate:,} bars/s" if share is None else f"at {share:g} of the raw limit"
    readable_ms = _CALM_MS[0] if share is None else _READABLE_MS.get(share)
    alerted_ms = _CALM_MS[1] if share is None else _ALERTED_MS.get(share)
    absolute = f"{plan.rate:,} bars/s"
    for what, values, most in (
        ("readable over REST", seen.readable, readable_ms),
        ("alert published", seen.alerted, alerted_ms),
    ):
        if most is not None:
            table.require(
                f"frame received to {what}, p99 {at}",
                percentile(values, 0.99),
                at_most=most * scale,
                unit="ms",
                absolute=absolute,
                headline=share == 0.5,
            )


def _three(values: Sequence[float]) -> str:
    return f"{percentile(values, 0.5):.1f} / {percentile(values, 0.99):.1f} / {max(values, default=float('nan')):.1f}"


if __name__ == "__main__":
    report(run())

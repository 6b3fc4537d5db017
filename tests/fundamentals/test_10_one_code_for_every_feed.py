"""Live, delayed, simulated or replayed: a feed is an address, and the code behind it is the same."""

import asyncio

from simulator.market import Market
from simulator.server import Plan
from tests.fake_vendor import KEY, Vendor, second_bar
from tests.simulator.support import simulating
from vendor.interface import FeedConfig
from vendor.vendors import vendor_of

T = 1_760_104_800_000


class Frames(asyncio.Queue[bytes]):
    """Listens to a feed and keeps its frames."""

    frame = asyncio.Queue.put_nowait

    async def greeted(self, market: str) -> None: ...
    def connected(self) -> None: ...
    def disconnected(self, reason: str) -> None: ...


async def first_symbol(url: str) -> str:
    """The symbol of the first bar of the feed at `url`."""
    vendor, frames = vendor_of(url), Frames()
    reading = asyncio.create_task(vendor.feed(FeedConfig(url, KEY, vendor.subscription("A.*")), frames).run())
    async with asyncio.timeout(20):
        symbol = vendor.decoder()(await frames.get()).bars[0].sym
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return symbol


def test_the_vendor_and_the_simulator_are_read_alike() -> None:
    async def both() -> None:
        async with simulating(Plan(Market(5, 20.0, 1), history_s=60)) as (simulator, port):
            assert await first_symbol(f"ws://127.0.0.1:{port}/stocks") in simulator.plan.market.names
        async with Vendor() as vendor:
            first = asyncio.create_task(first_symbol(vendor.url))
            while not vendor.open:
                await asyncio.sleep(0.01)
            await vendor.send(second_bar("BRK.B", T))
            assert await first == "BRK.B"

    asyncio.run(both())

"""Massive as the rest of tapewatch sees it. Each method loads what it needs: the bridge only reads addresses."""

from __future__ import annotations

from collections.abc import Iterable, Set

from market.bar import Bar
from vendor.interface import Decoder, Feed, FeedConfig, Listener, Probe, Rest, RestConfig, Subscription

#: Both names are served; the second is the vendor's former one.
DOMAINS = (".massive.com", ".polygon.io")


class Massive:
    """The vendor formerly named Polygon.io: see `vendor.interface.Vendor`."""

    name = "massive"
    live_feed = "wss://socket.massive.com/stocks"
    live_rest = "https://api.massive.com"

    def serves(self, host: str) -> bool:
        return host.endswith(DOMAINS)

    def subscription(self, text: str) -> Subscription:
        from vendor.massive.topics import parse_topics

        return parse_topics(text)

    def decoder(self) -> Decoder:
        from vendor.massive.decode import decode

        return decode

    def keep(self, frame: bytes, symbols: Set[str]) -> bytes | None:
        from vendor.massive.decode import keep

        return keep(frame, symbols)

    def sample_frame(self, bars: Iterable[Bar]) -> bytes:
        from vendor.massive.sample import sample_frame

        return sample_frame(bars)

    def feed(self, config: FeedConfig, listener: Listener) -> Feed:
        from vendor.massive.feed import WebSocketFeed

        return WebSocketFeed(config, listener)

    def rest(self, config: RestConfig) -> Rest:
        from vendor.massive.rest import HttpRest

        return HttpRest(config)

    def probe(self, url: str, key: str, timeout_s: float, allow_plaintext_key: bool = False) -> Probe:
        from vendor.massive.probe import probe

        return probe(url, key, timeout_s, allow_plaintext_key)

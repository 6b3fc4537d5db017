"""Topics of a subscription: a channel and a symbol, such as ``A.*`` or ``T.BRK.B``."""

from __future__ import annotations

from market.symbols import is_symbol
from vendor.interface import FeedRefused, Subscription
from vendor.massive.channels import CHANNELS
from vendor.massive.channels.aggregates import MINUTES, SECONDS
from vendor.massive.channels.trades import TRADES

#: The channels that can be subscribed.
TOPICS = tuple(channel.name for channel in CHANNELS.values() if channel.topic)


def parse_topics(text: str) -> Subscription:
    """The topics of a comma list, each once. Raises FeedRefused for one that tapewatch cannot use: the server would ignore it
    without a word."""
    topics = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    channels = set()
    for topic in topics:
        channel, _, symbol = topic.partition(".")
        if channel not in TOPICS or not (symbol == "*" or is_symbol(symbol)):
            raise FeedRefused(
                f"{topic[:40]!r} cannot be subscribed: write A.*, AM.AAPL, T.BRK.B or LULD.* (channels {' '.join(TOPICS)})"
            )
        channels.add(channel)
    if not topics:
        raise FeedRefused("nothing to subscribe: TAPEWATCH_SUBSCRIBE is empty")
    return Subscription(
        tuple(topics),
        seconds=SECONDS.name in channels,
        minutes=MINUTES.name in channels,
        trades=TRADES.name in channels,
    )

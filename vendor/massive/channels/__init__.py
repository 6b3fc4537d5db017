"""The vendor's channels, a file each. A new one is a file beside these, its struct in `Event`, and its entry in `CHANNELS`."""

from __future__ import annotations

from vendor.massive.channels.aggregates import MINUTES, SECONDS, Aggregate, MinuteAggregate
from vendor.massive.channels.channel import Channel
from vendor.massive.channels.halts import HALTS, Luld
from vendor.massive.channels.statuses import STATUSES, StatusMessage
from vendor.massive.channels.trades import TRADES, Print

#: What a frame is a list of.
Event = Aggregate | MinuteAggregate | Print | StatusMessage | Luld

CHANNELS: dict[str, Channel] = {channel.name: channel for channel in (SECONDS, MINUTES, TRADES, HALTS, STATUSES)}

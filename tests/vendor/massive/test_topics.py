"""What can be subscribed."""

from __future__ import annotations

import pytest

from vendor.interface import FeedRefused, Subscription
from vendor.massive.topics import parse_topics


@pytest.mark.parametrize(
    "text", ["", " , ", "A", "A.", "Q.*", "a.AAPL", "A.AA PL", "A.*,XT.BTC-USD", "AM.{X}", "T.*,A.\n", "*"]
)
def test_topics_that_the_server_would_meet_with_silence_are_refused(text: str) -> None:
    with pytest.raises(FeedRefused):
        parse_topics(text)


def test_topics_are_split_at_the_first_dot_and_named_once() -> None:
    assert parse_topics(" A.BRK.B,AM.KIMpL , A.BRK.B,T.*,LULD.*") == Subscription(
        ("A.BRK.B", "AM.KIMpL", "T.*", "LULD.*"), seconds=True, minutes=True, trades=True
    )


def test_minutes_only() -> None:
    assert parse_topics("AM.*,LULD.*").minutes_only
    assert not parse_topics("AM.*,A.F").minutes_only
    assert not parse_topics("LULD.*").minutes_only

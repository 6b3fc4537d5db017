"""One try of a feed."""

from __future__ import annotations

import pytest

from tests import fake_vendor as v
from tests.fake_vendor import KEY, VendorThread
from tests.support import free_port
from vendor.massive.probe import probe


def test_a_greeting_and_a_key() -> None:
    with VendorThread() as thread:
        without = probe(thread.vendor.url, "", 5)
        assert (without.error, thread.vendor.keys) == ("", [])
        assert without.clock_offset_s == pytest.approx(0, abs=2)
        assert probe(thread.vendor.url, KEY, 5).error == ""
        assert thread.vendor.keys == [KEY]


def test_what_is_answered_instead() -> None:
    with VendorThread() as thread:
        thread.vendor.faults["greeting"] = [v.LIMIT]
        assert probe(thread.vendor.url, "", 5).error == "greets with max_connections"
        assert probe(thread.vendor.url, "another-key", 5).error == "answers the key with auth_failed"
        thread.vendor.mute_at = "greeting"
        assert probe(thread.vendor.url, "", 0.2).error == "does not answer within 0.2 s"


def test_nobody_there_and_nowhere_to_go() -> None:
    assert "cannot be reached" in probe(f"ws://127.0.0.1:{free_port()}/stocks", "", 5).error
    assert "expected an address" in probe("http://127.0.0.1/", "", 5).error
    assert "unencrypted" in probe("ws://192.0.2.1/", KEY, 5).error

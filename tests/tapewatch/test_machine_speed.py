"""The speed of a machine's cores, as the capacity model takes it."""

from __future__ import annotations

from tapewatch import machine_speed
from vendor.massive.decode import decode


def test_the_measured_work_is_a_whole_frame_of_good_bars() -> None:
    decoded = decode(machine_speed._frame())
    assert [bar.sym for bar in decoded.bars] == [f"S{i}" for i in range(machine_speed._BARS)]


def test_the_slowness_is_the_cost_over_the_reference() -> None:
    # However busy the machine: no core is a hundred times as fast or as slow.
    assert 0.01 < machine_speed.measure() < 100

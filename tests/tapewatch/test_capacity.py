"""The capacity model: how it must move, what it must refuse, and `tapewatch plan` around it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.bar import Bar
from redis_functions.contract import keys
from redis_functions.contract.schema import DAY_MS, Schema
from tapewatch import capacity
from tapewatch.cli import main
from tapewatch.settings import Settings
from tests.own_redis import OwnRedis
from tests.support import write_bars

SMALL = Settings(profile="small").schema


def small(symbols: int = 10_000, rate: float = 1_000.0, **more: Any) -> capacity.Need:
    return capacity.need(symbols, rate, SMALL, 2_048, **{"aof_limit_mib": 16_384} | more)


@settings(deadline=None)
@given(symbols=st.integers(1, 20_000), share=st.floats(0.001, 1.0))
def test_rates_are_chances_that_add_up(symbols: int, share: float) -> None:
    found = capacity.rates(symbols, symbols * share)
    assert found.sum() == pytest.approx(symbols * share, rel=1e-6)
    assert found.max() <= 1.0
    assert found.min() >= 0.0
    assert (np.diff(found) <= 1e-12).all()


def test_most_symbols_of_the_market_trade_once_in_many_seconds() -> None:
    # The market of the design: about 350 symbols in more than every second second, the median one in 21.
    found = capacity.rates(10_000, 1_000)
    assert 250 < (found > 0.5).sum() < 450
    assert 1 / 30 < np.median(found) < 1 / 15


def test_trading_days_leave_out_weekends() -> None:
    assert capacity.sessions(DAY_MS) == 1
    assert capacity.sessions(2 * DAY_MS) == 2
    assert capacity.sessions(10 * DAY_MS) == 8
    assert capacity.sessions(14 * DAY_MS) == 10


def test_the_whole_market_fits_a_gibibyte_with_the_small_profile_only() -> None:
    assert capacity.reasons_against(small(), 1_024, 2, 650) == []
    usual = capacity.need(10_000, 1_000, Settings().schema, 2_048)
    assert any("1,024" in reason for reason in capacity.reasons_against(usual, 1_024, 2, None))


def test_growth_is_linear() -> None:
    one, ten = (small(n, n / 10) for n in (1_000, 10_000))
    assert ten.redis_used_mib - capacity.REDIS_BASE_MIB == pytest.approx(
        10 * (one.redis_used_mib - capacity.REDIS_BASE_MIB), rel=0.02
    )
    assert ten.cores - capacity.IDLE_CPU < 30 * (one.cores - capacity.IDLE_CPU)


@settings(deadline=None)  # a busy machine stops a process for longer
@given(symbols=st.integers(10, 10_000), share=st.floats(0.01, 0.5), more=st.floats(1.05, 2.0))
def test_more_of_anything_never_needs_less(symbols: int, share: float, more: float) -> None:
    base = small(symbols, symbols * share)
    for other in (small(int(symbols * more) + 1, symbols * share * more), small(symbols, symbols * share * more)):
        assert other.redis_used_mib >= base.redis_used_mib * 0.97  # a symbol with every bucket full packs better
        assert other.cores > base.cores
        assert other.aof_mib_day > base.aof_mib_day
    longer = Schema({**SMALL.retention_ms, "1m": 3 * DAY_MS}, labels=False)
    assert capacity.need(symbols, symbols * share, longer, 2_048).redis_used_mib > base.redis_used_mib
    labelled = Schema(SMALL.retention_ms, labels=True)
    assert capacity.need(symbols, symbols * share, labelled, 2_048).redis_used_mib > base.redis_used_mib


def test_a_rewrite_during_the_market_needs_memory_and_none_is_needed_where_the_disk_holds_a_day() -> None:
    often, never = small(aof_limit_mib=2_048), small(aof_limit_mib=16_384)
    assert often.rewrites_a_day >= 4
    assert never.rewrites_a_day == 0
    assert often.machine_mib == pytest.approx(never.machine_mib + never.fork_mib)
    held = small(aof_limit_mib=2_048, held=True)
    assert held.fork_mib < often.fork_mib / 10
    assert often.disk_mib < never.disk_mib
    assert often.load_s < never.load_s
    assert never.aof_mib > never.aof_mib_day


def test_the_day_fills_up() -> None:
    used = [small(hours=hours).redis_used_mib for hours in (0.1, 0.5, 2, 4, 6.5)]
    assert used == sorted(used)
    assert used[-1] == pytest.approx(small().redis_used_mib, rel=0.02)


def test_slower_cores_need_more_cpu_and_the_same_memory() -> None:
    found, slower = small(), small(slowness=1.6)
    assert slower.cores == pytest.approx(1.6 * found.cores)
    assert slower.load_s == pytest.approx(1.6 * found.load_s)
    assert slower.total_mib == found.total_mib
    assert slower.disk_mib == found.disk_mib


def test_every_reason_against_is_named() -> None:
    found = small(20_000, 20_000.0)
    text = "\n".join(capacity.reasons_against(found, 512, 0.1, 100))
    for word in ("MiB", "maxmemory", "cores"):
        assert word in text
    assert "one thread" in "\n".join(capacity.reasons_against(small(100_000, 100_000.0), 1e6, 64, None))


def test_an_instance_that_is_named_holds_it_and_the_one_before_does_not() -> None:
    for symbols in (100, 10_000, 20_000):
        found = small(symbols, symbols / 10)
        names = [row[0] for row in capacity.EC2]
        chosen = capacity.smallest_instance(found)
        assert chosen is not None
        at = names.index(chosen)
        _, cpus, memory, baseline = capacity.EC2[at]
        assert found.machine_mib <= memory
        assert found.cores <= cpus * baseline
        if at:
            _, cpus, memory, baseline = capacity.EC2[at - 1]
            assert capacity.reasons_against(found, memory, cpus * baseline, None)
    assert capacity.smallest_instance(small(1_000_000, 1_000_000.0)) is None


@pytest.mark.parametrize("chance", [1.0, 0.2])
def test_the_model_is_near_what_redis_holds(chance: float) -> None:
    """Some symbols for twenty minutes, really written; the model knows memory to a fifth on so small a sample."""
    rng = np.random.default_rng(1)
    names = [f"S{i}" for i in range(40)]
    bars = []
    for i, name in enumerate(names):
        price = 1_000_000 + 50_000 * i
        for second in np.flatnonzero(rng.random(1_200) < chance).tolist():
            price += int(rng.integers(-1, 2)) * 100
            volume = int(rng.integers(1, 500))
            bars.append(
                Bar(
                    name,
                    1_760_535_000_000 + second * 1000,
                    price,
                    price + 100,
                    price - 100,
                    price,
                    volume,
                    price * volume,
                )
            )
    # A server of its own: what other tests left would count.
    with OwnRedis() as own:
        before = own.client.info("memory")["used_memory"]
        write_bars(own.client, bars, SMALL)
        held = own.client.info("memory")["used_memory"] - before
        assert own.client.scard(keys.SYMBOLS) == len(names)
    chances = np.full(len(names), chance)
    predicted = len(names) * 24 * capacity.EMPTY_SERIES + sum(
        capacity.level_bytes(level, chances, 1_200, capacity.CHUNKS[level], rolling=0.0) for level in capacity.CHUNKS
    )
    assert predicted == pytest.approx(held, rel=0.2)


# --- the command


def plan(capsys: pytest.CaptureFixture[str], words: str) -> tuple[int, str, str]:
    code = main(["plan", *words.split()])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_plan_prints_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = plan(capsys, "--symbols 10000 --bars-per-second 1000 --profile small --memory-mb 1024 --cores 2")
    assert (code, err) == (0, "")
    for word in ("memory", "disk", "CPU", "EC2", "profile small"):
        assert word in out


def test_plan_takes_the_speed_of_another_machine(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--symbols 100 --bars-per-second 10 --json --memory-mb 2000 --cores 2"
    same, double = (json.loads(plan(capsys, f"{words} --slowness {x}")[1]) for x in (1, 2))
    assert (same["slowness"], double["slowness"]) == (1, 2)
    assert double["cores"] == pytest.approx(2 * same["cores"])


def test_plan_refuses_what_cannot_fit(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = plan(capsys, "--symbols 10000 --bars-per-second 1000 --memory-mb 1024 --cores 2")
    assert code == 1
    assert "does not fit" in err
    code, _, err = plan(capsys, "--symbols 10000 --bars-per-second 1000 --profile small --retention-1m 2592000")
    assert code == 1
    assert "maxmemory" in err


def test_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = plan(capsys, "--symbols 100 --bars-per-second 10 --json --memory-mb 2000 --cores 2")
    found = json.loads(out)
    assert code == 0
    assert found["fits"] is True
    assert found["total_mib"] == pytest.approx(
        sum(found[f"{name}_mib"] for name in ("redis", "ingest", "bridge", "supervisor"))
    )


@pytest.mark.parametrize(
    "words",
    [
        "--symbols 0 --bars-per-second 1",
        "--symbols 10 --bars-per-second 11",
        "--symbols 10 --bars-per-second nan",
        "--symbols 10 --bars-per-second 1 --retention-1s 60",
        "--symbols 10 --bars-per-second 1 --retention-5m -1",
        "--symbols 10 --bars-per-second 1 --memory-mb -5",
        "--symbols 10 --bars-per-second 1 --slowness 0",
    ],
)
def test_plan_refuses_bad_input_in_one_line(capsys: pytest.CaptureFixture[str], words: str) -> None:
    code, out, err = plan(capsys, words)
    assert code == 2
    assert out == ""
    assert len(err.splitlines()) == 1

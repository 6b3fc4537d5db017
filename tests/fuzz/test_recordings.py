"""Damaged recordings: either an error of one line, or the bad rows are counted and the rest is sent."""

from __future__ import annotations

import gzip
import random
import tempfile
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.sessions import NEW_YORK
from simulator.csv_reading import Options
from simulator.recordings import CannotReplay, Recording, Report, merged
from tests.fuzz import LONG, times
from tests.fuzz.frames import Frames

GOOD = {
    "FUZZ_1min.csv": "datetime,open,high,low,close,volume\n"
    + "".join(f"2024-03-0{1 + day} 09:3{minute}:00,1.5,2,1,1.75,{minute}\n" for day in range(3) for minute in range(10)),
    "trades.csv": "time_utc,exchange,symbol,sale_condition,size,price,correction\n"
    + "".join(f"2018-01-16T14:30:{s:02}.123456,P,AAPL,@F I,{s},17{s}.25,00\n" for s in range(30)),
    "flat_trades.csv": "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,"
    "size,tape,trf_id,trf_timestamp\n"
    + "".join(f'AAPL,"12,37",0,4,{n},0,190.5,{n},17040996{n:02}000000000,1.5,3,201,1704099600000000000\n' for n in range(30)),
    "flat_bars.csv": "ticker,volume,open,close,high,low,window_start,transactions\n"
    + "".join(f"AAPL,{n},1.5,1.75,2,1,17040996{n:02}000000000,3\n" for n in range(30)),
    "alpaca.csv": "symbol,timestamp,open,high,low,close,volume,trade_count,vwap\n"
    + "".join(f"AAPL,2022-01-03 14:{n:02}:00+00:00,177.8,178.2,177.7,178,24{n}.0,17.0,177.97\n" for n in range(30)),
    "alpaca_trades.csv": "symbol,timestamp,exchange,price,size,id,conditions,tape\n"
    + "".join(f"AAPL,2022-01-03 14:30:{n:02}.070032640+00:00,V,177.8,1{n}.0,{n},\"['@', 'I']\",C\n" for n in range(30)),
    "NVDA.csv": "Price,Close,High,Low,Open,Volume\nTicker,NVDA,NVDA,NVDA,NVDA,NVDA\nDatetime,,,,,\n"
    + "".join(f"2024-11-25 14:{n:02}:00+00:00,1.5,2,1,1.5,{n}\n" for n in range(30)),
    "BATS_AAPL, 1.csv": "time,open,high,low,close,Volume\n"
    + "".join(f"{1_732_545_000 + 60 * n},1.5,2,1,1.5,{n}\n" for n in range(30)),
    "aapl.us.txt": "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
    + "".join(f"AAPL.US,1,20230103,15{n:02}00,1.5,2,1,1.5,{n},0\n" for n in range(10, 40)),
    "IBM.txt": "".join(f"01/03/2012,09:{n:02},1.5,2,1,1.5,\"1,{n}0\"\n" for n in range(10, 40)),
    "plain.csv": "time,symbol,price,size\n"
    + "".join(f"2024-11-25T09:30:{n:02}.125,AAPL,23{n}.46,1\n" for n in range(30)),
}  # fmt: skip
OPTIONS = Options(zone=NEW_YORK, stamp="end")
ODD = [
    "", "0", "-1", "nan", "inf", "-inf", "1e308", "1e400", "9" * 25, "9" * 5000, "1e30", "-1e30", "x", "\x00", '"', "-", " 1 ",
    "0001-01-01", "9999-12-31 23:59:59", "2024-03-10 02:30:00", "2024-02-30 09:30:00", "2024-03-01T09:30:00+05:00", "AAPL",
    "A B", "{A}", "٣", "1_000", "12,37", "\u2028", "\ud7ff", "0x10", "1;2", "9223372036854775808", "-9223372036854775809",
]  # fmt: skip


def replayed(name: str, raw: bytes) -> Report | None:
    """Reads the file as `replay` does, and packs each frame as it is sent; None when it was an error."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(raw)
        problem = ""
        try:
            recording = Recording(path, OPTIONS, report)
        except CannotReplay as error:
            problem = str(error)
        if problem:
            assert "\n" not in problem
            assert problem.startswith(str(path))
            return None
        events = 0
        for piece in merged([recording]):
            assert isinstance(piece.t, int)
            events += len(piece.events)
            orjson.dumps([event.body for event in piece.events])
        if recording.table is not None:
            assert events == report.read - report.left_out
        assert bool(report.unread) == bool(report.named)
    return report


def damaged(rng: random.Random, text: str) -> bytes:
    """A good file with odd cells, lines lost or doubled, bytes flipped or cut."""
    lines = text.splitlines(keepends=True)
    for _ in range(rng.choice((1, 2, 5))):
        at = rng.randrange(0 if rng.random() < 0.1 else 1, len(lines))
        cells = lines[at].rstrip("\n").split(",")
        how = rng.randrange(7)
        if how < 4:
            cells[rng.randrange(len(cells))] = rng.choice(ODD)
        elif how == 4:
            cells.append("more")
        elif how == 5:
            cells.pop()
        else:
            cells = cells * 2
        lines[at] = ",".join(cells) + rng.choice(("\n", "\n", "\r\n", "\r", ""))
    data = bytearray("".join(lines).encode())
    if rng.random() < 0.3:
        for _ in range(3):
            data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.1:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


@pytest.mark.parametrize("name", GOOD)
def test_damaged_tables(name: str) -> None:
    rng = random.Random(1)
    counted = 0
    for number in range(times(300, 6_000)):
        raw = damaged(rng, GOOD[name])
        packed = rng.random() < 0.05
        if packed:
            raw = gzip.compress(raw)[: rng.choice((None, -5, 30))]
        try:
            report = replayed(f"{name}.gz" if packed else name, raw)
        except BaseException:
            print(f"file {number}: {raw[:3000]!r}")
            raise
        counted += report.unread if report else 0
    assert counted > 100


@pytest.mark.parametrize("seed", range(4) if LONG else range(1))
def test_frames_as_recorded(seed: int) -> None:
    frames = Frames(seed, 1_763_650_000_000)
    for _ in range(times(30, 300)):
        lines = [frame for frame in (frames.next() for _ in range(40)) if len(frame) < 5_000]
        replayed("frames.jsonl", b"[]\n" + b"\n".join(lines))


@settings(max_examples=times(200, 3_000), deadline=None)
@given(st.sampled_from([*GOOD, "frames.jsonl", "x.csv.gz"]), st.binary(max_size=400))
def test_any_bytes(name: str, raw: bytes) -> None:
    replayed(name, raw)
    if name in GOOD:
        replayed(name, GOOD[name].encode() + raw)


@settings(max_examples=times(200, 3_000), deadline=None)
@given(
    st.sampled_from(list(GOOD)),
    st.lists(st.lists(st.text(max_size=12) | st.sampled_from(ODD), max_size=14), max_size=5),
)
def test_any_rows(name: str, rows: list[list[str]]) -> None:
    header = GOOD[name].splitlines()[0] if name != "IBM.txt" else "01/03/2012,09:30,1,1,1,1,1"
    text = "\n".join([header, *(",".join(row) for row in rows)])
    replayed(name, text.encode("utf-8", "surrogatepass"))

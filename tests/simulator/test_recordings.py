"""Recorded files as events in order of time."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.sessions import NEW_YORK
from simulator.csv_reading import Options
from simulator.csv_rows import EXCHANGE_IDS
from simulator.file_lines import MAX_LINE, zstd
from simulator.recordings import SAMPLE, CannotReplay, Recording, Report, event_time, fraction_done, merged
from simulator.time_sort import TimeSorter
from tests.simulator.support import Body, tape_bars
from tests.support import ROOT

TRADES = "time_utc,exchange,symbol,sale_condition,size,price,correction\n"
BARS = "datetime,open,high,low,close,volume\n"
FLAT_TRADES = (
    "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,trf_id,"
    "trf_timestamp\n"
)
FLAT_BARS = "ticker,volume,open,close,high,low,window_start,transactions\n"


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def read(*paths: Path, **options: Any) -> tuple[list[Body], Report]:
    report = Report()
    recordings = [Recording(path, Options(**options), report) for path in paths]
    bodies = [event.body for piece in merged(recordings) for event in piece.events]
    assert fraction_done(recordings) == pytest.approx(1)
    return bodies, report


@given(st.lists(st.tuples(st.integers(0, 50), st.text(max_size=5))), st.integers(1, 7))
def test_sorting_on_disk_is_a_stable_sort(rows: list[tuple[int, str]], run: int) -> None:
    sorter = TimeSorter(run_rows=run)
    for t, word in rows:
        sorter.add(t, [word, t])
    assert [(t, word) for t, (word, _) in sorter] == sorted(rows, key=lambda row: row[0])
    assert sorter.count == len(rows)


def test_tape_trades(tmp_path: Path) -> None:
    text = TRADES + (
        "2018-01-02 10:01:21.479999,P,XXX,FTI,2,157.8,0\n"
        "2018-01-02 10:01:21.470000,T,XXX,,100,157.9,0\n"
        "2018-01-02 10:01:22,D,XXX,4,100,157.9,8\n"
        "2018-01-02 10:01:23.000001,D,XXX,6,150.5,157,12\n"
    )
    bodies, report = read(written(tmp_path, "t.csv.gz", text))
    t = 1_514_887_281_479
    assert bodies == [
        {"ev": "T", "sym": "XXX", "x": 11, "i": "1", "p": 157.8, "c": [14, 12, 37], "s": 2, "t": t, "q": 1},
        {"ev": "T", "sym": "XXX", "x": 12, "i": "2", "p": 157.9, "s": 100, "t": t - 9, "q": 2},
        {
            "ev": "T",
            "sym": "XXX",
            "x": 4,
            "i": "4",
            "p": 157.0,
            "c": [19],
            "s": 150,
            "ds": "150.5",
            "t": t + 1521,
            "q": 4,
        },
    ]
    assert (report.read, report.left_out, report.unread) == (4, 1, 0)


def test_rows_that_cannot_be_read_are_named_by_line(tmp_path: Path) -> None:
    text = TRADES + (
        "2018-01-02 10:01:21,P,XXX,,2,157.8,0\n"
        "2018-01-02 10:01:21,P,XXX,J,2,157.8,0\n"
        "2018-01-02 10:01:21,P,XXX\n"
        "\n"
        "yesterday,P,XXX,,2,157.8,0\n"
        "2018-01-02 10:01:21,?,XXX,,2,157.8,0\n"
        "2018-01-02 10:01:21,P,X X,,2,157.8,0\n"
        "2018-01-02 10:01:21,P,XXX,,-2,157.8,0\n"
        "2018-01-02 10:01:21,P,XXX,,2,nan,0\n"
        "2018-01-02 10:01:22,P,XXX,,2,157.8,0\n"
    )
    bodies, report = read(written(tmp_path, "t.csv", text))
    assert len(bodies) == 2
    assert (report.read, report.unread) == (2, 7)
    assert [line.split(":")[:2] for line in report.named] == [["t.csv", str(n)] for n in (3, 4, 6, 7, 8, 9, 10)]


def test_a_file_cut_short_is_told(tmp_path: Path) -> None:
    rows = "".join(f"2018-01-02 10:01:{n % 60:02d},P,XXX,,{n},157.8,0\n" for n in range(1, 5000))
    packed = gzip.compress((TRADES + rows).encode())
    path = tmp_path / "t.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    bodies, report = read(path)
    assert 0 < len(bodies) < 4999
    assert report.unread == 1
    assert "cannot be read further" in report.named[0]


def test_minute_bars_newest_first_with_their_end_in_new_york_time(tmp_path: Path) -> None:
    text = BARS + "2019-02-15 16:00:00,170.23,170.42,170.21,170.38,427888\n2019-02-15 09:31:00,170,171,169,170.5,0\n"
    bodies, _ = read(written(tmp_path, "BRK.B_1min.csv", text), zone=NEW_YORK, stamp="end")
    end = 1_550_241_060_000
    assert bodies == [
        {"ev": "AM", "sym": "BRK.B", "v": 0, "o": 170.0, "c": 170.5, "h": 171.0, "l": 169.0, "s": end - 60_000, "e": end},
        {"ev": "AM", "sym": "BRK.B", "v": 427_888, "o": 170.23, "c": 170.38, "h": 170.42, "l": 170.21,
         "s": 1_550_264_340_000, "e": 1_550_264_400_000},
    ]  # fmt: skip


def test_stamps_inside_a_minute_make_second_bars(tmp_path: Path) -> None:
    text = BARS + "2019-07-15 09:30:01,1,2,1,2,10\n2019-07-15 09:31:00,2,2,2,2,5\n"
    bodies, _ = read(written(tmp_path, "x.csv", text), symbol="KIMpL", zone=NEW_YORK, stamp="end")
    assert [(b["ev"], b["sym"], b["s"], b["e"]) for b in bodies] == [
        ("A", "KIMpL", 1_563_197_400_000, 1_563_197_401_000),
        ("A", "KIMpL", 1_563_197_459_000, 1_563_197_460_000),
    ]


def test_the_vendors_flat_files(tmp_path: Path) -> None:
    bars = FLAT_BARS + (
        "AAPL,4930,200.29,200.5,200.63,200.29,1744792560000000000,129\n"
        "AAPL,10,200,200,200,200,1744792500000000000,1\n"
        "ZZ,2.5,1,1,1,1,1744792500000000000,0\n"
    )
    trades = FLAT_TRADES + (
        'A,"12,37",0,11,52983525035312,1712306654208705342,142.99,3807,1744792530208740096,5,1,0,0\n'
        "A,,8,11,1,1712306654208705342,142.99,3808,1744792530208740096,5,1,0,0\n"
        "B,,0,4,77,1712306654208705342,2,9,1744792529000000000,0.5,3,202,1744792528999999999\n"
    )
    bodies, report = read(written(tmp_path, "b.csv", bars), written(tmp_path, "t.csv.gz", trades))
    minute = 1_744_792_500_000
    assert bodies == [
        {"ev": "T", "sym": "B", "x": 4, "i": "77", "z": 3, "p": 2.0, "s": 0, "ds": "0.5", "t": minute + 29_000, "q": 9,
         "trfi": 202, "trft": minute + 28_999},
        {"ev": "T", "sym": "A", "x": 11, "i": "52983525035312", "z": 1, "p": 142.99, "c": [12, 37], "s": 5,
         "t": minute + 30_208, "q": 3807},
        {"ev": "AM", "sym": "AAPL", "v": 10, "o": 200.0, "c": 200.0, "h": 200.0, "l": 200.0, "s": minute, "z": 10,
         "e": minute + 60_000},
        {"ev": "AM", "sym": "ZZ", "v": 2.5, "o": 1.0, "c": 1.0, "h": 1.0, "l": 1.0, "s": minute, "e": minute + 60_000},
        {"ev": "AM", "sym": "AAPL", "v": 4930, "o": 200.29, "c": 200.5, "h": 200.63, "l": 200.29, "s": minute + 60_000,
         "z": 38, "e": minute + 120_000},
    ]  # fmt: skip
    assert report.left_out == 1


def test_frames_keep_their_events_and_odd_ones_are_counted(tmp_path: Path) -> None:
    bar = {"ev": "A", "sym": "X", "v": "10", "s": 1_592_337_499_000, "e": 1_592_337_500_000, "new": [1]}
    halt = {"ev": "LULD", "T": "Y", "t": 1_592_337_499_123_456_789}
    lines = [
        json.dumps([{"ev": "status", "status": "connected", "message": "x"}]),
        json.dumps([bar, halt]),
        "{broken",
        "",
        json.dumps(bar | {"sym": "Z"}),
        json.dumps([bar, 7]),
    ]
    path = written(tmp_path, "f.jsonl", "\n".join(lines))
    report = Report()
    pieces = list(Recording(path, Options(), report).pieces())
    assert [[(e.channel, e.symbol) for e in piece.events] for piece in pieces] == [
        [], [("A", "X"), ("LULD", "Y")], [("A", "Z")], [("A", "X")],
    ]  # fmt: skip
    assert pieces[1].events[0].body == bar
    assert (report.read, report.unread) == (4, 2)
    assert [line.split(":")[1] for line in report.named] == ["3", "6"]


@pytest.mark.parametrize(
    ("t", "ms"), [(1_592_337_499_123, 1_592_337_499_123), (1_592_337_499_123_456, 1_592_337_499_123)]
)
def test_units_are_inferred(t: int, ms: int) -> None:
    assert event_time({"t": t}) == event_time({"t": t, "e": ms}) == ms
    assert event_time({}) == event_time({"t": "x"}) == 0


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("X_daily.csv", BARS + "2019-02-15 00:00:00,1,1,1,1,1\n", "daily bars"),
        ("X.csv", BARS + "2019-02-15,1,1,1,1,1\n", "daily bars"),
        ("a.csv", "one,two\n1,2\n", "unknown header; found: one,two;"),
        ("my bars.csv", BARS + "2019-02-15T16:00:00Z,1,1,1,1,1\n2019-02-15T16:01:00Z,1,1,1,1,1\n", "--symbol"),
        ("empty.csv", "", "empty"),
        ("broken.csv.gz", "", "empty"),
    ],
)
def test_files_that_cannot_be_replayed_say_why(tmp_path: Path, name: str, text: str, word: str) -> None:
    with pytest.raises(CannotReplay, match=word):
        Recording(written(tmp_path, name, text), Options(stamp="start"), Report())


def test_a_missing_or_binary_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CannotReplay, match="No such file"):
        Recording(tmp_path / "no.csv", Options(), Report())
    (tmp_path / "b").write_bytes(b"\xd0\xff\x00")
    with pytest.raises(CannotReplay, match="not UTF-8 text"):
        Recording(tmp_path / "b", Options(), Report())


def test_the_recorded_tape_of_two_days(data: Path) -> None:
    """77,263 real prints: all but the cancelled one and its cancel, in the order of the tape."""
    path = data / "us-tape-2018" / "trades.csv.gz"
    bodies, report = read(path)
    assert (report.read, report.left_out, report.unread, len(bodies)) == (77_263, 2, 0, 77_261)
    assert len({b["i"] for b in bodies}) == len(bodies)
    assert [b["q"] for b in bodies] == sorted({b["q"] for b in bodies})
    with gzip.open(path, "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["correction"] not in ("8", "10")]
    assert Counter(b["x"] for b in bodies) == Counter(EXCHANGE_IDS[row["exchange"]] for row in rows)
    assert sum(b["s"] for b in bodies) == sum(int(row["size"]) for row in rows)
    assert [b["p"] for b in bodies] == [float(row["price"]) for row in rows]
    without_price = sum("c" not in bar for bar in tape_bars(bodies).values())
    assert without_price / len(tape_bars(bodies)) == pytest.approx(0.38, abs=0.01)


def test_a_week_of_minute_bars_merged_by_time(data: Path) -> None:
    paths = sorted((data / "minute-bars-2019").glob("*_1min.csv"))
    bodies, report = read(*paths, zone=NEW_YORK, stamp="end")
    assert report.unread == 0
    assert len({b["sym"] for b in bodies}) == len(paths) == 24
    assert len(bodies) == sum(len(path.read_text().splitlines()) - 1 for path in paths)
    assert [b["e"] for b in bodies] == sorted(b["e"] for b in bodies)
    assert all(b["v"] == 0 for b in bodies if b["sym"] == "VIX")
    assert all("vw" not in b and b["e"] == b["s"] + 60_000 for b in bodies)
    for path in (data / "minute-bars-2019").glob("*_daily.csv"):
        with pytest.raises(CannotReplay, match="daily bars"):
            Recording(path, Options(zone=NEW_YORK, stamp="end"), Report())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("X_1min.csv", BARS + "2024-03-01 09:31:00,1,2,1,1,1e30\n"),
        ("X_1min.csv", BARS + "2024-03-01 09:31:00,1,2,1.5,1.75,1\n"),
        ("X_1min.csv", BARS + "2024-03-01 09:31:00,1,1e9,1,1,1\n"),
        ("X_1min.csv", BARS + "9999-12-31 23:59:59,1,2,1,1,1\n2024-03-01 09:31:00,1,2,1,1,1e30\n"),
        ("X_1min.csv", BARS + "0001-01-01 00:00:01,1,2,1,1,1\n2024-03-01 09:31:00,1,2,1,1,1e30\n"),
        ("t.csv", TRADES + "2018-01-16T14:30:00,P,AAPL,@,1e30,170,00\n"),
        ("f.csv", FLAT_TRADES + f"AAPL,12,0,4,i,0,190.5,{2**70},1704099600000000000,1,3,0,0\n"),
        ("b.csv", FLAT_BARS + "AAPL,1e30,1,1,1,1,1704099600000000000,1\n"),
    ],
)
def test_what_no_frame_could_carry_is_named_and_left_out(tmp_path: Path, name: str, text: str) -> None:
    bodies, report = read(written(tmp_path, name, text), zone=NEW_YORK, stamp="end", span_ms=60_000)
    assert (bodies, report.read, report.unread) == ([], 0, text.count("\n") - 1)
    assert report.named[0].startswith(f"{name}:2: ")


def test_a_report_without_its_own_time_is_a_trade_all_the_same(tmp_path: Path) -> None:
    text = FLAT_TRADES.replace(",trf_timestamp", "") + "AAPL,12,0,4,i,0,190.5,7,1704099600000000000,1,3,201\n"
    bodies, report = read(written(tmp_path, "f.csv", text))
    assert [(body["trfi"], body["trft"]) for body in bodies] == [(201, 0)]
    assert report.unread == 0


def test_rows_that_are_no_rows_cost_nothing_but_themselves(tmp_path: Path) -> None:
    """A short row, a repeated header, blank lines, a byte-order mark, Windows line ends, bytes that are no text, an
    unclosed quote: named by line, or passed over where nothing is lost."""
    header = "\ufefftime,symbol,price,size"
    rows = [
        header,
        "2024-03-01T09:30:00Z,AAPL,1.5,10",
        "",
        ",,,",
        header,
        "2024-03-01T09:30:01Z,AAPL",
        header[1:],
        '2024-03-01T09:30:02Z,AAPL,"1.5,10',
        "2024-03-01T09:30:03Z,AAPL,1.5,10,more",
        "2024-03-01T09:30:04Z,AAPL,1.6,11",
    ]
    path = tmp_path / "t.csv"
    path.write_bytes("\r\n".join(rows).encode() + b"\r\n2024-03-01T09:30:05Z,A\xff,1.5,10\r\n")
    bodies, report = read(path)
    assert [(body["p"], body["s"]) for body in bodies] == [(1.5, 10), (1.6, 11)]
    assert [line.partition(": ")[0] for line in report.named] == [f"t.csv:{n}" for n in (6, 8, 9, 11)]
    assert "2 columns, where the file has 4" in report.named[0]
    assert "not UTF-8" in report.named[3]


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_packed_files(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    text = "time,symbol,price,size\n" + "".join(f"{1_704_099_600 + n},AAPL,1.5,{n}\n" for n in range(20_000))
    path = tmp_path / "t.csv.packed"
    half = len(text) // 2
    path.write_bytes(pack(text[:half].encode()) + pack(text[half:].encode()))
    assert len(read(path)[0]) == 20_000
    packed = pack(text.encode())
    path.write_bytes(packed[: len(packed) * 6 // 10])
    bodies, report = read(path)
    assert 0 < len(bodies) < 20_000
    assert "cannot be read further" in report.named[-1]


def test_a_longer_sample_than_the_file_changes_nothing(tmp_path: Path) -> None:
    text = "".join(f"{1_704_099_600_000_000_000 + n * 60_000_000_000}" + ",AAPL,1,1,1,1,1\n" for n in range(SAMPLE + 5))
    bodies, _ = read(written(tmp_path, "b.csv", "window_start,ticker,volume,open,close,high,low\n" + text))
    assert [body["s"] for body in bodies] == [1_704_099_600_000 + n * 60_000 for n in range(SAMPLE + 5)]


@pytest.mark.parametrize("text", ["x" * 200_000, "x" * (MAX_LINE + 1), '"time,symbol', "time;symbol;price;size"])
def test_a_first_line_that_is_no_table_is_an_error_of_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(CannotReplay) as caught:
        read(written(tmp_path, "t.csv", text))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 3_000


def test_what_is_no_regular_file_is_an_error_and_never_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(CannotReplay, match=r"no regular file|Is a directory"):
            read(path)


def peak_of(script: str, *words: str) -> tuple[str, int]:
    """What a Python of its own prints, and the most memory that it held, KiB."""
    script += "; print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    printed, _, peak = done.stdout.strip().rpartition("\n")
    return printed, int(peak)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_sorting_holds_one_run_in_memory() -> None:
    """Twice as many rows as a run has: 250,000 rows of 150 bytes took 1 GB once."""
    script = (
        "from simulator.time_sort import RUN_ROWS, TimeSorter; sorter = TimeSorter();"
        "row = {'ev': 'AM', 'sym': 'S1', 'v': 1, 'o': 200.29, 'c': 200.5, 'h': 200.63, 'l': 200.29, 's': 1744792560000};"
        "any(sorter.add(n * 7919 % 1000003, row) for n in range(2 * RUN_ROWS)); print(sum(1 for _ in sorter))"
    )
    printed, peak = peak_of(script)
    assert printed == "500000"
    assert peak < 150_000


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_line_without_end_costs_no_memory(tmp_path: Path) -> None:
    """200 MB without a line end, packed to a few: frames and rows before and after it are sent, it is named."""
    endless = b"x" * 200_000_000
    for name, good in (
        ("t.csv.gz", b"time,symbol,price,size\n1704099600,A,1,1\n"),
        ("f.jsonl.gz", b'[{"ev":"A","sym":"X"}]\n'),
    ):
        path = tmp_path / name
        path.write_bytes(gzip.compress(good + endless + b"\n" + good.splitlines()[-1], 1))
        script = (
            "import sys; from pathlib import Path; from simulator.csv_reading import Options;"
            "from simulator.recordings import *; report = Report();"
            "pieces = list(Recording(Path(sys.argv[1]), Options(), report).pieces()); print(len(pieces), report.named)"
        )
        printed, peak = peak_of(script, str(path))
        assert printed.startswith("2 ['")
        assert "longer than 16 MiB" in printed
        assert peak < 120_000

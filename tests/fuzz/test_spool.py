"""The spool over files that are not its own any more: it opens, reads to the end, hands out every record that is whole, counts
the others, and goes on."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.spool.log import Spool
from ingest.spool.segment import CORRUPT, DATA, HEADER_BYTES, MAGIC, Record, file_name, pack
from tests.fuzz import LONG, times

#: More reads than any folder here needs: a loop would go beyond.
MANY = 10_000


def opened(folder: Path) -> Spool:
    return Spool(folder, limit_bytes=1 << 30, max_age_s=1e6, segment_bytes=1024, fsync=False).open()


def everything(spool: Spool) -> list[Record]:
    records: list[Record] = []
    with spool.reader(0) as reader:
        for _ in range(MANY):
            more = reader.read(50, 4096)
            if not more:
                return records
            records += more
    raise AssertionError("the reader comes to no end")


def check(folder: Path) -> list[Record]:
    """Opens and reads the spool: every number is returned once, and appended records are there after a restart."""
    with opened(folder) as spool:
        records = everything(spool)
        at = spool.first
        for record in records:
            lost = record.lost if record.kind == CORRUPT else 1
            assert lost >= 1
            assert record.number == at + lost - 1
            at += lost
        assert at == spool.last + 1
        assert spool.corrupt == sum(record.lost for record in records)
        assert everything(spool) == records
        for received in (0, 1, 1_000, 2**63):
            assert spool.first <= spool.find_time(received) <= spool.last + 1
        number = spool.append(b"after", 5_000)
    with opened(folder) as spool:
        assert everything(spool)[-1] == Record(number, 5_000, DATA, b"after")
        assert spool.torn == 0
    return records


def filled(folder: Path, rng: random.Random) -> dict[Path, list[tuple[int, int, Record]]]:
    """A spool of some segments; of each file where its records begin and end."""
    with opened(folder) as spool:
        for number in range(1, rng.randrange(2, 60)):
            payload = rng.choice((b"", b"x", rng.randbytes(rng.randrange(200)), MAGIC * 3))
            spool.append(payload, 1_000 + number, rng.choice((0, 0, 1)))
        records = everything(spool)
    places: dict[Path, list[tuple[int, int, Record]]] = {}
    paths = sorted(folder.glob("*.spool"))
    starts = [int(path.stem) for path in paths]
    for record in records:
        path = next(p for p, first in zip(reversed(paths), reversed(starts), strict=True) if first <= record.number)
        begin = places[path][-1][1] if path in places else 0
        places.setdefault(path, []).append((begin, begin + HEADER_BYTES + len(record.payload), record))
    return places


def hurt(rng: random.Random, path: Path) -> tuple[int, int] | None:
    """Overwrites some bytes where they are; the span, None when nothing was changed."""
    raw = bytearray(path.read_bytes())
    at = rng.randrange(len(raw))
    if rng.random() < 0.5:
        raw[at] ^= 1 << rng.randrange(8)
        span = (at, at + 1)
    else:
        new = rng.choice(
            (bytes(20), b"\xff" * 8, MAGIC, rng.randbytes(rng.randrange(1, 100)), pack(10**6, 1, 0, b"forged"))
        )
        span = (at, min(len(raw), at + len(new)))
        if raw[span[0] : span[1]] == new[: span[1] - at]:
            return None
        raw[span[0] : span[1]] = new[: span[1] - at]
    path.write_bytes(raw)
    return span


@pytest.mark.parametrize("seed", range(8) if LONG else range(1))
def test_every_record_that_was_not_touched_is_read(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    for number in range(times(150, 2_000)):
        folder = tmp_path / str(number)
        places = filled(folder, rng)
        touched: set[int] = set()
        for path in rng.sample(sorted(places), min(len(places), rng.choice((1, 1, 2)))):
            span = hurt(rng, path)
            if span is not None:
                touched |= {r.number for begin, end, r in places[path] if begin < span[1] and span[0] < end}
        original = {r.number: r for spots in places.values() for _, _, r in spots}
        found = {record.number: record for record in check(folder) if record.kind != CORRUPT}
        found = {n: record for n, record in found.items() if n in original}  # without what was added by the check
        assert original.keys() - found.keys() <= touched, f"seed {seed}, folder {number}: more is lost than was touched"
        # A record overwritten with its own bytes may be returned, a changed one may not.
        assert found == {n: original[n] for n in found}, f"seed {seed}, folder {number}"
        shutil.rmtree(folder)


@pytest.mark.parametrize("seed", range(8) if LONG else range(1))
def test_files_cut_grown_lost_and_swapped(seed: int, tmp_path: Path) -> None:
    rng = random.Random(1_000 + seed)
    for number in range(times(150, 2_000)):
        folder = tmp_path / str(number)
        filled(folder, rng)
        for path in rng.sample(sorted(folder.glob("*.spool")), 1):
            raw = path.read_bytes()
            how = rng.randrange(6)
            if how == 0:
                path.write_bytes(raw[: rng.randrange(len(raw) + 1)])
            elif how == 1:
                path.write_bytes(raw + rng.randbytes(rng.randrange(200)))
            elif how == 2:
                at = rng.randrange(len(raw))
                path.write_bytes(raw[:at] + raw[at + rng.randrange(1, 50) :])
            elif how == 3:
                at = rng.randrange(len(raw))
                path.write_bytes(raw[:at] + rng.randbytes(rng.randrange(1, 50)) + raw[at:])
            elif how == 4:
                path.unlink()
            else:
                path.rename(folder / file_name(int(path.stem) + rng.choice((1, 1000))))
        check(folder)
        shutil.rmtree(folder)


@settings(max_examples=times(150, 3_000), deadline=None)
@given(st.dictionaries(st.sampled_from([0, 1, 2, 3, 1000]), st.binary(max_size=300), min_size=1, max_size=3))
def test_any_bytes(contents: dict[int, bytes]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for first, raw in contents.items():
            (folder / file_name(first)).write_bytes(raw)
        (folder / "id").write_text("other files are left alone")
        (folder / "1.spool").write_bytes(b"no name of ours")
        check(folder)
        assert (folder / "1.spool").read_bytes() == b"no name of ours"

"""The raw limit: the very bytes that tapewatch's writer sends, taken down beforehand and blasted by a bare socket."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import hiredis

from market.bar import Bar
from redis_functions.contract.schema import Schema
from redis_functions.write.writer import Writer

_CHUNK = 1 << 18
#: What Redis answers: to a TS.MADD of six samples, and to anything else of ours.
_MADD_REPLY, _OTHER_REPLY = b"*6\r\n" + b":1760535000000\r\n" * 6, b"+OK\r\n"


class Recording:
    """Commands as RESP bytes, and how many lines their replies have."""

    def __init__(self) -> None:
        self.payload = bytearray()
        self.lines = 0


def answered(commands: hiredis.Reader, data: bytes) -> bytes:
    """What Redis would answer to the commands that `data` completes."""
    commands.feed(data)
    replies = []
    while (command := commands.gets()) is not False:
        replies.append(_MADD_REPLY if command[0] == b"TS.MADD" else _OTHER_REPLY)
    return b"".join(replies)


def record(bars: Sequence[Bar], schema: Schema, known: bool = True) -> Recording:
    """What the writer sends for `bars`; `known`: their series exist already."""
    return asyncio.run(_record(bars, schema, known))


async def _record(bars: Sequence[Bar], schema: Schema, known: bool) -> Recording:
    taken = Recording()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader()
        while data := await reader.read(_CHUNK):
            taken.payload += data
            answer = answered(commands, data)
            taken.lines += answer.count(b"\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    with tempfile.TemporaryDirectory(prefix="tb-") as folder:
        path = str(Path(folder, "s"))
        server = await asyncio.start_unix_server(talk, path, limit=_CHUNK)
        ours = Writer(f"unix://{path}", schema)
        if known:
            ours.restore(sorted({bar.sym for bar in bars}))
        task = asyncio.create_task(ours.run())
        ours.put(bars, [True] * len(bars))
        await ours.flushed()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
    return taken


def blast(path: Path, taken: Recording) -> float:
    """Sends everything over a Unix socket while counting the replies; seconds until the last. Raises on any error reply."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.settimeout(120)
        sender = threading.Thread(target=_send, args=(sock, taken.payload), daemon=True)
        began = time.perf_counter()
        sender.start()
        lines, before = 0, b"\n"
        while lines < taken.lines:
            data = sock.recv(_CHUNK)
            if not data:
                raise ConnectionError("Redis closed the connection")
            if b"\n-" in before + data:
                raise RuntimeError(f"Redis refuses a command: {data[:200]!r}")
            lines += data.count(b"\n")
            before = data[-1:]
        took = time.perf_counter() - began
        sender.join()
    return took


def _send(sock: socket.socket, payload: bytearray) -> None:
    view = memoryview(payload)
    for begin in range(0, len(view), _CHUNK):
        sock.sendall(view[begin : begin + _CHUNK])

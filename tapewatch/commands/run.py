"""`tapewatch run`: everything on this box, with one command."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from redis_functions.server import embedded
from redis_functions.write.store_stamp import VENDOR
from tapewatch import logs, market_folder
from tapewatch.announcement import announce, announce_ready
from tapewatch.cli import CannotGoOn
from tapewatch.part_environment import of_part
from tapewatch.settings import Settings, check_listening
from tapewatch.supervisor import Part, PartRefused, Supervisor
from tapewatch.trusted_files import secure_folder
from vendor.vendors import own_vendor_of, vendor_of

log = logging.getLogger("tapewatch.run")

HELP = "run everything on this box: Redis, feed (simulated without a key), ingest and the REST bridge"

#: Seconds of the past that the simulated market sends when it begins.
HISTORY_S = 3600
#: A feed of our own gets so long to name its market.
PROBE_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--duration", type=float, metavar="S", help="stop after S seconds")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs until Ctrl-C or SIGTERM; 78 with a part's own line when trying again will not help, 1 when a port is taken."""
    check_listening(settings)
    given, settings = settings, in_its_market(settings)
    secure_folder(settings.data_path)
    logs.setup(settings)
    if not given.data_dir and market_folder.earlier_store():
        log.warning(
            "%s holds the store of an earlier version, which is not used: this run uses %s. To go on with the earlier one, "
            "set TAPEWATCH_DATA_DIR=%s",
            market_folder.ROOT / "redis", settings.data_path, market_folder.ROOT,
        )  # fmt: skip
    trouble = _trouble(settings)
    if trouble:
        print(f"tapewatch: {trouble}", file=sys.stderr)
        return 1
    return asyncio.run(_main(args, settings))


def in_its_market(settings: Settings) -> Settings:
    """With the data folder of the market that will run, where none is set; the other commands use it from now on."""
    if settings.data_dir:
        return settings
    if settings.simulated:
        market = market_folder.SIMULATOR
    elif settings.feed_url and own_vendor_of(settings.feed_url) is None:
        # A server of ours names its market; the key is not sent.
        market = vendor_of(settings.feed_url).probe(settings.feed_url, "", PROBE_S).market or VENDOR
    else:
        market = VENDOR
    folder = market_folder.folder_of(market)
    secure_folder(folder)
    market_folder.remember(folder)
    return msgspec.structs.replace(settings, data_dir=str(folder))


async def _main(args: argparse.Namespace, settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    if args.duration is not None:
        loop.call_later(args.duration, stop.set)
    announce(settings)
    ready = asyncio.create_task(announce_ready(settings))
    try:
        await Supervisor(parts(args, settings)).run(stop)
    except PartRefused as error:
        raise CannotGoOn(f"{error} cannot run: see its line above") from None
    finally:
        ready.cancel()
    if settings.log_format == "human":
        print("stopped", flush=True)
    return 0


def parts(args: argparse.Namespace, settings: Settings) -> list[Part]:
    """The processes of this box, in the order they are started."""
    base = dict(os.environ) | {"TAPEWATCH_DATA_DIR": str(settings.data_path.resolve())}
    config = ["--config", str(Path(args.config).resolve())] if args.config else []
    made: list[Part] = []
    if not settings.redis_url:
        socket_file = embedded.socket_path(settings.data_path)
        made.append(Part("redis", [*config, "redis"], of_part("redis", base), last=True, file=socket_file))
    ingest = dict(base)
    if settings.simulated:
        port, rest = _free_port(), _free_port()
        words = [
            "simulate", "--port", str(port), "--rest-port", str(rest), "--history", str(HISTORY_S),
            "--symbols", str(settings.sim_symbols), "--rate", str(settings.sim_rate), "--seed", str(settings.sim_seed),
        ]  # fmt: skip
        made.append(Part("simulate", [*config, *words], of_part("simulate", base)))
        base["TAPEWATCH_ALWAYS_OPEN"] = "true"
        ingest |= base | {
            "TAPEWATCH_FEED_URL": f"ws://127.0.0.1:{port}/stocks",
            "TAPEWATCH_REST_URL": f"http://127.0.0.1:{rest}",
        }
    made.append(Part("ingest", [*config, "ingest"], of_part("ingest", ingest)))
    made.append(Part("bridge", [*config, "bridge"], of_part("bridge", base)))
    return made


def _trouble(settings: Settings) -> str:
    """What would keep a part from ever starting, found before anything is started."""
    host, port = settings.listen_host, settings.bridge_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except OSError as error:
            return f"cannot listen on {_host_port(host, port)}: {error.strerror} (set TAPEWATCH_BRIDGE_PORT)"
    if not settings.redis_url:
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(str(embedded.socket_path(settings.data_path)))
            except OSError:
                return ""
            return f"another tapewatch is running in {settings.data_path.resolve()} (set TAPEWATCH_DATA_DIR for a second one)"
    return ""


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])

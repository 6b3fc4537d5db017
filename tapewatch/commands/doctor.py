"""`tapewatch doctor`: one line for each check, with the fix."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict

from market.printable import printable
from tapewatch.doctor import host, outside, store
from tapewatch.doctor.finding import Finding
from tapewatch.load_settings import sources
from tapewatch.logs import Masker, secrets_of
from tapewatch.settings import Settings

HELP = "check the machine, Redis, feed, clock and Grafana; one line each, with the fix"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as a JSON list")
    parser.add_argument(
        "--auth",
        action="store_true",
        help="send the key to the feed as well; the vendor allows one connection, so a running ingest may lose its own",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """0 when nothing fails, else 1. Lines appear as they are found."""
    mask = Masker(secrets_of(settings))
    found: list[Finding] = []
    for finding in _findings(args, settings):
        found.append(finding)
        if not args.json:
            print(printable(mask(finding.line())), flush=True)
    if args.json:
        print(mask(json.dumps([asdict(finding) for finding in found], indent=2)))
    return 1 if any(finding.status == "fail" for finding in found) else 0


def _findings(args: argparse.Namespace, settings: Settings) -> Iterator[Finding]:
    yield from host.findings(settings, sources(args.config, os.environ))
    yield from store.findings(settings)
    yield from outside.findings(settings, auth=args.auth)

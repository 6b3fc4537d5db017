"""`tapewatch config`: every setting with its value, its default, its variable and where the value comes from."""

from __future__ import annotations

import argparse
import json
import os
import re
from typing import Any

from tapewatch.logs import MASK
from tapewatch.settings import PREFIX, SECRETS, Settings, sources

HELP = "every setting: value, default, variable, source"

# Up to the last @: a password that was not quoted may hold one.
_PASSWORD = re.compile(r"(?<=://)([^@/:]*):.*@")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def run(args: argparse.Namespace, settings: Settings) -> int:
    given = sources(args.config, os.environ)
    default = Settings()
    rows = [
        {
            "name": name,
            "value": shown(name, getattr(settings, name)),
            "default": getattr(default, name),
            "variable": PREFIX + name.upper(),
            "source": given.get(name, "default"),
        }
        for name in Settings.__struct_fields__
    ]
    print(json.dumps(rows, indent=2) if args.json else _table(rows))
    return 0


def shown(name: str, value: Any) -> Any:
    """The value as it may be shown: secrets and passwords inside URLs are masked."""
    if name in SECRETS:
        return MASK if value else ""
    if isinstance(value, str):
        return _PASSWORD.sub(rf"\1:{MASK}@", value)
    return value


def _table(rows: list[dict[str, Any]]) -> str:
    head = ("name", "value", "default", "variable", "source")
    lines = [head, *(tuple(_text(row[column]) for column in head) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(word.ljust(w) for word, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _text(value: Any) -> str:
    return "-" if value in ("", None) else str(value).lower() if isinstance(value, bool) else str(value)

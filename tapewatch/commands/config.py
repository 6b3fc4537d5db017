"""`tapewatch config`: every setting with its effective value, its default, its variable and its source."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from tapewatch.given_text import MASK, masked_url
from tapewatch.load_settings import sources
from tapewatch.settings import PREFIX, SECRETS, Settings

HELP = "every setting: effective value, default, variable, source"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def run(args: argparse.Namespace, settings: Settings) -> int:
    given = sources(args.config, os.environ)
    default = Settings()
    effective = settings.effective()
    rows = [
        {
            "name": name,
            "value": shown(name, effective[name]),
            "default": getattr(default, name),
            "variable": PREFIX + name.upper(),
            "source": given.get(name, "default"),
        }
        for name in Settings.__struct_fields__
    ]
    print(json.dumps(rows, indent=2) if args.json else _table(rows))
    return 0


def shown(name: str, value: Any) -> Any:
    """The value as it may be shown: secrets, and passwords inside URLs, are masked."""
    if name in SECRETS:
        return MASK if value else ""
    if isinstance(value, str):
        return masked_url(value)
    return value


def _table(rows: list[dict[str, Any]]) -> str:
    head = ("name", "value", "default", "variable", "source")
    lines = [head, *(tuple(_text(row[column]) for column in head) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(word.ljust(w) for word, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _text(value: Any) -> str:
    return "-" if value in ("", None) else str(value).lower() if isinstance(value, bool) else str(value)

"""docs/settings.md lists every setting with its default, and no other."""

from __future__ import annotations

import re

import msgspec

from tapewatch.settings import PREFIX, Settings
from tests.support import ROOT

#: How the page writes a default that is an empty text or None.
NONE = ("", None)


def listed() -> dict[str, str]:
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (.*?) \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    return {name.lower(): default.strip("`") for name, default in rows}


def test_settings_page_lists_every_setting() -> None:
    assert set(listed()) == set(Settings.__struct_fields__)


def test_settings_page_has_the_defaults() -> None:
    default = Settings()
    for field in msgspec.structs.fields(Settings):
        value, text = getattr(default, field.name), listed()[field.name]
        if value in NONE:
            assert text == "none", field.name
        else:
            assert msgspec.convert(text, field.type, strict=False) == value, field.name

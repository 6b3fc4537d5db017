"""A generated part of a page: the text between two marks with the name of the part."""

from __future__ import annotations

from pathlib import Path


def keep(page: Path, part: str, text: str) -> None:
    """Puts `text` between ``<!-- part -->`` and ``<!-- end of part -->``. Raises ValueError where the page has no such marks."""
    begin, finish = f"<!-- {part} -->", f"<!-- end of {part} -->"
    before, _, rest = page.read_text().partition(begin)
    _, end, after = rest.partition(finish)
    if not end:
        raise ValueError(f"{page} has no {begin} ... {finish}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n{finish}{after}")

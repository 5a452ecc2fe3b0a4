"""The tables of the pages."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def read(name: str) -> str:
    """Return the text of a page in ``docs/``."""
    return (DOCS / name).read_text()


def rows(text: str, *header: str) -> list[list[str]]:
    """Return the cells of each table with a header that begins with these cells."""
    found = []
    begin = re.escape(f"| {' | '.join(header)} |")
    for table in re.findall(rf"^{begin}.*\n\|[ |:-]+\n((?:\|.*\n)+)", text, re.MULTILINE):
        found += [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()
        ]
    assert found, header
    return found

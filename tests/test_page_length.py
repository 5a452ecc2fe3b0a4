"""Pages that answer a question stay short enough to be read to the end."""

from __future__ import annotations

from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
MAX_LINES = 200
PAGES = (
    *("tutorial", "how-it-works", "http", "troubleshooting"),
    *("compare", "architecture", "versions", "glossary"),
)


@pytest.mark.parametrize("name", PAGES)
def test_page_is_short(name: str) -> None:
    assert len((DOCS / f"{name}.md").read_text().splitlines()) <= MAX_LINES

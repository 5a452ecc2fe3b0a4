"""The threat model in ``docs/security.md`` names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ATTACKERS = (
    *("anonymous", "user", "removed user", "thief of an access token", "thief of a refresh token"),
    *("page of another origin", "sibling subdomain", "script on the page", "tenant", "proxy"),
    *("session store, down or hanging", "local user", "hostile server"),
)


def rows() -> list[list[str]]:
    """Return the cells of the table."""
    section = (ROOT / "docs/security.md").read_text().partition("## Threat model")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}: {row[1][:40]}")
def test_each_result_is_shown_by_tests_or_left_to_the_reader(row: list[str]) -> None:
    *_, shown_by = row
    assert len(row) == 4
    if shown_by == "left to you":
        return
    named = re.findall(r"`([^`]+)`", shown_by)
    assert named
    for name in named:
        if name.startswith("make "):
            assert f"\n{name.removeprefix('make ')}:" in (ROOT / "Makefile").read_text()
        else:
            assert list(ROOT.glob(name)), name


def test_every_attacker_has_a_row() -> None:
    assert {row[0] for row in rows()} >= set(ATTACKERS)


def test_every_file_of_attacks_is_named() -> None:
    named = {pattern for row in rows() for pattern in re.findall(r"`(tests/attacks/[^`]+)`", row[3])}
    found = {path.name for pattern in named for path in ROOT.glob(pattern)}
    assert found == {path.name for path in (ROOT / "tests/attacks").glob("*.json")}

"""The code map in CONTRIBUTING names the file of each behaviour, and the file of its test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAX_LINES = 20


def code_map(text: str) -> list[str]:
    """Return the lines of the code map, a table under a heading of its own."""
    _, _, section = text.partition("\n## Code map\n")
    return [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]


def rows(text: str) -> list[tuple[str, str, str]]:
    """Return behaviour, path of the code and path of the test of each row."""
    header, rule, *lines = code_map(text)
    assert header == "| behaviour | code | test |"
    assert set(rule) <= set("| -")
    found = [re.fullmatch(r"\| (.+) \| `([^`]+)` \| `([^`]+)` \|", line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return [(match[1], match[2], match[3]) for match in found if match]


def missing_paths(text: str) -> list[str]:
    """Return the paths in the code map that do not exist. A path that ends with a slash is a directory."""
    paths = [path for _, *paths in rows(text) for path in paths]
    return [path for path in paths if not _exists(path)]


def _exists(path: str) -> bool:
    return (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file()


CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def test_paths_in_the_code_map_exist() -> None:
    assert missing_paths(CONTRIBUTING) == []


def test_code_map_is_short_and_sorts_code_from_tests() -> None:
    assert 10 < len(code_map(CONTRIBUTING)) <= MAX_LINES
    for _, code, test in rows(CONTRIBUTING):
        assert code.startswith("flask_core_auth/")
        assert test.startswith("tests/")


@pytest.mark.parametrize("wrong", ["flask_core_auth/nowhere.py", "flask_core_auth/cli.py/", "nowhere/"])
def test_wrong_path_in_the_code_map_is_found(wrong: str) -> None:
    text = CONTRIBUTING.replace("`flask_core_auth/cli.py`", f"`{wrong}`")
    assert text != CONTRIBUTING
    assert wrong in missing_paths(text)

"""The corpus itself: its size, its sources, and that each surface has valid cases and rejected ones."""

from __future__ import annotations

import json
import re

import pytest

from .cases import HERE, SURFACES, Case, MalformedCaseError, load, parse_case
from .filling import UnknownNameError, fill

CASES = load()
MIN_CASES = 400
VALID = json.loads((HERE / "README.md").read_text().partition("```json")[2].partition("```")[0])
_SOURCE = re.compile(r"RFC [0-9]+(bis)?, [0-9A-Z.]+|CVE-[0-9]{4}-[0-9]{4,}|own|[A-Z].+")


def rejects(case: Case) -> bool:
    """Tell whether the last thing that a case expects is a rejection."""
    expect = case.expect[-1]
    return expect.get("status", 200) >= 400 or "error" in expect or "rejected" in expect


def test_corpus_has_400_cases() -> None:
    assert len(CASES) >= MIN_CASES


@pytest.mark.parametrize("surface", SURFACES)
def test_surface_has_valid_and_rejected_cases(surface: str) -> None:
    found = [rejects(case) for case in CASES if case.surface == surface]
    assert found.count(True) >= 10
    assert found.count(False) >= 2


def test_id_begins_with_the_surface() -> None:
    assert [case.id for case in CASES if not case.id.startswith(f"{case.surface}-")] == []


def test_source_is_a_reference_or_own() -> None:
    assert [case.id for case in CASES if not _SOURCE.fullmatch(case.source)] == []


def test_example_of_the_readme_is_a_case() -> None:
    assert parse_case(VALID, "README.md").surface == "token"


@pytest.mark.parametrize(
    "changes",
    [
        {"expects": {}},
        {"surface": "everything"},
        {"id": ""},
        {"source": ""},
        {"request": {"path": "/"}},
        {"token": None, "request": [{"path": "/"}, {"path": "/"}]},
    ],
)
def test_malformed_case_is_an_error(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedCaseError, match=r"README\.md"):
        parse_case({**VALID, **changes}, "README.md")


def test_case_without_expect_is_an_error() -> None:
    with pytest.raises(MalformedCaseError):
        parse_case({name: value for name, value in VALID.items() if name != "expect"}, "README.md")


def test_unknown_name_in_braces_is_an_error() -> None:
    assert fill("{a} {repeat:ab:2} {", {"a": "x"}) == "x abab {"
    with pytest.raises(UnknownNameError):
        fill({"list": ["{b}"]}, {"a": "x"})

"""The check of "Writing" finds each kind of fault, and names file, line, rule and a better word."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .check import PATTERNS, ROOT, check, docstring_texts, main, markdown_texts, patterns, python_texts

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
EXCEPTIONS = ROOT / "tests/writing/exceptions.toml"
FAULTS = {
    "length": [f"A{' word' * 25}.", f"Set `x = 1`{' word' * 25}.", f"(A) - b{' word' * 24}"],
    "marks": ["Tokens: two; both signed.", "Set `a: b`; a default: `c`.", "Two kinds: one; or two:"],
    "start": [
        f"{word} is new." for word in ("It", "They", "Those", "These", "This", "That", "Both", "Its")
    ],
    "what": ["See what happens.", "Return whatever is set.", "Whoever asks gets a 401."],
    "one": ["The tests are the ones below.", "Use the one above.", "A route of yours.", "Trust one's app."],
    "we": ["Here we log in.", "Tell us.", "An app of ours.", "See our page."],
}
CLEAN = [
    f"A{' word' * 24}.",
    "Read the page. It is short. These are two sentences.",
    "Set `we: it; what: whoever` to the value: `a: b; c`.",
    "What is a realm? A word.",
    "Open https://example.com:5000/ at 12:30.",
    "One user can log in, and the onesie is us-east.".replace("us-east", "blue"),
    "An anonymous user has holes in no list of answers.".replace("holes", "no place").replace(
        "answers", "users"
    ),
    "The wholesale user renames a whole file.",
]


def rules_of(words: str) -> set[str]:
    return {finding.rule for finding in check(markdown_texts(words), "page.md", CONTRIBUTING)}


@pytest.mark.parametrize(
    ("rule", "fault"), [(rule, fault) for rule, faults in FAULTS.items() for fault in faults]
)
def test_fault_of_each_rule_is_found(rule: str, fault: str) -> None:
    assert rule in rules_of(fault)
    assert rule in rules_of(f"# {fault.rstrip('.')}")
    assert rule in rules_of(f"- {fault}")
    assert rule in rules_of(f"| a |\n| - |\n| {fault} |")


def test_each_rule_has_a_fault() -> None:
    assert set(FAULTS) == set(PATTERNS)


@pytest.mark.parametrize("rule", [rule for rule in patterns(CONTRIBUTING) if rule not in PATTERNS])
def test_each_term_of_the_table_is_found_with_a_better_word(rule: str) -> None:
    term = rule.removeprefix("term ")
    [finding] = check(markdown_texts(f"Apps {term} here."), "page.md", CONTRIBUTING)
    assert finding.rule == rule
    assert f"instead of '{term}'" in finding.advice


def test_table_of_terms_is_read() -> None:
    assert len(patterns(CONTRIBUTING)) > 25
    assert rules_of("The app refused, is refusing and refuses a token.") == {"term refuse"}
    assert rules_of("A renewing client renews.") == {"term renew"}


@pytest.mark.parametrize("words", CLEAN)
def test_correct_text_has_no_finding(words: str) -> None:
    assert rules_of(words) == set()


@pytest.mark.parametrize(
    "page",
    [
        "A block:\n\n```python\nwe = 'It is whatever'\n```",
        "A block:\n\n    We refuse it.",
        "A comment. <!-- We refuse it. -->",
        "<!-- note\nWe refuse it.\n-->",
        ":::{toctree}\n:caption: Start\n:hidden:\n\n:::",
    ],
)
def test_code_and_comments_do_not_count(page: str) -> None:
    assert rules_of(page) == set()


def test_finding_names_file_line_rule_and_advice() -> None:
    page = "# Title\n\nA line.\nTwo lines. Then\nwe log in.\n"
    [finding] = check(markdown_texts(page), "docs/page.md", CONTRIBUTING)
    assert finding == ("docs/page.md:4", "we", "name who acts instead of 'we'", "Then we log in.")


def test_docstrings_and_strings_of_public_code_are_read() -> None:
    source = '''"""We are a module."""
TEXT = "see what happens here"
JOINED = f"{TEXT}: the answer is late " f"{TEXT}"
CODE = "we"

class Public:
    """It is a class.

    A block::

        we refuse()

    - Those are a list.

    :param x: whatever it is,
        and the one below.
    """

    def method(self):
        """Refuse it, with ``our`` token."""
        def inner():
            """We."""

    def _private(self):
        """We."""

class _Private:
    """We."""
    def method(self):
        """We."""
'''
    found = [(f.place, f.rule) for f in check(python_texts(source), "x.py", CONTRIBUTING)]
    assert sorted(found) == [
        ("x.py:1", "we"),
        ("x.py:13", "start"),
        ("x.py:15", "one"),
        ("x.py:15", "what"),
        ("x.py:2", "what"),
        ("x.py:20", "term refuse"),
        ("x.py:3", "term answer"),
        ("x.py:7", "start"),
    ]


def test_lowercase_string_is_the_end_of_a_sentence() -> None:
    for string, rules in {"it is not an object": [], "It is not an object": ["start"]}.items():
        texts = python_texts(f"TEXT = {string!r}")
        assert [finding.rule for finding in check(texts, "x.py", CONTRIBUTING)] == rules


def test_fields_of_a_docstring_have_their_lines() -> None:
    texts = list(docstring_texts("Do.\n\n:param a: one,\n    two.\n:raises E: three.\n", 10))
    assert texts == [(10, "Do."), (12, "one,\n    two."), (14, "three.")]


def test_lists_of_files_and_exceptions(tmp_path: Path) -> None:
    for name in ("docs", "flask_core_auth/routes", "tests/writing"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("README.md", "CHANGELOG.md", "SECURITY.md", "docs/a.md"):
        (tmp_path / name).write_text("We.")
    for name in ("flask_core_auth/a.py", "flask_core_auth/routes/b.py"):
        (tmp_path / name).write_text('"""We."""')
    (tmp_path / "CONTRIBUTING.md").write_text(f"We.\n\n{CONTRIBUTING}")
    listed = tmp_path / "tests/writing/exceptions.toml"
    listed.write_text("exception = []")
    assert [line.split(":")[0] for line in main(tmp_path)] == [
        *("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", "docs/a.md"),
        *("flask_core_auth/a.py", "flask_core_auth/routes/b.py"),
    ]
    entry = '[[exception]]\nrule = "{}"\nsentence = "We."\nreason = "A test."\n'
    listed.write_text(entry.format("we"))
    assert main(tmp_path) == []
    listed.write_text(entry.format("we") + entry.format("what"))
    assert main(tmp_path) == ["exceptions.toml: what: no such finding: We."]


def test_exceptions_are_few_and_have_reasons() -> None:
    listed = tomllib.loads(EXCEPTIONS.read_text())["exception"]
    assert len(listed) <= 20
    for entry in listed:
        assert entry.keys() == {"rule", "sentence", "reason"}
        assert entry["reason"]


def test_check_is_short() -> None:
    assert len((ROOT / "tests/writing/check.py").read_text().splitlines()) <= 150


def test_spelling_is_checked(tmp_path: Path) -> None:
    pytest.importorskip("codespell_lib", reason="codespell is in the dev extra")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "page.md").write_text("Recieve a token.")  # codespell:ignore
    spelling = subprocess.run(
        [sys.executable, "-m", "codespell_lib"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert spelling.returncode != 0
    assert "./page.md:1: Recieve ==> Receive" in spelling.stdout  # codespell:ignore

"""``docs/glossary.md`` defines terms that other pages use and link to."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "glossary.md").read_text()
#: Pages that link to a term at its first use.
LINKING = ("http.md", "how-it-works.md", "troubleshooting.md", "tutorial.md", "compare.md")


def definitions() -> dict[str, str]:
    """Return the definitions by their terms."""
    _, *sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    return {term: text.strip() for term, _, text in (section.partition("\n") for section in sections)}


def anchor(term: str) -> str:
    return term.lower().replace(" ", "-")


def test_terms_are_sorted_and_about_25() -> None:
    terms = [*definitions()]
    assert terms == sorted(terms, key=str.lower)
    assert 20 <= len(terms) <= 30


def test_definition_is_short() -> None:
    for term, text in definitions().items():
        own, _, _ = text.partition("See\n" if "See\n" in text else "See [")
        assert 0 < len(re.findall(r"[.:](?:\s|$)", own)) <= 4, term
        assert len(own) < 320, term


def test_link_to_a_term_has_a_definition() -> None:
    anchors = {anchor(term) for term in definitions()}
    for page in DOCS.glob("*.md"):
        pattern = r"\]\(#([\w-]+)\)" if page.name == "glossary.md" else r"\]\(glossary\.md#([\w-]+)\)"
        assert set(re.findall(pattern, page.read_text())) <= anchors, page.name


def test_page_links_to_a_term_once() -> None:
    for name in LINKING:
        links = re.findall(r"\]\(glossary\.md#([\w-]+)\)", (DOCS / name).read_text())
        assert links, name
        assert len(links) == len(set(links)), name

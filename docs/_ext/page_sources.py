"""Remove comments from the pages, and adapt links of included files."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from sphinx.application import Sphinx

COMMENT = re.compile(r"^<!--.*?-->$", re.DOTALL | re.MULTILINE)
#: Links in files of the project's root that pages include, and the same links relative to ``docs/``.
LINKS = {
    "](docs/": "](",
    "](CHANGELOG.md)": "](changelog.md)",
    "](CONTRIBUTING.md)": "](contributing.md)",
    "](SECURITY.md)": "](vulnerabilities.md)",
}


def _remove_comments(app: Sphinx, docname: str, content: list[str]) -> None:
    # Empty lines in their place keep the line numbers of warnings.
    content[0] = COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), content[0])


def _adapt_links(app: Sphinx, path: Path, docname: str, content: list[str]) -> None:
    for in_root, in_docs in LINKS.items():
        content[0] = content[0].replace(in_root, in_docs)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _remove_comments)
    app.connect("include-read", _adapt_links)
    return {"parallel_read_safe": True}

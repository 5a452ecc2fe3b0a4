"""What stands in the sources of the pages and is not for their readers."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from sphinx.application import Sphinx

COMMENT = re.compile(r"^<!--.*?-->$", re.DOTALL | re.MULTILINE)
#: Links in the files of the project's root, which pages here include, as seen from here.
LINKS = {
    "](docs/": "](",
    "](CHANGELOG.md)": "](changelog.md)",
    "](CONTRIBUTING.md)": "](contributing.md)",
    "](SECURITY.md)": "](vulnerabilities.md)",
}


def _drop_comments(app: Sphinx, docname: str, content: list[str]) -> None:
    # The tests of the code blocks. The lines stay, so that a warning names the right one.
    content[0] = COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), content[0])


def _turn_links(app: Sphinx, path: Path, docname: str, content: list[str]) -> None:
    for there, here in LINKS.items():
        content[0] = content[0].replace(there, here)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _drop_comments)
    app.connect("include-read", _turn_links)
    return {"parallel_read_safe": True}

"""Links in the files of the project's root, which pages here include, as seen from here."""

from __future__ import annotations

import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from sphinx.application import Sphinx

LINKS = {
    "](docs/": "](",
    "](CHANGELOG.md)": "](changelog.md)",
    "](CONTRIBUTING.md)": "](contributing.md)",
    "](SECURITY.md)": "](vulnerabilities.md)",
}


def _rewrite(app: Sphinx, path: Path, docname: str, content: list[str]) -> None:
    for there, here in LINKS.items():
        content[0] = content[0].replace(there, here)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("include-read", _rewrite)
    return {"parallel_read_safe": True}

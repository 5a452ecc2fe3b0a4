"""Run the code blocks of docs/performance.md, and check its claims."""

from __future__ import annotations

from pathlib import Path

import flask_core_auth

from .blocks import Page


def test_benchmark(page: Page) -> None:
    page.run("bench")
    readme = (Path(flask_core_auth.__file__).parent.parent / "README.md").read_text()
    table = page.text[page.text.index("| request |") :].partition("\n\n")[0]
    assert table in readme

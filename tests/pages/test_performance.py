"""Run the code blocks of docs/performance.md."""

from __future__ import annotations

from .blocks import Page


def test_command_of_the_benchmarks_exists(page: Page) -> None:
    page.run("bench")

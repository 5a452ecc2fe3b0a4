"""Run the code blocks of docs/cli.md, and check its claims."""

from __future__ import annotations

from .blocks import Page


def test_commands(page: Page) -> None:
    page.run("app.py", "first-check", "check-mistake", "check-json", "check-debug")
    assert "Warning" not in page.output
    assert "The settings can be used." in page.output
    page.run("generate-secret")
    assert len(page.output.strip()) == 64
    page.run("hash-password", "token", "token-force")
    page.run("explain", "explain-rejected", "explain-json")
    page.run("session-setting", "sessions")

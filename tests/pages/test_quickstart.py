"""Run the code blocks of docs/quickstart.md, and check its claims."""

from __future__ import annotations

from .blocks import Page


def test_quickstart(page: Page) -> None:
    page.run("install")
    page.run("app.py")
    page.run("configure")
    page.run("check")
    page.run("mistake")
    page.run("run")
    page.run("anonymous")
    page.run("log-in")
    page.run("protected-route")
    page.run("refresh")
    page.run("wrong-password")

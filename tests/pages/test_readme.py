"""Run the code blocks of the README, and check its claims."""

from __future__ import annotations

from .blocks import Page


def test_app_of_the_first_screen_works(page: Page) -> None:
    page.run("app.py", "run", "curl")


def test_make_targets_exist(page: Page) -> None:
    page.run("make")


def test_first_screen_has_the_app_and_page_stays_short(page: Page) -> None:
    assert page.blocks["app.py"].line <= 25
    assert len(page.text.splitlines()) <= 120
    first = page.text.split("\n\n")[1].replace("\n", " ").split(". ")
    assert "datarhei" not in first[0]
    assert "datarhei" in first[1]

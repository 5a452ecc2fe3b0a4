"""The button "Copy as curl" of each route."""

from __future__ import annotations

import shlex
import subprocess
import typing as t

import pytest
from playwright.sync_api import Page, expect

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Visit

CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"


def copy(page: Page, path: str) -> None:
    route = page.locator(".routes li").filter(has_text=path)
    route.get_by_role("button", name="Copy as curl").press("Enter")
    expect(page.locator("#copied")).not_to_be_empty()


def run(command: str) -> str:
    """Run a curl command, and return the first line of the response."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.partition("\n")[0].strip()


@pytest.mark.parametrize("path", ["/api/v3/profile", "/api/v3/admin"])
def test_copied_command_calls_the_route_with_the_access_token(
    visiting: Callable[..., Visit], address: str, path: str
) -> None:
    visit = visiting(address, **CLIPBOARD)
    visit.log_in()
    copy(visit.page, path)
    expect(visit.page.locator("#copied")).to_have_text(
        f"Copied the curl command of {path}, with your access token."
    )
    command = visit.page.evaluate("navigator.clipboard.readText()")
    assert run(command) == "HTTP/1.1 200 OK"
    assert visit.violations() == []


def test_copied_command_has_no_token_before_the_login(visiting: Callable[..., Visit], address: str) -> None:
    visit = visiting(address, **CLIPBOARD)
    copy(visit.page, "/api/v3/profile")
    command = visit.page.evaluate("navigator.clipboard.readText()")
    assert command == f"curl -i '{address}/api/v3/profile'"
    assert run(command) == "HTTP/1.1 401 UNAUTHORIZED"


def test_page_shows_the_command_if_the_browser_has_no_clipboard(
    visiting: Callable[..., Visit], address: str
) -> None:
    visit = visiting(address)
    visit.page.evaluate(NO_CLIPBOARD)
    visit.log_in()
    copy(visit.page, "/api/v3/profile")
    command = visit.page.locator("#copied code").inner_text()
    assert run(command) == "HTTP/1.1 200 OK"
    assert visit.violations() == []
    visit.page.get_by_role("button", name="Log out").click()
    expect(visit.page.locator("#copied")).to_be_empty()

"""The page with a session store: ending sessions, and the rotation of refresh tokens."""

from __future__ import annotations

import typing as t
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Locator, Page, expect

from ..apps import bearer
from . import stage

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .conftest import Visit


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    settings = {
        "CORE_API_AUTH_SESSIONS": f"sqlite:///{tmp_path}/sessions.db",
        "CORE_API_AUTH_REFRESH_ROTATION": "true",
    }
    with stage.serve(**settings) as address:
        yield address


def log_out_elsewhere(address: str, token: str) -> None:
    urlopen(Request(f"{address}/api/logout", headers=bearer(token), method="POST")).close()


def is_accepted(address: str, refresh_token: str) -> bool:
    try:
        urlopen(Request(f"{address}/api/login/refresh", headers=bearer(refresh_token))).close()
    except HTTPError as error:
        error.close()
        return False
    return True


def sessions(page: Page) -> Locator:
    return page.locator(".sessions li")


def shown_refresh_token(page: Page) -> str:
    return page.locator("#refresh-token .raw").text_content() or ""


def test_own_session_is_listed(visit: Visit) -> None:
    visit.log_in()
    expect(sessions(visit.page)).to_have_count(1)
    session = sessions(visit.page)
    expect(session).to_contain_text("Chrome on Linux current")
    expect(session).to_contain_text("127.0.0.1, last used")
    assert session.locator("time").count() == 3
    expect(session).not_to_contain_text("Invalid Date")


KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0) {KIT} Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Linux; Android 16) {KIT} Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) {KIT} Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        ("Mozilla/5.0 (compatible)", "Unknown browser"),
        ("curl/8.14.1", "curl/8.14.1"),
    ],
)
def test_sessions_name_their_browser_and_system(
    visiting: Callable[..., Visit], address: str, user_agent: str, name: str
) -> None:
    visit = visiting(address, user_agent=user_agent)
    visit.log_in()
    expect(sessions(visit.page).locator("p")).to_have_text(f"{name} current")


def test_session_of_another_client_can_be_ended(visit: Visit, address: str) -> None:
    page = visit.page
    other = stage.log_in_elsewhere(address)
    visit.log_in()
    expect(sessions(page)).to_have_count(2)
    sessions(page).filter(has_text="tv-remote").get_by_role("button", name="End").press("Enter")
    expect(page.locator("#sessions-news")).to_have_text("The session is ended.")
    expect(page.get_by_role("heading", name="Sessions")).to_be_focused()
    expect(sessions(page)).to_have_count(1)
    assert not is_accepted(address, other)


def test_ending_the_current_session_logs_out(visit: Visit, address: str) -> None:
    page = visit.page
    visit.log_in()
    token = shown_refresh_token(page)
    sessions(page).get_by_role("button", name="End").click()
    expect(page.locator("#login-news")).to_contain_text("the session of this page")
    assert not is_accepted(address, token)


def test_ending_all_sessions_logs_out(visit: Visit, address: str) -> None:
    other = stage.log_in_elsewhere(address)
    visit.log_in()
    visit.page.get_by_role("button", name="End all").click()
    expect(visit.page.locator("#login-news")).to_contain_text("All your sessions are ended")
    expect(visit.page.locator("#sessions")).to_be_hidden()
    assert not is_accepted(address, other)


def test_logout_ends_the_session(visit: Visit, address: str) -> None:
    page = visit.page
    visit.log_in()
    token = shown_refresh_token(page)
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#login-news")).to_contain_text("The session is ended")
    assert not is_accepted(address, token)
    visit.log_in()
    expect(sessions(page)).to_have_count(1)


def test_page_adopts_the_rotated_refresh_token(visit: Visit, address: str) -> None:
    page = visit.page
    visit.log_in()
    before = shown_refresh_token(page)
    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(page.locator("#account-news")).to_contain_text("The refresh token was replaced, too.")
    after = shown_refresh_token(page)
    assert after != before
    assert is_accepted(address, after)


def test_session_that_another_client_ended_shows_an_error(visit: Visit, address: str) -> None:
    visit.expect_failure("401 /api/sessions", "401 /api/login/refresh")
    page = visit.page
    visit.log_in()
    log_out_elsewhere(address, shown_refresh_token(page))
    page.get_by_role("button", name="Reload").click()
    expect(page.locator("#sessions-problem")).to_contain_text("Refresh first.")
    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(page.locator("#account-problem")).to_contain_text("no longer accepted")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Username")).to_be_focused()


def test_axe_finds_no_violations_in_the_session_list(visit: Visit, address: str) -> None:
    stage.log_in_elsewhere(address)
    visit.log_in()
    expect(sessions(visit.page)).to_have_count(2)
    assert visit.violations() == []


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_session_list_fits_the_screen(visiting: Callable[..., Visit], address: str, width: int) -> None:
    visit = visiting(address, viewport={"width": width, "height": 740}, is_mobile=True)
    visit.log_in()
    expect(sessions(visit.page)).to_have_count(1)
    assert visit.page.evaluate("document.documentElement.scrollWidth") == width

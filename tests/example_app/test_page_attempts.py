"""The attempts to get in on the page: rejected requests, each with its response and the reason."""

from __future__ import annotations

import re
import typing as t

import pytest
from playwright.sync_api import Locator, Page, expect

from . import stage
from .conftest import PHONE

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .conftest import Visit

PROFILE = "/api/v3/profile"
REFRESH = "/api/login/refresh"
#: The failures of the passwords, with the limit of the fixture.
LOCKED_OUT = ("403 /api/login", "403 /api/login", "429 /api/login")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    settings = {
        "CORE_API_AUTH_SESSIONS": f"sqlite:///{tmp_path}/sessions.db",
        "CORE_API_AUTH_LOGIN_LIMIT": "2/hour",
    }
    with stage.serve(**settings) as address:
        yield address


def attempt(page: Page, name: str) -> Locator:
    """Make an attempt with the keyboard, and return the panel with its response."""
    expect(page.locator("body")).not_to_have_attribute("aria-busy", "true")
    button = page.get_by_role("button", name=name)
    button.press("Enter")
    panel = page.locator("#attempt")
    expect(panel.locator("[data-part=request]")).not_to_be_empty()
    expect(page.locator("body")).not_to_have_attribute("aria-busy", "true")
    return panel


def part(panel: Locator, name: str) -> Locator:
    return panel.locator(f"[data-part={name}]")


def test_only_the_wrong_passwords_need_no_login(page: Page) -> None:
    buttons = page.locator("[data-attempt]:visible")
    expect(buttons).to_have_count(1)
    expect(buttons).to_contain_text("Wrong passwords")
    expect(page.get_by_text("Log in to try more attempts")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "path", "reason"),
    [
        ("A changed token", PROFILE, "The signature no longer matches"),
        ("A refresh token at a route", PROFILE, "A route accepts access tokens only."),
        ("An access token at the refresh", REFRESH, "Only a refresh token gets new tokens"),
    ],
)
def test_attempt_shows_request_response_and_reason(visit: Visit, name: str, path: str, reason: str) -> None:
    visit.expect_failure(f"401 {path}")
    visit.log_in()
    panel = attempt(visit.page, name)
    expect(part(panel, "request")).to_contain_text(f"GET {path}\nAuthorization: Bearer eyJhbG…")
    expect(panel.locator(".status")).to_have_text(f"401 Unauthorized {path}")
    expect(part(panel, "headers")).to_contain_text('error="invalid_token"')
    expect(part(panel, "body")).to_contain_text('"code": 401')
    expect(panel.get_by_role("status")).to_contain_text(reason)
    expect(visit.page.get_by_role("button", name=name).locator("b")).to_have_text("401")


def test_changed_token_differs_in_one_character(visit: Visit) -> None:
    visit.expect_failure(f"401 {PROFILE}")
    visit.log_in()
    token = visit.page.locator("#access-token .raw").text_content() or ""
    with visit.page.expect_request(f"**{PROFILE}") as sent:
        panel = attempt(visit.page, "A changed token")
    changed = sent.value.headers["authorization"].removeprefix("Bearer ")
    ((before, after),) = [pair for pair in zip(token, changed, strict=True) if len(set(pair)) > 1]
    expect(panel.get_by_role("status")).to_contain_text(f"from “{before}” to “{after}”")
    expect(panel.locator("mark")).to_have_text(after)


def test_page_shows_only_short_forms_of_tokens(visit: Visit) -> None:
    visit.expect_failure(f"401 {PROFILE}")
    visit.log_in()
    panel = attempt(visit.page, "A refresh token at a route")
    token = visit.page.locator("#refresh-token .raw").text_content() or ""
    assert not any(segment in (panel.text_content() or "") for segment in token.split("."))


def test_wrong_passwords_end_with_a_countdown(visit: Visit) -> None:
    visit.page.clock.install()
    visit.page.reload()
    visit.expect_failure(*LOCKED_OUT)
    panel = attempt(visit.page, "Wrong passwords")
    expect(part(panel, "request")).to_contain_text("POST /api/login")
    expect(part(panel, "request")).to_contain_text('"password": "guess 3"')
    expect(panel.locator(".status")).to_have_text("429 Too Many Requests /api/login")
    expect(part(panel, "headers")).to_contain_text("Retry-After")
    expect(panel.get_by_role("status")).to_contain_text("2 passwords were wrong (403).")
    expect(panel.locator(".wait")).to_have_text(re.compile(r"Try again in (1:00:00|\d\d:\d\d)\."))
    before = panel.get_by_role("timer").inner_text()
    visit.page.clock.fast_forward(2_000)
    expect(panel.get_by_role("timer")).not_to_have_text(before)
    visit.page.clock.fast_forward(3_600_000)
    expect(panel.locator(".wait")).to_have_text("You can try again now.")


def test_wrong_passwords_lock_out_no_user(visit: Visit) -> None:
    visit.expect_failure(*LOCKED_OUT)
    attempt(visit.page, "Wrong passwords")
    visit.log_in()


def test_refresh_token_is_rejected_after_the_logout(visit: Visit) -> None:
    visit.expect_failure(f"401 {REFRESH}")
    page = visit.page
    visit.log_in()
    panel = attempt(page, "A refresh token after logout")
    expect(panel.locator(".status")).to_have_text(f"401 Unauthorized {REFRESH}")
    expect(panel.get_by_role("status")).to_contain_text("the logout ended its session")
    expect(panel).to_be_focused()
    expect(page.locator("#login-news")).to_contain_text("The session is ended.")
    expect(page.get_by_label("Username")).to_be_visible()


def test_logout_removes_the_last_attempt(visit: Visit) -> None:
    visit.expect_failure(f"401 {PROFILE}")
    page = visit.page
    visit.log_in()
    panel = attempt(page, "A refresh token at a route")
    page.get_by_role("button", name="Log out").click()
    expect(panel).to_be_hidden()
    assert "eyJ" not in page.content()


def test_attempt_at_an_unreachable_server_shows_an_error(visiting: Callable[..., Visit]) -> None:
    with stage.serve() as address:
        visit = visiting(address)
    visit.expect_failure("net::ERR_CONNECTION_REFUSED /api/login")
    panel = attempt(visit.page, "Wrong passwords")
    expect(panel.locator(".status")).to_contain_text("No response")
    expect(panel.get_by_role("status")).to_contain_text("The server cannot be reached.")


def test_without_sessions_there_is_no_attempt_after_logout(visiting: Callable[..., Visit]) -> None:
    with stage.serve() as address:
        visit = visiting(address)
        visit.log_in()
        expect(visit.page.locator("[data-attempt]:visible")).to_have_count(4)


@pytest.mark.parametrize(
    "context",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE],
    ids=["light", "dark", "phone"],
)
def test_every_attempt_is_accessible(
    visiting: Callable[..., Visit], address: str, context: dict[str, t.Any]
) -> None:
    visit = visiting(address, reduced_motion="reduce", **context)
    visit.expect_failure(
        *LOCKED_OUT, f"401 {PROFILE}", f"401 {PROFILE}", f"401 {REFRESH}", f"401 {REFRESH}"
    )
    page = visit.page
    visit.log_in()
    names = [
        "Wrong passwords",
        "A changed token",
        "A refresh token at a route",
        "An access token at the refresh",
        "A refresh token after logout",
    ]
    for name in names:
        attempt(page, name)
        assert visit.violations() == [], name
        assert visit.faint_texts() == [], name
        assert page.evaluate("document.documentElement.scrollWidth === innerWidth"), name

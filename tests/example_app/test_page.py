"""The page of the example app, in a real browser."""

from __future__ import annotations

import json
import re
import typing as t
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect

from ..apps import PASSWORD
from ..forge import read
from . import stage

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Visit

ROUTES = ("/api/v3/ping", "/api/v3/profile", "/api/v3/secrets", "/api/v3/admin")


def left(page: Page, name: str) -> Locator:
    return page.get_by_role("timer", name=name)


def shown_claims(card: Locator, part: str) -> dict[str, t.Any]:
    rows = card.locator(f"[data-part={part}] > div")
    names, values = rows.locator("dt"), rows.locator("dd:not(.note)")
    return dict(zip(names.all_inner_texts(), map(json.loads, values.all_inner_texts()), strict=True))


def stop_clock(page: Page, at: datetime) -> None:
    """Load the page again, with a clock that stands still until the test moves it."""
    page.clock.install(time=at)
    page.reload()
    page.clock.pause_at(at + timedelta(hours=1))


# Logging in


def test_user_can_log_in_with_the_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_text("Python source of this app")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type("admin")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="admin", exact=True)).to_be_focused()
    stops = []
    for _ in range(2 + 3 * len(ROUTES)):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.id || document.activeElement.innerText"))
    tools = ["Python source", "Copy as curl"]
    assert [stop.partition("\n")[0] for stop in stops] == [
        *("refresh", "logout"),
        *(stop for path in ROUTES for stop in (f"GET {path}", *tools)),
    ]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".routes pre").last).to_contain_text("def admin()")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#response .status")).to_have_text("200 OK /api/v3/admin")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#access-token .raw")).to_be_visible()


def test_focus_is_always_visible(visit: Visit) -> None:
    page = visit.page
    outline = (
        "() => { const style = getComputedStyle(document.activeElement);"
        " return [document.activeElement.tagName, style.outlineStyle, style.outlineWidth]; }"
    )
    seen = []
    for _ in range(7):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(outline))
    visit.log_in()
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(outline))
    assert {tag for tag, *_ in seen} == {"INPUT", "BUTTON", "SUMMARY"}
    assert all(style == ["solid", "2px"] for _, *style in seen)


def test_form_works_with_password_managers(page: Page) -> None:
    expect(page.get_by_label("Username")).to_have_attribute("autocomplete", "username")
    expect(page.get_by_label("Password")).to_have_attribute("autocomplete", "current-password")
    expect(page.get_by_label("Password")).to_have_attribute("type", "password")


def test_password_is_cleared_after_login(visit: Visit) -> None:
    visit.log_in()
    expect(visit.page.locator("#password")).to_have_value("")


def test_wrong_password_shows_an_error(visit: Visit) -> None:
    visit.expect_failure("403 /api/login")
    visit.enter("admin", "wrong")
    expect(visit.page.get_by_role("alert")).to_have_text("Wrong username or password.")
    expect(visit.page.get_by_label("Password")).to_be_focused()
    visit.log_in()
    expect(visit.page.locator("#login-problem")).to_be_empty()


def test_too_many_failed_logins_show_a_countdown(visiting: Callable[..., Visit]) -> None:
    with stage.serve(CORE_API_AUTH_LOGIN_LIMIT="1/hour") as address:
        visit = visiting(address)
        page = visit.page
        stop_clock(page, at=datetime.now())
        visit.expect_failure("403 /api/login", "429 /api/login")
        visit.enter("admin", "wrong")
        expect(page.get_by_role("alert")).to_contain_text("Wrong")
        visit.enter("admin", "wrong")
        alert = page.get_by_role("alert")
        expect(alert).to_have_text(
            re.compile(r"Too many failed logins.*\. Try again in (1:00:00|\d\d:\d\d)\.")
        )
        before = alert.get_by_role("timer").inner_text()
        page.clock.fast_forward(2_000)
        expect(alert.get_by_role("timer")).not_to_have_text(before)
        page.clock.fast_forward(3_600_000)
        expect(alert).to_have_text("You can try again now.")


def test_unreachable_server_shows_an_error(visiting: Callable[..., Visit]) -> None:
    with stage.serve() as address:
        visit = visiting(address)
        visit.log_in()
    refused = "net::ERR_CONNECTION_REFUSED"
    visit.expect_failure(f"{refused} /api/login/refresh", f"{refused} /api/v3/ping")
    page = visit.page
    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text("The server cannot be reached. Is it still running?")
    visit.call("/api/v3/ping")
    expect(page.locator("#response")).to_contain_text("No response")
    expect(page.locator("#response")).to_contain_text("The server cannot be reached.")


# Tokens


def test_tokens_are_shown_decoded(visit: Visit) -> None:
    visit.log_in()
    for name in ("access-token", "refresh-token"):
        card = visit.page.locator(f"#{name}")
        token = card.locator(".raw").text_content() or ""
        assert shown_claims(card, "header") == read(token, 0) == {"alg": "HS256", "typ": "JWT"}
        payload = shown_claims(card, "payload")
        assert payload == read(token)
        assert payload["sub"] == "admin"
        assert f"{payload['usefor']}-token" == name
    expect(visit.page.locator("#access-token header")).to_contain_text("fresh")


def test_every_claim_is_explained(visit: Visit) -> None:
    visit.log_in()
    rows = visit.page.locator(".card .claims[data-part=payload] > div")
    assert rows.count() > 20
    expect(rows.filter(has_not=visit.page.locator(".note"))).to_have_count(0)


def test_times_are_shown_in_local_time(visiting: Callable[..., Visit], address: str) -> None:
    visit = visiting(address, timezone_id="Asia/Kolkata", locale="en-GB")
    visit.log_in()
    card = visit.page.locator("#access-token")
    payload = shown_claims(card, "payload")
    zone = ZoneInfo("Asia/Kolkata")
    for name, verb in (("iat", "issued"), ("exp", "expires")):
        note = card.locator("[data-part=payload] > div").filter(
            has=visit.page.get_by_text(name, exact=True)
        )
        local = datetime.fromtimestamp(payload[name], zone).strftime("%H:%M:%S")
        expect(note.locator(".note")).to_have_text(re.compile(rf"^{verb} .*{local}$"))


def test_countdown_runs_to_expiry_and_restarts_after_a_refresh(visit: Visit) -> None:
    page = visit.page
    stop_clock(page, at=datetime.now())
    visit.log_in()
    expect(left(page, "Access token")).to_have_text("10:00")
    expect(left(page, "Refresh token")).to_have_text("1 d 0:00:00")
    bar = page.get_by_role("progressbar", name="Access token")

    page.clock.fast_forward(300_000)
    expect(left(page, "Access token")).to_have_text("5:00")
    assert bar.evaluate("bar => bar.value") == 0.5

    page.clock.fast_forward(301_000)
    expect(left(page, "Access token")).to_have_text("expired")
    assert bar.evaluate("bar => bar.value") == 0
    expect(page.locator("#access-token .tag")).to_have_text("expired")
    expect(page.locator("#account-news")).to_have_text("The access token has expired: refresh it.")

    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(left(page, "Access token")).to_have_text("10:00")
    expect(page.locator("#access-token .tag")).to_have_text("not fresh")

    page.clock.fast_forward(86_400_000)
    expect(left(page, "Refresh token")).to_have_text("expired")
    expect(page.locator("#account-news")).to_contain_text("The refresh token has expired")


def test_countdown_works_with_a_wrong_device_clock(visit: Visit) -> None:
    stop_clock(visit.page, at=datetime(2001, 1, 1))
    visit.log_in()
    expect(left(visit.page, "Access token")).to_have_text("10:00")


# Routes


@pytest.mark.parametrize("path", ROUTES)
def test_admin_with_a_fresh_token_reaches_every_route(visit: Visit, path: str) -> None:
    visit.log_in()
    visit.call(path)
    expect(visit.page.locator("#response .status")).to_have_text(f"200 OK {path}")
    expect(visit.page.locator(f"[data-url='{path}'] b")).to_have_text("200")
    assert json.loads(visit.page.locator("#response pre").inner_text())


@pytest.mark.parametrize("path", ROUTES[1:])
def test_only_the_open_route_accepts_a_call_without_a_token(visit: Visit, path: str) -> None:
    visit.expect_failure(f"401 {path}")
    answer = visit.page.locator("#response")
    visit.call("/api/v3/ping")
    expect(answer.locator(".status")).to_have_text("200 OK /api/v3/ping")
    visit.call(path)
    expect(answer.locator(".status")).to_have_text(f"401 Unauthorized {path}")
    expect(answer).to_contain_text("Missing or invalid JWT token. No token was sent: log in first.")
    expect(answer.locator("dl")).to_contain_text(
        'WWW-Authenticate\nBearer realm="flask-core-auth"', use_inner_text=True
    )
    assert json.loads(answer.locator("pre").inner_text())["code"] == 401


def test_route_with_a_scope_rejects_a_user_without_it(visit: Visit) -> None:
    visit.expect_failure("403 /api/v3/admin")
    visit.log_in("viewer")
    visit.call("/api/v3/admin")
    answer = visit.page.locator("#response")
    expect(answer.locator(".status")).to_have_text("403 Forbidden /api/v3/admin")
    expect(answer).to_contain_text("This user does not have the scope")
    expect(answer).to_contain_text('error="insufficient_scope"')


def test_expired_token_shows_an_error(visiting: Callable[..., Visit]) -> None:
    with stage.serve(CORE_API_AUTH_JWT_ACCESS_EXPIRES="1") as address:
        visit = visiting(address)
        visit.expect_failure("401 /api/v3/profile")
        visit.log_in()
        expect(left(visit.page, "Access token")).to_have_text("expired")
        visit.call("/api/v3/profile")
        expect(visit.page.locator("#response")).to_contain_text(
            "Expired JWT token. Refresh, and call it again."
        )


# Refreshing and logging out


def test_refreshed_token_is_not_fresh(visit: Visit) -> None:
    visit.expect_failure("401 /api/v3/secrets")
    page = visit.page
    visit.log_in()
    before = page.locator("#access-token .raw").text_content()
    refresh_token = page.locator("#refresh-token .raw").text_content()
    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="A new access token")).to_contain_text("not fresh")
    expect(page.locator("#access-token .tag")).to_have_text("not fresh")
    assert page.locator("#access-token .raw").text_content() != before
    assert page.locator("#refresh-token .raw").text_content() == refresh_token
    visit.call("/api/v3/profile")
    expect(page.locator("#response .status")).to_contain_text("200")
    visit.call("/api/v3/secrets")
    expect(page.locator("#response")).to_contain_text(
        "A fresh login is required. This access token comes from a refresh"
    )
    expect(page.locator("#response")).to_contain_text('error="insufficient_user_authentication"')


def test_logout_removes_the_tokens_from_the_page(visit: Visit) -> None:
    visit.expect_failure("401 /api/v3/profile")
    page = visit.page
    visit.log_in()
    visit.call("/api/v3/profile")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Username")).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="Logged out")).to_be_visible()
    for selector in ("#response", "#account", ".cards"):
        expect(page.locator(selector)).to_be_hidden()
    assert "eyJ" not in page.content()
    visit.call("/api/v3/profile")
    expect(page.locator("#response .status")).to_contain_text("401")


def test_reload_forgets_the_tokens(visit: Visit) -> None:
    visit.log_in()
    visit.page.reload()
    expect(visit.page.get_by_label("Username")).to_be_visible()


def test_sessions_are_hidden_without_a_session_store(visit: Visit) -> None:
    visit.log_in()
    expect(visit.page.get_by_role("heading", name="Sessions")).to_have_count(0)


# The Content-Security-Policy


def test_policy_blocks_html_from_strings(browser: Browser, address: str) -> None:
    page = browser.new_page()  # a Visit would fail because of this error
    page.goto(address)
    with pytest.raises(Error, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<b>data</b>'")
    page.close()


def test_policy_blocks_requests_to_other_origins(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    with stage.serve() as elsewhere, pytest.raises(Error, match="Failed to fetch"):
        page.evaluate("address => fetch(address, { mode: 'no-cors' })", elsewhere)
    page.close()


def test_username_with_html_is_shown_as_text(visiting: Callable[..., Visit]) -> None:
    name = "<img src=x onerror=alert(1)>"
    users = json.dumps({name: {"password": PASSWORD}})
    with stage.serve(CORE_API_AUTH_USERS=users) as address:
        visit = visiting(address)
        visit.log_in(name)
        visit.call("/api/v3/profile")
        expect(visit.page.locator("#account-name")).to_have_text(name)
        expect(visit.page.locator("#response pre")).to_contain_text(name)
        expect(visit.page.locator("main img")).to_have_count(0)

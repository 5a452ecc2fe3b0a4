"""The page with the API's description, in a real browser."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from playwright.sync_api import Locator, Page, expect

from ..apps import PASSWORD, USERNAME
from . import stage

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .conftest import Visit


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("instance")
    with stage.serve(CORE_API_AUTH_SESSIONS=f"sqlite:///{directory}/sessions.db") as address:
        yield address


@pytest.fixture
def visit_docs(visiting: Callable[..., Visit], address: str) -> Callable[..., Visit]:
    def visit(**context: t.Any) -> Visit:
        visit = visiting(address, "/docs", **context)
        expect(visit.page.get_by_role("heading", level=1, name="Example app")).to_be_visible()
        return visit

    return visit


@pytest.fixture
def docs(visit_docs: Callable[..., Visit]) -> Page:
    return visit_docs().page


def open_operation(page: Page, name: str) -> Locator:
    operation = page.locator(f"[id$='-{name}'].opblock")
    operation.locator(".opblock-summary-control").click()
    return operation


def execute(operation: Locator) -> Locator:
    """Send the request, and return the response on the page."""
    operation.get_by_role("button", name="Execute").click()
    response = operation.locator(".live-responses-table")
    expect(response).to_be_visible()
    return response


def log_in_with_swagger_ui(page: Page) -> dict[str, str]:
    """Log in, and return the tokens that Swagger UI shows."""
    operation = open_operation(page, "coreAuthLogin")
    operation.get_by_role("button", name="Try it out").click()
    credentials = operation.get_by_role("textbox")
    assert json.loads(credentials.input_value()) == {
        "username": "admin",
        "password": "correct horse battery staple",
    }
    credentials.fill(json.dumps({"username": USERNAME, "password": PASSWORD}))
    response = execute(operation)
    expect(response.locator(".response-col_status").last).to_contain_text("200")
    tokens: dict[str, str] = json.loads(response.locator("pre").first.inner_text())
    return tokens


def test_page_links_to_the_docs_and_back(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="All routes of this app").click()
    expect(page.get_by_role("heading", level=1, name="Example app")).to_be_visible()
    page.get_by_role("link", name="flask-core-auth").click()
    expect(page.get_by_label("Username")).to_be_visible()


def test_swagger_ui_can_log_in_and_call_a_protected_route(docs: Page) -> None:
    tokens = log_in_with_swagger_ui(docs)
    docs.get_by_role("button", name="Authorize").click()
    scheme = docs.locator(".auth-container").filter(has_text="CoreAuthAccessToken")
    scheme.get_by_role("textbox").fill(tokens["access_token"])
    scheme.get_by_role("button", name="Apply credentials").click()
    scheme.get_by_role("button", name="Close").click()
    operation = open_operation(docs, "profile")
    operation.get_by_role("button", name="Try it out").click()
    answer = execute(operation)
    assert json.loads(answer.locator("pre").first.inner_text()) == {
        "idp": "local",
        "scopes": ["*"],
        "subject": "admin",
    }


def test_swagger_ui_shows_the_401_of_a_call_without_a_token(visit_docs: Callable[..., Visit]) -> None:
    visit = visit_docs()
    visit.expect_failure("401 /api/v3/profile")
    operation = open_operation(visit.page, "profile")
    operation.get_by_role("button", name="Try it out").click()
    expect(execute(operation)).to_contain_text("Missing or invalid JWT token")


def test_every_section_unfolds_under_the_strict_policy(docs: Page) -> None:
    for operation in docs.locator(".opblock-summary-control").all():
        operation.click()
    docs.locator(".models-control").click()
    folded = docs.locator(".models").get_by_role("button", name="Expand all")
    while folded.count():
        folded.first.click()
    expect(docs.locator(".opblock.is-open")).to_have_count(12)
    expect(docs.locator(".models")).to_contain_text("password")


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_docs_are_not_wider_than_the_screen(visit_docs: Callable[..., Visit], width: int) -> None:
    page = visit_docs(viewport={"width": width, "height": 740}, is_mobile=True).page
    sizes = "[document.documentElement.scrollWidth, innerWidth]"
    assert page.evaluate(sizes) == [width, width]
    log_in_with_swagger_ui(page)
    assert page.evaluate(sizes) == [width, width]
    page.get_by_role("button", name="Authorize").click()
    expect(page.locator(".auth-container").first).to_be_visible()
    assert page.evaluate(sizes) == [width, width]


def test_docs_follow_the_dark_mode_of_the_system(visit_docs: Callable[..., Visit]) -> None:
    page = visit_docs(color_scheme="light").page
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_css("color", re.compile(r"rgb\((\d\d?, ){2}\d\d?\)"))
    page.emulate_media(color_scheme="dark")
    expect(title).to_have_css("color", re.compile(r"rgb\((2\d\d, ){2}2\d\d\)"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violations_except_the_outline_of_swagger_ui(
    visit_docs: Callable[..., Visit], scheme: str
) -> None:
    assert visit_docs(color_scheme=scheme).violations("heading-order", "region") == []

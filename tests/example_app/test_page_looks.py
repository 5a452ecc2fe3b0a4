"""The looks of the page: sizes, colours and accessibility, in each of its states."""

from __future__ import annotations

import typing as t

import pytest
from playwright.sync_api import expect

from .conftest import PHONE, Visit

if t.TYPE_CHECKING:
    from collections.abc import Callable


def every_state(visit: Visit) -> t.Iterator[str]:
    """Bring the page into each of its states, and yield the name of the state."""
    visit.expect_failure("403 /api/login", "401 /api/v3/secrets")
    page = visit.page
    yield "at first"
    visit.enter("admin", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("Wrong")
    yield "after a failed login"
    visit.log_in()
    yield "after a login"
    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(page.locator("#account-news")).not_to_be_empty()
    visit.call("/api/v3/admin")
    visit.call("/api/v3/secrets")
    for summary in page.locator("summary").all():
        summary.click()
    yield "with everything open"
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#login-news")).not_to_be_empty()
    yield "after logging out"


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_page_is_never_wider_than_the_screen(
    visiting: Callable[..., Visit], address: str, width: int
) -> None:
    visit = visiting(address, **{**PHONE, "viewport": {"width": width, "height": 740}})
    for state in every_state(visit):
        widths = visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths == [width, width], state


def test_buttons_on_a_phone_are_large_enough_for_a_finger(
    visiting: Callable[..., Visit], address: str
) -> None:
    visit = visiting(address, **PHONE)
    for state in every_state(visit):
        for button in visit.page.locator("button:visible, input:visible").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 40, state


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_meets_wcag_in_light_and_dark_mode(
    visiting: Callable[..., Visit], address: str, scheme: str
) -> None:
    visit = visiting(address, color_scheme=scheme, reduced_motion="reduce")
    for state in every_state(visit):
        assert visit.faint_texts() == [], state


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violations(visiting: Callable[..., Visit], address: str, scheme: str) -> None:
    visit = visiting(address, color_scheme=scheme, reduced_motion="reduce")
    for state in every_state(visit):
        assert visit.violations() == [], state


def test_dark_mode_is_dark(visiting: Callable[..., Visit], address: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert max(visiting(address, color_scheme="dark").page.evaluate(background)) < 60
    assert min(visiting(address, color_scheme="light").page.evaluate(background)) > 220


def test_reduced_motion_disables_animations(visiting: Callable[..., Visit], address: str) -> None:
    visit = visiting(address, reduced_motion="reduce")
    moving = (
        "[...document.querySelectorAll('*')].filter((element) => {"
        " const style = getComputedStyle(element);"
        " return style.transitionDuration !== '0s' || style.animationName !== 'none'; }).length"
    )
    assert visit.page.evaluate(moving) == 0

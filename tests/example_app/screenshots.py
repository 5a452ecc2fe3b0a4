"""Take the screenshots of the example app for the documentation: ``make screenshots``."""

from __future__ import annotations

import typing as t
from io import BytesIO
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page, expect

from ..apps import PASSWORD, USERNAME
from . import stage

if t.TYPE_CHECKING:
    from contextlib import AbstractContextManager

PICTURES = stage.ROOT / "docs" / "_static"
WIDE = {"width": 1280, "height": 2200}
CONTEXTS: dict[str, dict[str, t.Any]] = {
    "page-light": {"viewport": WIDE, "color_scheme": "light"},
    "page-dark": {"viewport": WIDE, "color_scheme": "dark"},
    "page-phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2},
}


def main() -> None:
    with stage.open_browser() as browser:
        for name, context in CONTEXTS.items():
            page = browser.new_page(locale="en-GB", **context)
            with TemporaryDirectory() as directory, serve(directory) as address:
                stage.log_in_elsewhere(address)
                page.goto(address)
                tell_the_story(page)
                save(page, name)
                if name == "page-phone":
                    page.locator("#sessions").evaluate("section => scrollTo(0, section.offsetTop - 20)")
                    save(page, "page-phone-sessions")
            page.close()


def save(page: Page, name: str) -> None:
    """Save a screenshot in 256 colours, which are enough for text and take a third of the space."""
    picture = Image.open(BytesIO(page.screenshot()))
    picture.quantize(256).save(PICTURES / f"{name}.png", optimize=True)


def serve(directory: str) -> AbstractContextManager[str]:
    return stage.serve(CORE_API_AUTH_SESSIONS=f"sqlite:///{directory}/sessions.db")


def tell_the_story(page: Page) -> None:
    """Log in, refresh some minutes later, and call a route that requires a fresh token."""
    page.clock.install()
    page.reload()
    page.get_by_label("Username").fill(USERNAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name=USERNAME, exact=True)).to_be_visible()
    expect(page.locator(".sessions li")).to_have_count(2)
    page.get_by_role("button", name="/api/v3/profile").click()
    expect(page.locator("#response")).to_contain_text("200 OK")
    page.clock.fast_forward(7 * 60_000)
    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(page.locator("#account-news")).to_contain_text("not fresh")
    expect(page.locator("body")).not_to_have_attribute("aria-busy", "true")
    page.clock.fast_forward(3 * 60_000)
    page.get_by_role("button", name="/api/v3/secrets").click()
    expect(page.locator("#response")).to_contain_text("A fresh login is required")
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")


if __name__ == "__main__":
    main()

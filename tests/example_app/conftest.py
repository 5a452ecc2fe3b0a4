"""A browser that shows the example app, and collects everything that goes wrong on the page."""

from __future__ import annotations

import contextlib
import os
import typing as t
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from ..apps import PASSWORD, USERNAME
from . import stage

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Request, Response

PATIENCE_MS = stage.PATIENCE_SECONDS * 1000
expect.set_options(timeout=PATIENCE_MS)
PHONE: dict[str, t.Any] = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}

CONTRAST = """
() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((channel) => {
      const share = channel / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const shown = [...document.querySelectorAll("body *")].filter(
    (element) =>
      element.checkVisibility() &&
      [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()),
  );
  return shown.map((element) => {
    const colors = [channels(getComputedStyle(element).color), background(element)];
    const [darker, lighter] = colors.map(luminance).sort((one, other) => one - other);
    return [element.textContent.trim().slice(0, 30), (lighter + 0.05) / (darker + 0.05)];
  });
}
"""


class Visit:
    """A page of the example app, and everything that went wrong on it.

    :param page: the browser's page.
    :param address: the URL of the app.
    :param path: the path of the page.
    """

    def __init__(self, page: Page, address: str, path: str = "/") -> None:
        self.page = page
        self.address = address
        self.failures: list[str] = []
        self.expected: list[str] = []
        self._console: list[tuple[str, str]] = []
        self._other: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._other.append(f"exception: {error}"))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_request_failed)
        page.on("response", self._on_response)
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{address}{path}")

    def expect_failure(self, *failures: str) -> None:
        """Announce failed requests, such as ``"401 /api/v3/profile"``; any others fail the test."""
        self.expected += failures

    def log_in(self, username: str = USERNAME, password: str = PASSWORD) -> None:
        """Log in, and wait until the page shows the username and its sessions."""
        self.enter(username, password)
        expect(self.page.get_by_role("heading", level=2, name=username, exact=True)).to_be_visible()
        # The page ignores clicks as long as it is busy.
        expect(self.page.locator("body[aria-busy]")).to_have_count(0)

    def enter(self, username: str, password: str) -> None:
        """Fill in the form and send it."""
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def call(self, path: str) -> None:
        """Click a route's button, and wait for the response."""
        self.page.get_by_role("button", name=path).click()
        expect(self.page.locator("#response .status")).to_contain_text(path)

    def violations(self, *known: str) -> list[str]:
        """Return the violations of accessibility rules that axe-core finds on the page now.

        :param known: rules of axe-core to ignore.
        """
        found = Axe().run(self.page).response["violations"]
        return [
            f"{rule['id']}: {node['target']}"
            for rule in found
            if rule["id"] not in known
            for node in rule["nodes"]
        ]

    def faint_texts(self) -> list[str]:
        """Return the beginnings of the texts whose contrast is too low for WCAG 2.2 (1.4.3)."""
        self.page.mouse.move(0, 0)
        texts = self.page.evaluate(CONTRAST)
        assert len(texts) > 10
        return [text for text, ratio in texts if ratio < 4.5]

    def verify(self) -> None:
        """Fail if anything went wrong unexpectedly, or if the page stored anything."""
        # Chromium logs each failed fetch, the expected ones included.
        failed = {failure.partition(" ")[2] for failure in self.expected}
        console = [
            text
            for text, path in self._console
            if not (text.startswith("error: Failed to load resource") and path in failed)
        ]
        assert (self.failures, console, self._other) == (self.expected, [], [])
        stored = self.page.evaluate(
            "async () => [localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,"
            " (await caches.keys()).length]"
        )
        assert stored == [0, 0, 0, 0]
        assert self.page.context.cookies() == []

    def _on_console(self, message: ConsoleMessage) -> None:
        path = urlsplit(message.location.get("url", "")).path
        self._console.append((f"{message.type}: {message.text}", path))

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(f"{self.address}/"):
            self._other.append(f"request to elsewhere: {request.url}")

    def _on_request_failed(self, request: Request) -> None:
        if request.failure == "net::ERR_ABORTED" and request.url.endswith("/favicon.svg"):
            return  # the browser left the page before it had the icon
        self.failures.append(f"{request.failure} {urlsplit(request.url).path}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.failures.append(f"{response.status} {urlsplit(response.url).path}")


# Not for the whole test session: Playwright runs an event loop in this thread, and no other test could then
# start one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if stage.CHROMIUM is None:
        missing = "Chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with stage.open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the example app, and yield its URL."""
    with stage.serve(CORE_API_AUTH_LOGIN_LIMIT="1000/minute") as address:
        yield address


@pytest.fixture
def visiting(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Visit pages, each in a new browser context with the given options; verify the visits at the end."""
    with contextlib.ExitStack() as stack:
        visits = []

        def open_page(address: str, path: str = "/", **context: t.Any) -> Visit:
            page = stack.enter_context(browser.new_context(**context)).new_page()
            visits.append(Visit(page, address, path))
            return visits[-1]

        yield open_page
        for visit in visits:
            visit.verify()


@pytest.fixture
def visit(visiting: Callable[..., Visit], address: str) -> Visit:
    return visiting(address)


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page

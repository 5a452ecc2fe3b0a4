"""What looking at the page takes: the app behind a real server, and a browser."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import typing as t
from pathlib import Path
from urllib.request import Request, urlopen

from playwright.sync_api import sync_playwright

from ..tether import tethered

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery staple"
SETTINGS = {
    "CORE_API_AUTH_USERNAME": "admin",
    "CORE_API_AUTH_PASSWORD": PASSWORD,
    "CORE_API_AUTH_USERS": json.dumps({"viewer": {"password": PASSWORD}}),
    "CORE_API_AUTH_JWT_SECRET": "a-secret-of-at-least-thirty-two-bytes",
}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # As root, as in a container, Chromium cannot build its sandbox.
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
)


@contextlib.contextmanager
def serve(**settings: str) -> Iterator[str]:
    """Serve the example app with gunicorn, and give its address.

    :param settings: environment variables besides :data:`SETTINGS`.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # The listener is handed over: its port cannot be lost to another process, and requests that come
        # before the server is up wait in its queue.
        server = subprocess.Popen(
            tethered(
                *(sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}"),
                *("--threads", "4", "--no-control-socket", "--log-level", "error"),
                "example_app:create_app()",
            ),
            cwd=ROOT,
            env={**os.environ, **SETTINGS, **settings},
            pass_fds=[listener.fileno()],
        )
    try:
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def log_in_elsewhere(address: str) -> str:
    """Open a session with another program than the browser, and give its refresh token."""
    body = json.dumps({"username": "admin", "password": PASSWORD}).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "tv-remote/1.0 (living room)"}
    with urlopen(Request(f"{address}/api/login", body, headers)) as answer:
        return t.cast(str, json.load(answer)["refresh_token"])


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            browser.close()

"""The example app behind a real server, and a browser that shows it."""

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

from ..apps import PASSWORD, USERNAME
from ..tether import tethered
from .config import ENVIRONMENT

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
#: Time limit for everything that a page or a server does: far more than a slow machine needs.
PATIENCE_SECONDS = 120
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # As root, as in a container, Chromium cannot create its sandbox.
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
)


@contextlib.contextmanager
def serve(**settings: str) -> Iterator[str]:
    """Serve the example app with gunicorn, and yield its address.

    :param settings: environment variables besides :data:`.ENVIRONMENT`.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # Gunicorn inherits the listener: no other process can take the port, and requests wait in its
        # queue until the server is up.
        server = subprocess.Popen(
            tethered(
                *(sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}"),
                *("--threads", "4", "--no-control-socket", "--log-level", "error"),
                "example_app:create_app()",
            ),
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT, **settings},
            pass_fds=[listener.fileno()],
        )
    try:
        yield address
    finally:
        server.terminate()
        try:
            server.wait(timeout=PATIENCE_SECONDS)
        finally:
            server.kill()


def log_in_elsewhere(address: str) -> str:
    """Log in with another program than the browser, and return the refresh token."""
    body = json.dumps({"username": USERNAME, "password": PASSWORD}).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "tv-remote/1.0 (living room)"}
    with urlopen(Request(f"{address}/api/login", body, headers)) as response:
        return t.cast(str, json.load(response)["refresh_token"])


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        try:
            yield browser
        finally:
            browser.close()

"""Requests that Schemathesis makes up from the OpenAPI description get the described responses."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from flask import Flask
from werkzeug.serving import make_server

from .apps import log_in
from .conftest import MakeApp
from .test_openapi import ABOUT


@pytest.fixture(params=["plain", "everything"])
def app(request, make_app: MakeApp, sqlite_url: str, tenant) -> Flask:
    settings = {"API_AUTH_OPENAPI": True, "API_AUTH_LOGIN_LIMIT": None}
    if request.param == "everything":
        settings |= {
            "API_AUTH_ABOUT": ABOUT,
            "API_AUTH_COOKIES": True,
            "API_AUTH_SESSIONS": sqlite_url,
            "API_AUTH_REFRESH_ROTATION": True,
            "API_AUTH_AUTH0_ENABLE": True,
            "API_AUTH_AUTH0_TENANTS": [tenant.settings()],
        }
    return make_app(**settings)


@pytest.fixture
def address(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("kind", [None, "access_token", "refresh_token"])
def test_responses_match_the_description(app, address, kind, tmp_path):
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/api/openapi.json"),
        *("--max-examples", "20", "--seed", "1", "--no-color"),
    ]
    if kind is not None:
        token = log_in(app)[kind]
        # A request that ends the session would leave a 401 for all the others.
        command += ["--header", f"Authorization: Bearer {token}"]
        command += ["--exclude-path", "/api/logout", "--exclude-path", "/api/sessions"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout

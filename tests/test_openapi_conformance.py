"""Schemathesis against the description: whatever it makes up, the routes answer as they are described."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from werkzeug.serving import make_server

from .test_openapi import ABOUT, make_app

LOGIN = {"username": "admin", "password": "correct horse"}


@pytest.fixture(params=["plain", "everything"])
def app(request, tmp_path, tenant):
    if request.param == "plain":
        return make_app()
    return make_app(
        API_AUTH_ABOUT=ABOUT,
        API_AUTH_COOKIES=True,
        API_AUTH_SESSIONS=f"sqlite:///{tmp_path}/sessions.db",
        API_AUTH_REFRESH_ROTATION=True,
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_AUTH0_TENANTS=[tenant.settings()],
    )


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
def test_schemathesis_finds_nothing(app, address, kind, tmp_path):
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/api/openapi.json"),
        *("--max-examples", "20", "--seed", "1", "--no-color"),
    ]
    if kind is not None:
        token = app.test_client().post("/api/login", json=LOGIN).json[kind]
        # What ends the session would make all the others see no more than a 401.
        command += ["--header", f"Authorization: Bearer {token}"]
        command += ["--exclude-path", "/api/logout", "--exclude-path", "/api/sessions"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout

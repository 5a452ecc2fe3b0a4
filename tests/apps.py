"""Apps for tests, the calls that a client makes to them, and a clock to move."""

from __future__ import annotations

import time
import typing as t

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

USERNAME = "admin"
PASSWORD = "correct horse"
SECRET = "the secret of these tests: thirty-two bytes and more"


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def post_login(
    app: Flask | FlaskClient, username: str = USERNAME, password: str = PASSWORD, **options: t.Any
) -> TestResponse:
    """Send a username and a password to the login.

    :param options: passed to the test client: headers, environ_overrides, base_url.
    """
    return _client(app).post("/api/login", json={"username": username, "password": password}, **options)


def log_in(
    app: Flask | FlaskClient, username: str = USERNAME, password: str = PASSWORD, **options: t.Any
) -> dict[str, str]:
    """Log in, and return both tokens."""
    response = post_login(app, username, password, **options)
    assert response.status_code == 200, response.text
    return t.cast("dict[str, str]", response.json)


def refresh(app: Flask | FlaskClient, token: str, **options: t.Any) -> TestResponse:
    """Send a refresh token to the refresh."""
    return _client(app).get("/api/login/refresh", headers=bearer(token), **options)


def _client(app: Flask | FlaskClient) -> FlaskClient:
    return app.test_client() if isinstance(app, Flask) else app


class Clock:
    """A clock that stands still until a test moves it, in seconds."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds

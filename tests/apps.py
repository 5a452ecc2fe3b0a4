"""Apps for tests, the calls that a client makes to them, and a clock to move."""

from __future__ import annotations

import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import JWTManager, get_jwt, get_jwt_identity, jwt_required
from werkzeug.test import TestResponse

USERNAME = "admin"
PASSWORD = "correct horse"
#: The body of a login.
CREDENTIALS = {"username": USERNAME, "password": PASSWORD}
SECRET = "the secret of these tests: thirty-two bytes and more"
#: A second user, for ``API_AUTH_USERS``.
EVE = {"eve": {"password": PASSWORD, "scopes": ["view", "edit"]}}


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


def at_once(count: int, call: t.Callable[[], int]) -> list[int]:
    """The results of ``count`` calls that begin together."""
    barrier = threading.Barrier(count)

    def one(_: int) -> int:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(one, range(count)))


def csrf_header(client: FlaskClient, use: str = "access") -> dict[str, str]:
    """The header with the CSRF value of one of the client's cookies."""
    cookie = client.get_cookie(f"csrf_{use}_token")
    assert cookie is not None
    return {"X-CSRF-TOKEN": cookie.value}


def client_with_cookie(app: Flask, name: str, token: str) -> FlaskClient:
    """Make a client that sends a token in a cookie."""
    client = app.test_client()
    client.set_cookie(name, token)
    return client


def add_manager(app: Flask, **config: t.Any) -> JWTManager:
    """Give an app a JWTManager of its own, before the blueprint is registered."""
    app.config.setdefault("JWT_SECRET_KEY", SECRET)
    app.config.update(config)
    return JWTManager(app)


def add_jwt_required_routes(app: Flask) -> None:
    """Add routes that flask-jwt-extended protects."""
    app.add_url_rule("/extended", "extended", jwt_required()(lambda: get_jwt()), methods=["GET", "POST"])
    app.add_url_rule("/extended/fresh", "extended_fresh", jwt_required(fresh=True)(lambda: "ok"))
    app.add_url_rule("/extended/refresh", "extended_refresh", jwt_required(refresh=True)(lambda: "ok"))
    app.add_url_rule(
        "/extended/optional",
        "extended_optional",
        jwt_required(optional=True)(lambda: str(get_jwt_identity())),
    )


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

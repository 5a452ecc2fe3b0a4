"""How soon the end of a session takes effect: at the next refresh, or at each request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask_jwt_extended import jwt_required

from flask_core_auth.errors import UnauthorizedError

from ..apps import bearer, log_in
from .app import make_session_app

MakeApp = Callable[..., Flask]


@pytest.fixture
def app(make_app: MakeApp, sqlite_url: str) -> Flask:
    return make_app(sqlite_url)


# API_AUTH_SESSION_CHECK = "refresh"


def test_access_token_is_accepted_after_logout_when_only_refreshes_check_sessions(app: Flask) -> None:
    client = app.test_client()
    tokens = log_in(client)
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200


def test_protected_routes_do_not_call_the_store_when_only_refreshes_check_sessions(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app.test_client()
    tokens = log_in(client)
    monkeypatch.setattr(app.extensions["core_auth"].sessions, "_store", None)
    for _ in range(3):
        assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200


def test_jwt_required_rejects_the_refresh_token_of_an_ended_session(app: Flask) -> None:
    app.add_url_rule("/own", "own", jwt_required(refresh=True)(lambda: "in"))
    client = app.test_client()
    tokens = log_in(client)
    assert client.get("/own", headers=bearer(tokens["refresh_token"])).status_code == 200
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.get("/own", headers=bearer(tokens["refresh_token"])).status_code == 401


# API_AUTH_SESSION_CHECK = "always"


@pytest.mark.parametrize("warm", [False, True])
def test_access_token_is_rejected_after_logout_when_each_request_checks_sessions(
    make_app: MakeApp, store_url: str, warm: bool
) -> None:
    app = make_app(store_url, SESSION_CHECK="always")
    app.add_url_rule("/extended", "extended", jwt_required()(lambda: "in"))
    client, core_auth = app.test_client(), app.blueprints["core_auth"]
    tokens = log_in(client)
    paths = ("/who", "/extended")
    if warm:
        for path in paths:
            assert client.get(path, headers=bearer(tokens["access_token"])).status_code == 200
    client.post("/api/logout", headers=bearer(tokens["refresh_token"]))
    for path in paths:
        response = client.get(path, headers=bearer(tokens["access_token"]))
        assert response.status_code == 401
        challenge = response.headers["WWW-Authenticate"]
        assert challenge == 'Bearer realm="flask-core-auth", error="invalid_token"'
    with app.app_context(), pytest.raises(UnauthorizedError):
        core_auth.verify(tokens["access_token"])  # type: ignore[attr-defined]


def test_access_token_without_a_session_is_rejected_when_each_request_checks_sessions(
    make_app: MakeApp, sqlite_url: str
) -> None:
    tokens = log_in(make_session_app(None).test_client())
    client = make_app(sqlite_url, SESSION_CHECK="always").test_client()
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 401


def test_session_is_not_required_when_authentication_is_disabled(
    make_app: MakeApp, sqlite_url: str
) -> None:
    client = make_app(sqlite_url, SESSION_CHECK="always", ENABLE=False).test_client()
    tokens = log_in(client)
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200


def test_token_of_an_ended_session_counts_as_none_under_the_localhost_bypass(
    make_app: MakeApp, sqlite_url: str
) -> None:
    client = make_app(sqlite_url, SESSION_CHECK="always", DISABLE_LOCALHOST=True).test_client()
    tokens = log_in(client)
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.get("/who", headers=bearer(tokens["access_token"])).json == {"subject": None}
    remote = {"REMOTE_ADDR": "192.0.2.1"}
    headers = bearer(tokens["access_token"])
    assert client.get("/who", headers=headers, environ_base=remote).status_code == 401


def test_options_passes_with_a_token_of_an_ended_session(make_app: MakeApp, sqlite_url: str) -> None:
    app = make_app(sqlite_url, SESSION_CHECK="always")
    who = app.view_functions["who"]
    app.add_url_rule("/own", "own", who, methods=["GET", "OPTIONS"], provide_automatic_options=False)
    client = app.test_client()
    tokens = log_in(client)
    assert client.get("/own", headers=bearer(tokens["access_token"])).json == {"subject": "admin"}
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.options("/own", headers=bearer(tokens["access_token"])).json == {"subject": None}

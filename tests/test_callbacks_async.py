"""Callbacks of the app that are coroutine functions: a coroutine is truthy, but is no decision."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, jwt_required

from .forge import SECRET, bearer, claims, forge


@pytest.fixture(params=["own manager", "app's manager"])
def app(request, make_app) -> Flask:
    def host(app: Flask) -> None:
        if request.param == "app's manager":
            app.config["JWT_SECRET_KEY"] = SECRET
            JWTManager(app)

    app = make_app(host=host)
    app.add_url_rule("/extended", "extended", jwt_required()(lambda: "in"))
    return app


@pytest.mark.parametrize(
    ("loader", "rejecting"),
    [
        ("token_in_blocklist_loader", True),
        ("token_verification_loader", False),
        ("user_lookup_loader", None),
    ],
)
def test_async_callback_that_rejects_is_obeyed(app, loader, rejecting):
    async def callback(header, claims):
        return rejecting

    tokens = (
        app.test_client().post("/api/login", json={"username": "admin", "password": "correct horse"}).json
    )
    getattr(app.extensions["flask-jwt-extended"], loader)(callback)
    client = app.test_client()
    assert client.get("/who", headers=bearer(forge(claims()))).status_code == 401
    assert client.get("/api/login/refresh", headers=bearer(tokens["refresh_token"])).status_code == 401


@pytest.mark.parametrize(
    ("loader", "accepting"),
    [
        ("token_in_blocklist_loader", False),
        ("token_verification_loader", True),
        ("user_lookup_loader", "a user"),
    ],
)
def test_async_callback_that_accepts_is_obeyed(app, loader, accepting):
    async def callback(header, claims):
        return accepting

    getattr(app.extensions["flask-jwt-extended"], loader)(callback)
    assert app.test_client().get("/who", headers=bearer(forge(claims()))).status_code == 200


def test_async_additional_claims_are_added(app):
    async def add(subject):
        return {"name": subject}

    app.extensions["flask-jwt-extended"].additional_claims_loader(add)
    client = app.test_client()
    tokens = client.post("/api/login", json={"username": "admin", "password": "correct horse"}).json
    who = client.get("/who", headers=bearer(tokens["access_token"])).json
    assert who["claims"]["name"] == "admin"


@pytest.mark.parametrize(
    ("loader", "rejecting"),
    [
        ("token_in_blocklist_loader", True),
        ("token_verification_loader", False),
        ("user_lookup_loader", None),
    ],
)
def test_jwt_required_obeys_async_callbacks_under_the_own_manager(make_app, loader, rejecting):
    async def callback(header, claims):
        return rejecting

    app = make_app()
    app.add_url_rule("/extended", "extended", jwt_required()(lambda: "in"))
    getattr(app.extensions["flask-jwt-extended"], loader)(callback)
    assert app.test_client().get("/extended", headers=bearer(forge(claims()))).status_code == 401


def test_verification_of_the_app_is_asked_in_addition_to_the_own_one(make_app):
    app = make_app()
    app.add_url_rule("/extended", "extended", jwt_required()(lambda: "in"))
    app.extensions["flask-jwt-extended"].token_verification_loader(lambda header, claims: True)
    client = app.test_client()
    for changes in ({"exp": ...}, {"iss": "elsewhere"}, {"usefor": "refresh"}):
        assert client.get("/extended", headers=bearer(forge(claims(**changes)))).status_code == 401
    assert client.get("/extended", headers=bearer(forge(claims()))).status_code == 200


def test_jwt_required_rejects_tokens_of_ended_sessions_beside_the_app_s_verification(make_app, tmp_path):
    app = make_app(
        API_AUTH_SESSIONS=f"sqlite:///{tmp_path / 'sessions.db'}", API_AUTH_SESSION_CHECK="always"
    )
    app.add_url_rule("/extended", "extended", jwt_required()(lambda: "in"))
    app.extensions["flask-jwt-extended"].token_verification_loader(lambda header, claims: True)
    client = app.test_client()
    tokens = client.post("/api/login", json={"username": "admin", "password": "correct horse"}).json
    header = bearer(tokens["access_token"])
    assert client.get("/extended", headers=header).status_code == 200
    assert client.post("/api/logout", headers=header).status_code == 204
    assert client.get("/extended", headers=header).status_code == 401

"""Run the code blocks of docs/from-jwt-extended.md, and check its claims."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, jwt_required

from flask_core_auth import CoreAuth, auth_required
from flask_core_auth.testing import AuthClient

from ..apps import bearer, log_in, refresh
from .blocks import Page


def test_app_before_and_after_the_move(page: Page) -> None:
    page.run("move")
    for program in (page.before, page.after):
        client = program.app.test_client()
        tokens = client.post("/api/login", json={"username": "alice", "password": "wonderland"}).json
        access = {"Authorization": f"Bearer {tokens['access_token']}"}
        refresh = {"Authorization": f"Bearer {tokens['refresh_token']}"}
        assert client.get("/api/v3/process", headers=access).json == {"user": "alice"}
        assert client.get("/api/login/refresh", headers=refresh).status_code == 200
        wrong = client.post("/api/login", json={"username": "alice", "password": "x"})
        assert wrong.status_code == {"before": 401, "after": 403}[program.__name__]
        malformed = client.get("/api/v3/process", headers={"Authorization": "Bearer x"})
        assert malformed.status_code == {"before": 422, "after": 401}[program.__name__]
        assert (
            set(malformed.json)
            == {"before": {"msg"}, "after": {"code", "message", "details"}}[program.__name__]
        )
    header = bearer(log_in(page.before.app, "alice", "wonderland")["access_token"])
    assert page.after.app.test_client().get("/api/v3/process", headers=header).status_code == 401
    with page.before.app.app_context():
        assert page.before.app.config["JWT_ACCESS_TOKEN_EXPIRES"] == timedelta(minutes=15)
        assert page.before.app.config["JWT_REFRESH_TOKEN_EXPIRES"] == timedelta(days=30)


def new_app() -> Flask:
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = "made-with-flask-core-auth-generate-secret"
    app.get("/old", endpoint="old")(jwt_required()(lambda: "old"))
    app.get("/new")(auth_required(lambda: "new"))
    return app


def test_old_access_tokens_open_only_views_of_an_own_manager(page: Page) -> None:
    page.run("move")
    old = log_in(page.before.app, "alice", "wonderland")
    app, managed = new_app(), new_app()
    app.register_blueprint(CoreAuth())
    page.run("manager", app=managed, core_auth=CoreAuth())
    header = bearer(old["access_token"])
    assert managed.test_client().get("/old", headers=header).status_code == 200
    assert managed.test_client().get("/new", headers=header).status_code == 401
    for path in ("/old", "/new"):
        assert app.test_client().get(path, headers=header).status_code == 401
    for each in (app, managed):
        assert refresh(each, old["refresh_token"]).status_code == 401


def test_views_move_one_by_one(page: Page) -> None:
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = "made-with-flask-core-auth-generate-secret"
    page.run("single-views", app=app)
    app.test_client_class = AuthClient
    alice, anonymous = app.test_client(subject="alice"), app.test_client()
    assert alice.get("/old").json == alice.get("/new").json == {"user": "alice"}
    for header in ({}, {"Authorization": "Bearer x"}):
        one, other = (anonymous.get(path, headers=header) for path in ("/old", "/new"))
        assert (one.status_code, one.json) == (other.status_code, other.json)
        assert one.headers["WWW-Authenticate"] == other.headers["WWW-Authenticate"]


def test_own_manager_keeps_its_loaders(page: Page) -> None:
    app = Flask(__name__)
    app.test_client_class = AuthClient
    app.config["JWT_SECRET_KEY"] = "made-with-flask-core-auth-generate-secret"

    class User:
        name = "Alice Liddell"
        named = staticmethod(lambda name: User if name == "alice" else None)

    core_auth = CoreAuth()
    page.run("manager", app=app, core_auth=core_auth)
    page.run("loaders", User=User, auth_required=auth_required)
    jwt = page["jwt"]
    revoked = page["revoked"]
    alice = app.test_client(subject="alice")
    assert alice.get("/me").json == {"name": "Alice Liddell"}
    assert app.test_client(subject="bob").get("/me").status_code == 401
    with app.app_context():
        pair = core_auth.issue("alice")
        revoked.add(core_auth.verify(pair.access_token).claims["jti"])
    header = {"Authorization": f"Bearer {pair.access_token}"}
    assert app.test_client().get("/me", headers=header).status_code == 401
    jwt.additional_claims_loader(lambda subject: {"name": User.named(subject).name, "sub": "root"})
    alice = app.test_client(subject="alice")
    assert alice.get("/me").json == {"name": "Alice Liddell"}
    with app.app_context():
        claims = core_auth.verify(core_auth.issue("alice").access_token).claims
    assert (claims["name"], claims["sub"]) == ("Alice Liddell", "alice")


def test_conflicting_settings_are_named(page: Page) -> None:
    page.run("conflicts", raises="ConfigError", CoreAuth=CoreAuth, JWTManager=JWTManager)


def test_manager_that_is_created_later_is_noticed() -> None:
    app = Flask(__name__)
    app.config.update(
        JWT_SECRET_KEY="made-with-flask-core-auth-generate-secret",
        TESTING=True,
    )
    app.register_blueprint(CoreAuth())
    JWTManager(app)
    app.get("/new")(auth_required(lambda: "new"))
    with pytest.raises(ValueError, match=re.escape("create it before register_blueprint()")):
        app.test_client().get("/new")

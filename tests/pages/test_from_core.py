"""Run the code blocks of docs/from-core.md, and check its claims."""

from __future__ import annotations

import json
import time
import uuid

import jwt
from flask import Flask

from flask_core_auth import CoreAuth, auth_required, current_identity, load_env

from .blocks import Page

#: Username, password and secret of the page, as a Core joins them.
JOINED = "admincorrect-horsethe-core's-api.auth.jwt.secret"


def core_token(use):
    """A token as a Core signs it."""
    now, lives = int(time.time()), {"access": 600, "refresh": 86400}[use]
    claims = {
        "exi": lives,
        "exp": now + lives,
        "iat": now,
        "iss": "datarhei-core",
        "jti": str(uuid.uuid4()),
        "sub": "admin",
        "usefor": use,
    }
    return jwt.encode(claims, JOINED, "HS256")


def accepts_core_tokens(app):
    app.get("/x")(auth_required(lambda: [current_identity.idp, *current_identity.scopes]))
    client = app.test_client()

    def get(path, use):
        return client.get(path, headers={"Authorization": f"Bearer {core_token(use)}"})

    assert get("/x", "refresh").status_code == get("/api/login/refresh", "access").status_code == 401
    refreshed = get("/api/login/refresh", "refresh").status_code
    response = get("/x", "access")
    assert refreshed == response.status_code
    return response.json == ["local", "*"]


def test_environment_variables_of_the_core(page: Page) -> None:
    page.run("app.py", "environment", "curl")


def test_older_names_of_variables_count_where_newer_are_not_set() -> None:
    app = Flask(__name__)
    load_env(app.config, environ={"RS_USERNAME": "old", "RS_PASSWORD": "older"})
    assert (app.config["API_AUTH_USERNAME"], app.config["API_AUTH_PASSWORD"]) == ("old", "older")
    app = Flask(__name__)
    load_env(app.config, environ={"RS_USERNAME": "old", "CORE_API_AUTH_USERNAME": "new"})
    assert app.config["API_AUTH_USERNAME"] == "new"
    app = Flask(__name__)
    load_env(app.config, environ={"RS_USERNAME": "old"}, prefix="MYAPP")
    assert "API_AUTH_USERNAME" not in app.config


def test_app_and_core_accept_tokens_of_each_other(page: Page) -> None:
    page.run("shared-secret", Flask=Flask, CoreAuth=CoreAuth)
    username, password, secret = (page[name] for name in ("username", "password", "secret"))
    assert username + password + secret == JOINED
    app = page["app"]
    assert accepts_core_tokens(app)
    issued = app.test_client().post("/api/login", json={"username": username, "password": password}).json
    for name, use in (("access_token", "access"), ("refresh_token", "refresh")):
        claims = jwt.decode(issued[name], JOINED, ["HS256"], issuer="datarhei-core")
        assert (claims["usefor"], claims["sub"]) == (use, "admin")
        assert claims["exi"] == claims["exp"] - claims["iat"]
    page.run("live-tokens")
    app = page["app"]
    assert accepts_core_tokens(app)
    app = Flask(__name__)
    app.config.update(
        API_AUTH_USERNAME=username,
        API_AUTH_PASSWORD=password,
        API_AUTH_JWT_SECRET=JOINED,
    )
    app.register_blueprint(CoreAuth())
    assert not accepts_core_tokens(app)


def test_app_stands_in_for_a_core(page: Page) -> None:
    username, password = "admin", "correct-horse"
    page.run("about", Flask=Flask, CoreAuth=CoreAuth, username=username, password=password)
    page.run("anonymous-about")
    app = page["app"]
    client = app.test_client()
    assert client.get("/api").json == json.loads(page.code)
    token = client.post("/api/login", json={"username": username, "password": password}).json
    full = client.get("/api", headers={"Authorization": f"Bearer {token['access_token']}"}).json
    assert full == {**app.config["API_AUTH_ABOUT"], "auths": ["localjwt"]}
    wrong = client.post("/api/login", json={"username": username, "password": "wrong"})
    assert wrong.status_code == 403
    assert client.post("/api/login", data="{").status_code == 400
    assert client.post("/api/login", data=b"x" * 16385).status_code == 413
    claims = jwt.decode(token["access_token"], options={"verify_signature": False})
    names = "exi exp iat iss jti sub usefor idp type fresh scope"
    assert set(claims) == set(names.split())

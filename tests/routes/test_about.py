"""``GET <prefix>`` and ``GET <prefix>/openapi.json``."""

from __future__ import annotations

import pytest
from flask import abort

from flask_core_auth import CoreAuth
from flask_core_auth.openapi import spec

from ..apps import bearer, log_in
from ..conftest import MakeApp
from ..forge import claims, forge
from ..tenant import EXAMPLE

ABOUT = {
    "app": "datarhei-core",
    "name": "a core",
    "id": "some-id",
    "version": {"number": "16.16.0", "arch": "linux/amd64"},
    "auths": ["made up"],
}


def test_about_is_not_found_unless_configured(client):
    assert client.get("/api").status_code == 404


def test_about_shows_anonymous_callers_only_how_to_log_in(make_app):
    app = make_app(API_AUTH_ABOUT=ABOUT)
    response = app.test_client().get("/api")
    assert response.status_code == 200
    assert response.json == {
        "app": "datarhei-core",
        "auths": ["localjwt"],
        "version": {"number": "16.0.0"},
    }


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer a b",
        "Bearer x.y.z",
        "Bearer ä",
        "Basic x",
        "Bearer " + forge(claims("refresh")),
        "Bearer " + forge(claims(exp=1)),
        "Bearer " + "x" * 9000,
    ],
)
def test_about_treats_a_bad_token_as_none(make_app, header):
    response = make_app(API_AUTH_ABOUT=ABOUT).test_client().get("/api", headers={"Authorization": header})
    assert response.status_code == 200
    assert "id" not in response.json


def test_about_shows_everything_to_a_caller_with_a_token(make_app):
    app = make_app(API_AUTH_ABOUT=ABOUT)
    response = app.test_client().get("/api", headers=bearer(log_in(app)["access_token"]))
    assert response.json == {**ABOUT, "auths": ["localjwt"]}
    assert response.headers["Cache-Control"] == "no-store"


def test_about_shows_everything_when_authentication_is_disabled(make_app):
    app = make_app(API_AUTH_ABOUT=ABOUT, API_AUTH_ENABLE=False)
    assert app.test_client().get("/api").json["id"] == "some-id"


def test_about_lists_the_local_login_before_the_tenants(make_app):
    app = make_app(API_AUTH_ABOUT={}, API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[EXAMPLE])
    assert app.test_client().get("/api").json == {
        "auths": ["localjwt", "auth0 domain=tenant.example audience=api clientid=client"]
    }


def test_about_lists_no_local_login_without_local_users(make_app):
    core_auth = CoreAuth()
    app = make_app(core_auth, API_AUTH_USERNAME=..., API_AUTH_PASSWORD=..., API_AUTH_ABOUT={})
    assert app.test_client().get("/api").json == {"auths": []}
    core_auth.password_verifier(lambda username, password: None)
    assert app.test_client().get("/api").json == {"auths": ["localjwt"]}


@pytest.mark.parametrize("failure", [lambda: 1 / 0, lambda: abort(418)])
def test_about_treats_a_token_whose_callback_fails_as_none(make_app, failure):
    app = make_app(API_AUTH_ABOUT=ABOUT)
    token = log_in(app)["access_token"]
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: failure())
    response = app.test_client().get("/api", headers=bearer(token))
    assert response.status_code == 200
    assert "id" not in response.json


def test_about_treats_a_token_of_an_ended_session_as_none(make_app: MakeApp, sqlite_url: str) -> None:
    about = {"app": "x", "id": "y"}
    client = make_app(
        API_AUTH_SESSIONS=sqlite_url, API_AUTH_SESSION_CHECK="always", API_AUTH_ABOUT=about
    ).test_client()
    tokens = log_in(client)
    assert "id" in client.get("/api", headers=bearer(tokens["access_token"])).json
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert "id" not in client.get("/api", headers=bearer(tokens["access_token"])).json


def test_openapi_json_is_served_without_a_token_when_enabled(make_app):
    app = make_app(API_AUTH_OPENAPI=True)
    response = app.test_client().get("/api/openapi.json")
    assert response.status_code == 200
    assert response.json == spec(app)
    assert make_app().test_client().get("/api/openapi.json").status_code == 404

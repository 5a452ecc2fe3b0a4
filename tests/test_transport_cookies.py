"""Tokens in cookies: reading, setting, and the CSRF protection."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from flask_core_auth import CoreAuth, auth_required

from .apps import (
    CREDENTIALS,
    PASSWORD,
    SECRET,
    USERNAME,
    Clock,
    add_jwt_required_routes,
    bearer,
    client_with_cookie,
    csrf_header,
    log_in,
    post_login,
)
from .conftest import MakeApp
from .forge import claims, forge, read


@pytest.fixture
def cookie_app(make_app: MakeApp) -> Flask:
    """An app that sets cookies."""
    app = make_app(API_AUTH_COOKIES=True)
    add_jwt_required_routes(app)
    return app


@pytest.fixture
def client(cookie_app: Flask) -> FlaskClient:
    """A client with the cookies of a login."""
    client = cookie_app.test_client()
    log_in(client)
    return client


# Setting


def test_login_sets_cookies_that_scripts_and_other_sites_cannot_use(cookie_app):
    response = post_login(cookie_app)
    cookies = {line.partition("=")[0]: line for line in response.headers.getlist("Set-Cookie")}
    assert set(cookies) == {
        "access_token_cookie",
        "refresh_token_cookie",
        "csrf_access_token",
        "csrf_refresh_token",
    }
    for name, line in cookies.items():
        assert "Secure" in line
        assert "SameSite=Lax" in line
        assert ("HttpOnly" in line) == name.endswith("_cookie")
    assert "Path=/;" in cookies["access_token_cookie"] + ";"
    assert "Path=/api;" in cookies["refresh_token_cookie"] + ";"
    assert "Max-Age=600;" in cookies["access_token_cookie"] + ";"
    assert "Max-Age=86400;" in cookies["refresh_token_cookie"] + ";"
    assert set(response.json) == {"access_token", "refresh_token"}


def test_cookies_are_set_only_when_enabled(app):
    response = post_login(app)
    assert not response.headers.getlist("Set-Cookie")


def test_cookies_last_as_long_as_tokens_shortened_by_their_session(
    make_app: MakeApp, sqlite_url: str, clock: Clock
) -> None:
    app = make_app(API_AUTH_COOKIES=True, API_AUTH_SESSIONS=sqlite_url, API_AUTH_SESSION_MAX_AGE=100)
    response = post_login(app)
    for line in response.headers.getlist("Set-Cookie"):
        assert "Max-Age=100;" in line


def test_refresh_cookie_has_the_prefix_of_a_nested_blueprint():
    app = Flask("nested")
    app.config.update(
        API_AUTH_USERNAME=USERNAME,
        API_AUTH_PASSWORD=PASSWORD,
        API_AUTH_COOKIES=True,
        API_AUTH_JWT_SECRET=SECRET,
    )
    parent = Blueprint("parent", __name__, url_prefix="/v1")
    parent.register_blueprint(CoreAuth())
    app.register_blueprint(parent)
    response = app.test_client().post("/v1/api/login", json=CREDENTIALS)
    [cookie] = [line for line in response.headers.getlist("Set-Cookie") if line.startswith("refresh_")]
    assert "Path=/v1/api" in cookie


# Reading, and the CSRF value


@pytest.mark.parametrize("path", ["/who", "/extended"])
def test_cookie_needs_its_csrf_value_only_to_post(client, path):
    assert client.get(path).status_code == 200
    assert client.post(path).status_code == 401
    assert client.post(path, headers={"X-CSRF-TOKEN": "wrong"}).status_code == 401
    assert client.post(path, headers={"X-CSRF-TOKEN": "é"}).status_code == 401
    assert client.post(path, headers=csrf_header(client, "refresh")).status_code == 401
    assert client.post(path, headers=csrf_header(client)).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PROPPATCH", "LINK", "BREW"])
def test_cookie_needs_its_csrf_value_with_every_unsafe_method(cookie_app, method):
    cookie_app.add_url_rule("/unsafe", "unsafe", auth_required(lambda: "done"), methods=[method])
    client = cookie_app.test_client()
    log_in(client)
    assert client.open("/unsafe", method=method).status_code == 401
    assert client.open("/unsafe", method=method, headers=csrf_header(client, "refresh")).status_code == 401
    assert client.open("/unsafe", method=method, headers=csrf_header(client)).status_code == 200


def test_remembered_cookie_still_needs_its_csrf_value_to_post(client):
    for _ in range(2):
        assert client.get("/who").status_code == 200
        assert client.post("/who").status_code == 401
        assert client.post("/who", headers={"X-CSRF-TOKEN": "wrong"}).status_code == 401


def test_authorization_header_takes_precedence_over_the_cookie(client):
    assert client.post("/who", headers=bearer("nonsense")).status_code == 401
    token = client.get_cookie("access_token_cookie").value
    assert client.post("/who", headers=bearer(token)).status_code == 200


def test_refresh_by_cookie_sets_a_new_access_cookie(client):
    assert client.get("/api/login/refresh").status_code == 401
    assert client.get("/api/login/refresh", headers={"X-CSRF-TOKEN": "wrong"}).status_code == 401
    assert client.get("/api/login/refresh", headers=csrf_header(client, "access")).status_code == 401
    before = client.get_cookie("access_token_cookie").value
    response = client.get("/api/login/refresh", headers=csrf_header(client, "refresh"))
    assert response.status_code == 200
    assert response.json == {}, "a script on the page could read it"
    assert client.get_cookie("access_token_cookie").value != before
    assert client.get("/who").status_code == 200


def test_refresh_cookie_does_not_open_a_route(make_app):
    client = make_app(API_AUTH_COOKIES=True, JWT_REFRESH_COOKIE_PATH="/").test_client()
    log_in(client)
    client.delete_cookie("access_token_cookie")
    assert client.get("/who").status_code == 401


def test_token_from_before_cookies_were_enabled_cannot_post_as_a_cookie(app, client):
    # A token that was issued without cookies has no CSRF claim.
    token = log_in(app)["access_token"]
    client.set_cookie("access_token_cookie", token)
    assert client.get("/who").status_code == 200
    assert client.post("/who", headers={"X-CSRF-TOKEN": "x"}).status_code == 401


# Cookies that the app itself sets


def csrf_of(token: str) -> str:
    return read(token)["csrf"]


def test_cookie_set_by_the_app_needs_its_csrf_value_to_post(everywhere):
    token = log_in(everywhere)["access_token"]
    client = client_with_cookie(everywhere, "access_token_cookie", token)
    assert client.get("/who").json["subject"] == "admin"
    assert client.post("/who").status_code == 401
    assert client.post("/who", headers={"X-CSRF-TOKEN": csrf_of(token)}).status_code == 200
    for wrong in ("x", "", "ä", csrf_of(token) + "x"):
        response = client.post("/who", headers={"X-CSRF-TOKEN": wrong})
        assert response.status_code == 401
        challenge = response.headers["WWW-Authenticate"]
        assert challenge == 'Bearer realm="flask-core-auth", error="invalid_token"'
    # A remembered token needs the value, too.
    everywhere.test_client().get("/who", headers=bearer(token))
    assert client.post("/who").status_code == 401


@pytest.mark.parametrize("csrf", [None, 5, "", ["x"], ...])
def test_cookie_without_a_csrf_claim_cannot_post(everywhere, csrf):
    client = client_with_cookie(everywhere, "access_token_cookie", forge(claims(csrf=csrf)))
    assert client.get("/who").status_code == 200
    assert client.post("/who", headers={"X-CSRF-TOKEN": "x"}).status_code == 401
    assert client.post("/who", headers={"X-CSRF-TOKEN": str(csrf)}).status_code == 401


def test_csrf_value_may_come_in_a_form_field_when_configured(make_app):
    app = make_app(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_CHECK_FORM=True)
    token = log_in(app)["access_token"]
    client = client_with_cookie(app, "access_token_cookie", token)
    assert client.post("/who", data={"csrf_token": csrf_of(token)}).status_code == 200
    assert client.post("/who", data={"csrf_token": "x"}).status_code == 401


def test_cookie_alone_is_accepted_without_csrf_protection(make_app):
    app = make_app(JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_CSRF_PROTECT=False)
    tokens = log_in(app)
    assert "csrf" not in read(tokens["access_token"])
    assert (
        client_with_cookie(app, "access_token_cookie", tokens["access_token"]).post("/who").status_code
        == 200
    )
    client = client_with_cookie(app, "refresh_token_cookie", tokens["refresh_token"])
    assert client.get("/api/login/refresh").status_code == 200


def test_refresh_by_cookie_needs_the_csrf_value_of_the_refresh_token(everywhere):
    tokens = log_in(everywhere)
    client = client_with_cookie(everywhere, "refresh_token_cookie", tokens["refresh_token"])
    assert client.get("/api/login/refresh").status_code == 401
    wrong = {"X-CSRF-TOKEN": csrf_of(tokens["access_token"])}
    assert client.get("/api/login/refresh", headers=wrong).status_code == 401
    right = {"X-CSRF-TOKEN": csrf_of(tokens["refresh_token"])}
    assert client.get("/api/login/refresh", headers=right).status_code == 200


def test_access_and_refresh_cookies_cannot_be_swapped(everywhere):
    tokens = log_in(everywhere)
    client = client_with_cookie(everywhere, "refresh_token_cookie", tokens["access_token"])
    headers = {"X-CSRF-TOKEN": csrf_of(tokens["access_token"])}
    assert client.get("/api/login/refresh", headers=headers).status_code == 401
    assert (
        client_with_cookie(everywhere, "access_token_cookie", tokens["refresh_token"])
        .get("/who")
        .status_code
        == 401
    )


@pytest.mark.parametrize("cookie", ["\xff", "\xe4.\xe4.\xe4", '"', "=", ";;;", "\x01", "x" * 9000])
def test_cookie_that_is_not_a_token_is_rejected(everywhere, cookie):
    environ = {"HTTP_COOKIE": f"access_token_cookie={cookie}"}
    response = everywhere.test_client(use_cookies=False).get("/who", environ_overrides=environ)
    assert response.status_code == 401

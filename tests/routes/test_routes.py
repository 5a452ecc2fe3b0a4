"""The URL table: prefixes, methods, and the routes that exist only with a setting."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask, url_for

from flask_core_auth import CoreAuth

from ..apps import SECRET, bearer, log_in
from ..conftest import MakeApp
from ..forge import read


def test_login_allows_post_and_refresh_allows_get(client):
    for method, path in (("GET", "/api/login"), ("PUT", "/api/login"), ("POST", "/api/login/refresh")):
        response = client.open(path, method=method)
        assert response.status_code == 405
        assert not response.is_json, "the app itself responds"


# Prefixes


@pytest.mark.parametrize(
    ("prefix", "root"), [("/auth/v1", "/auth/v1"), ("", "/"), ("/", "/"), ("/api", "/api")]
)
def test_routes_follow_the_url_prefix(prefix, root):
    app = Flask(__name__)
    app.config.update(API_AUTH_JWT_SECRET=SECRET, API_AUTH_ABOUT={"app": "x"})
    app.register_blueprint(CoreAuth(url_prefix=prefix))
    client, base = app.test_client(), prefix.rstrip("/")
    assert client.post(f"{base}/login").status_code == 400
    assert client.get(f"{base}/login/refresh").status_code == 401
    assert client.get(root).json["app"] == "x"


def test_routes_work_without_a_prefix():
    app = Flask(__name__)
    app.config.update(API_AUTH_JWT_SECRET=SECRET, API_AUTH_ABOUT={"app": "x"})
    app.register_blueprint(CoreAuth(url_prefix=None))
    assert app.test_client().get("/").json["app"] == "x"
    assert app.test_client().post("/login").status_code == 400


def test_prefix_given_at_registration_takes_precedence():
    app = Flask(__name__)
    app.config.update(API_AUTH_JWT_SECRET=SECRET, API_AUTH_ABOUT={"app": "x"})
    app.register_blueprint(CoreAuth(), url_prefix="/other", name="renamed")
    assert app.test_client().get("/other").json["app"] == "x"
    with app.test_request_context():
        assert url_for("renamed.login") == "/other/login"
        assert url_for("renamed.about") == "/other"


def test_routes_follow_the_prefix_of_an_outer_blueprint():
    app = Flask(__name__)
    app.config.update(API_AUTH_JWT_SECRET=SECRET, API_AUTH_ABOUT={"app": "x"})
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    outer.register_blueprint(CoreAuth())
    app.register_blueprint(outer)
    client = app.test_client()
    assert client.post("/outer/api/login").status_code == 400
    assert client.get("/outer/api").json["app"] == "x"


# Routes that exist only with a setting


def test_session_routes_exist_only_with_sessions(make_app: MakeApp) -> None:
    app = make_app()
    client = app.test_client()
    tokens = log_in(client)
    assert "sid" not in read(tokens["access_token"])
    assert app.extensions["core_auth"].sessions is None
    assert client.post("/api/logout", headers=bearer(tokens["access_token"])).status_code == 404
    assert client.get("/api/sessions", headers=bearer(tokens["access_token"])).status_code == 404


def test_one_blueprint_adds_logout_only_to_apps_with_sessions(sqlite_url: str, make_app: MakeApp) -> None:
    core_auth = CoreAuth()
    for sessions, status in ((sqlite_url, 401), (None, 404)):
        app = make_app(core_auth, API_AUTH_SESSIONS=sessions)
        assert app.test_client().post("/api/logout").status_code == status


def test_logout_exists_only_with_cookies_or_sessions(client):
    assert client.post("/api/logout").status_code == 404

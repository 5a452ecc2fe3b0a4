"""Tokens in cookies."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, jwt_required

from flask_core_auth import ConfigError, CoreAuth, auth_required, current_identity

SECRET = "a-secret-of-at-least-thirty-two-bytes"
LOGIN = {"username": "admin", "password": "correct-horse"}


def make_app(*, manager: bool = False, **config: object) -> Flask:
    app = Flask("cookies")
    app.config.update(
        API_AUTH_USERNAME="admin",
        API_AUTH_PASSWORD="correct-horse",
        API_AUTH_COOKIES=True,
        JWT_SECRET_KEY=SECRET,
    )
    app.config.update(config)
    if manager:
        JWTManager(app)
    app.register_blueprint(CoreAuth())

    @app.route("/who", methods=["GET", "POST"])
    @auth_required
    def who() -> dict[str, str | None]:
        return {"subject": current_identity.subject}

    @app.route("/plain", methods=["GET", "POST"])
    @jwt_required()
    def plain() -> str:
        return "ok"

    return app


@pytest.fixture
def client():
    client = make_app().test_client()
    assert client.post("/api/login", json=LOGIN).status_code == 200
    return client


def csrf(client, kind: str = "access") -> dict[str, str]:
    return {"X-CSRF-TOKEN": client.get_cookie(f"csrf_{kind}_token").value}


def test_login_sets_cookies_that_scripts_and_other_sites_cannot_use():
    answer = make_app().test_client().post("/api/login", json=LOGIN)
    cookies = {line.partition("=")[0]: line for line in answer.headers.getlist("Set-Cookie")}
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
    assert set(answer.json) == {"access_token", "refresh_token"}


def test_cookies_are_set_only_where_they_are_switched_on():
    answer = make_app(API_AUTH_COOKIES=False).test_client().post("/api/login", json=LOGIN)
    assert not answer.headers.getlist("Set-Cookie")


@pytest.mark.parametrize("path", ["/who", "/plain"])
def test_cookie_lets_in_and_needs_its_csrf_value_where_something_changes(client, path):
    assert client.get(path).status_code == 200
    assert client.post(path).status_code == 401
    assert client.post(path, headers={"X-CSRF-TOKEN": "wrong"}).status_code == 401
    assert client.post(path, headers={"X-CSRF-TOKEN": "é"}).status_code == 401
    assert client.post(path, headers=csrf(client, "refresh")).status_code == 401
    assert client.post(path, headers=csrf(client)).status_code == 200


def test_cookie_that_was_seen_before_still_needs_its_csrf_value(client):
    for _ in range(2):
        assert client.get("/who").status_code == 200
        assert client.post("/who").status_code == 401
        assert client.post("/who", headers={"X-CSRF-TOKEN": "wrong"}).status_code == 401


def test_header_goes_before_the_cookie(client):
    assert client.post("/who", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    token = client.get_cookie("access_token_cookie").value
    assert client.post("/who", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_refresh_by_cookie_demands_the_csrf_value_though_it_is_a_get(client):
    assert client.get("/api/login/refresh").status_code == 401
    assert client.get("/api/login/refresh", headers={"X-CSRF-TOKEN": "wrong"}).status_code == 401
    assert client.get("/api/login/refresh", headers=csrf(client, "access")).status_code == 401
    before = client.get_cookie("access_token_cookie").value
    answer = client.get("/api/login/refresh", headers=csrf(client, "refresh"))
    assert answer.status_code == 200
    assert client.get_cookie("access_token_cookie").value == answer.json["access_token"] != before
    assert client.get("/who").status_code == 200


def test_refresh_cookie_does_not_open_a_route():
    client = make_app(JWT_REFRESH_COOKIE_PATH="/").test_client()
    client.post("/api/login", json=LOGIN)
    client.delete_cookie("access_token_cookie")
    assert client.get("/who").status_code == 401


def test_without_csrf_claim_a_cookie_is_no_good(client):
    # A token from before cookies were switched on, say, carries none.
    core = make_app(API_AUTH_COOKIES=False).test_client()
    token = core.post("/api/login", json=LOGIN).json["access_token"]
    client.set_cookie("access_token_cookie", token)
    assert client.get("/who").status_code == 200
    assert client.post("/who", headers={"X-CSRF-TOKEN": "x"}).status_code == 401


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("JWT_TOKEN_LOCATION", ["headers"]),
        ("JWT_TOKEN_LOCATION", "headers"),
        ("JWT_COOKIE_SECURE", False),
        ("JWT_COOKIE_SAMESITE", "None"),
        ("JWT_COOKIE_SAMESITE", None),
        ("JWT_COOKIE_CSRF_PROTECT", False),
        ("JWT_CSRF_METHODS", ["POST"]),
    ],
)
@pytest.mark.parametrize("manager", [False, True])
def test_insecure_cookie_settings_are_refused(key, value, manager):
    secure = {
        "JWT_TOKEN_LOCATION": ["headers", "cookies"],
        "JWT_COOKIE_SECURE": True,
        "JWT_COOKIE_SAMESITE": "Strict",
    }
    make_app(manager=manager, **secure)
    with pytest.raises(ConfigError) as error:
        make_app(manager=manager, **{**secure, key: value})
    assert [name for name, _ in error.value.problems] == [key]


def test_host_manager_with_its_own_defaults_is_told_all_that_is_missing():
    with pytest.raises(ConfigError) as error:
        make_app(manager=True)
    assert [name for name, _ in error.value.problems] == [
        "JWT_TOKEN_LOCATION",
        "JWT_COOKIE_SECURE",
        "JWT_COOKIE_SAMESITE",
    ]


def test_refresh_cookie_has_the_prefix_that_a_nested_blueprint_has():
    from flask import Blueprint

    app = Flask("nested")
    app.config.update(
        API_AUTH_USERNAME="admin",
        API_AUTH_PASSWORD="correct-horse",
        API_AUTH_COOKIES=True,
        API_AUTH_JWT_SECRET=SECRET,
    )
    parent = Blueprint("parent", __name__, url_prefix="/v1")
    parent.register_blueprint(CoreAuth())
    app.register_blueprint(parent)
    answer = app.test_client().post("/v1/api/login", json=LOGIN)
    [refresh] = [line for line in answer.headers.getlist("Set-Cookie") if line.startswith("refresh_")]
    assert "Path=/v1/api" in refresh


def test_log_out_takes_the_cookies_back(client):
    assert client.post("/api/logout").status_code == 401
    answer = client.post("/api/logout", headers=csrf(client))
    assert answer.status_code == 204
    assert not client._cookies
    assert client.get("/who").status_code == 401


def test_log_out_with_sessions_ends_the_session_too(tmp_path):
    client = make_app(API_AUTH_SESSIONS=f"sqlite:///{tmp_path}/sessions.db").test_client()
    tokens = client.post("/api/login", json=LOGIN).json
    assert client.post("/api/logout", headers=csrf(client)).status_code == 204
    header = {"Authorization": f"Bearer {tokens['refresh_token']}"}
    assert client.get("/api/login/refresh", headers=header).status_code == 401


def test_log_out_works_with_the_refresh_cookie_alone(tmp_path):
    client = make_app(API_AUTH_SESSIONS=f"sqlite:///{tmp_path}/sessions.db").test_client()
    client.post("/api/login", json=LOGIN)
    client.delete_cookie("access_token_cookie")
    assert client.post("/api/logout", headers=csrf(client, "refresh")).status_code == 204


def test_log_out_is_there_only_with_cookies_or_sessions():
    client = make_app(API_AUTH_COOKIES=False).test_client()
    assert client.post("/api/logout").status_code == 404


def test_log_out_takes_the_cookies_back_of_a_token_from_before_there_were_sessions(tmp_path):
    before = make_app().test_client()
    tokens = before.post("/api/login", json=LOGIN).json
    client = make_app(API_AUTH_SESSIONS=f"sqlite:///{tmp_path}/sessions.db").test_client()
    client.set_cookie("access_token_cookie", tokens["access_token"])
    header = {"X-CSRF-TOKEN": before.get_cookie("csrf_access_token").value}
    assert client.post("/api/logout", headers=header).status_code == 204
    assert client.get_cookie("access_token_cookie") is None


def test_cookies_last_as_long_as_tokens_that_a_session_cuts_short(tmp_path):
    app = make_app(API_AUTH_SESSIONS=f"sqlite:///{tmp_path}/s.db", API_AUTH_SESSION_MAX_AGE=100)
    answer = app.test_client().post("/api/login", json=LOGIN)
    for line in answer.headers.getlist("Set-Cookie"):
        assert "Max-Age=100;" in line

"""Logging out, listing sessions and ending them."""

from __future__ import annotations

import time

import pytest
from flask import Flask

from ..apps import EVE, Clock, bearer, csrf_header, log_in, refresh
from ..conftest import MakeApp
from ..forge import read


@pytest.fixture
def app(make_app: MakeApp, sqlite_url: str) -> Flask:
    return make_app(API_AUTH_SESSIONS=sqlite_url, API_AUTH_USERS=EVE)


def sessions_of(client, token: str) -> list[dict[str, object]]:
    response = client.get("/api/sessions", headers=bearer(token))
    assert response.status_code == 200, response.text
    return response.json["sessions"]


# Logging out


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_logout_ends_the_session_of_the_token(make_app: MakeApp, store_url: str, kind: str) -> None:
    client = make_app(API_AUTH_SESSIONS=store_url).test_client()
    tokens, others = log_in(client), log_in(client)
    response = client.post("/api/logout", headers=bearer(tokens[kind]))
    assert (response.status_code, response.data) == (204, b"")
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert refresh(client, others["refresh_token"]).status_code == 200


def test_logout_of_a_session_that_has_ended_is_no_error(app: Flask) -> None:
    client = app.test_client()
    tokens = log_in(client)
    for _ in range(2):
        assert client.post("/api/logout", headers=bearer(tokens["refresh_token"])).status_code == 204


def test_logout_without_a_token_is_rejected(app: Flask) -> None:
    response = app.test_client().post("/api/logout")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'


@pytest.mark.parametrize("token", ["junk", "a.b.c"])
def test_logout_with_a_bad_token_is_rejected(app: Flask, token: str) -> None:
    response = app.test_client().post("/api/logout", headers=bearer(token))
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_logout_with_a_token_without_a_session_is_rejected(app: Flask, make_app: MakeApp) -> None:
    tokens = log_in(make_app())
    for token in tokens.values():
        assert app.test_client().post("/api/logout", headers=bearer(token)).status_code == 401


def test_logout_with_an_expired_token_is_rejected(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    tokens = log_in(client)
    clock.move(601)
    response = client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert response.status_code == 401
    assert client.post("/api/logout", headers=bearer(tokens["refresh_token"])).status_code == 204


# Logging out with cookies


def test_logout_unsets_the_cookies(make_app):
    client = make_app(API_AUTH_COOKIES=True).test_client()
    log_in(client)
    assert client.post("/api/logout").status_code == 401
    response = client.post("/api/logout", headers=csrf_header(client))
    assert response.status_code == 204
    assert not client._cookies
    assert client.get("/who").status_code == 401


def test_logout_by_cookie_ends_the_session(make_app, sqlite_url):
    client = make_app(API_AUTH_COOKIES=True, API_AUTH_SESSIONS=sqlite_url).test_client()
    tokens = log_in(client)
    assert client.post("/api/logout", headers=csrf_header(client)).status_code == 204
    assert refresh(client, tokens["refresh_token"]).status_code == 401


def test_logout_works_with_the_refresh_cookie_alone(make_app, sqlite_url):
    client = make_app(API_AUTH_COOKIES=True, API_AUTH_SESSIONS=sqlite_url).test_client()
    log_in(client)
    client.delete_cookie("access_token_cookie")
    assert client.post("/api/logout", headers=csrf_header(client, "refresh")).status_code == 204


def test_logout_unsets_the_cookies_of_a_token_without_a_session(make_app, sqlite_url):
    before = make_app(API_AUTH_COOKIES=True).test_client()
    tokens = log_in(before)
    client = make_app(API_AUTH_COOKIES=True, API_AUTH_SESSIONS=sqlite_url).test_client()
    client.set_cookie("access_token_cookie", tokens["access_token"])
    assert client.post("/api/logout", headers=csrf_header(before)).status_code == 204
    assert client.get_cookie("access_token_cookie") is None


# Listing sessions


def test_list_shows_times_address_and_user_agent_of_each_session(
    make_app: MakeApp, store_url: str, clock: Clock
) -> None:
    client = make_app(API_AUTH_SESSIONS=store_url).test_client()
    environ = {"REMOTE_ADDR": "198.51.100.7"}
    first = log_in(client, headers={"User-Agent": "Browser/1.0"}, environ_base=environ)
    opened = clock.now
    clock.move(60)
    second = log_in(client, headers={"User-Agent": ""})
    refresh(client, second["refresh_token"])

    def at(moment: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))

    assert sessions_of(client, first["access_token"]) == [
        {
            "id": read(second["access_token"])["sid"],
            "created_at": at(clock.now),
            "last_used_at": at(clock.now),
            "expires_at": at(clock.now + 86400),
            "address": "127.0.0.1",
            "user_agent": None,
            "current": False,
        },
        {
            "id": read(first["access_token"])["sid"],
            "created_at": at(opened),
            "last_used_at": at(opened),
            "expires_at": at(opened + 86400),
            "address": "198.51.100.7",
            "user_agent": "Browser/1.0",
            "current": True,
        },
    ]


def test_list_shows_only_the_sessions_of_the_caller(app: Flask) -> None:
    client = app.test_client()
    log_in(client)
    eve = log_in(client, "eve")
    assert len(sessions_of(client, eve["access_token"])) == 1


def test_list_shows_no_token_and_is_not_cached(app: Flask) -> None:
    client = app.test_client()
    tokens = log_in(client)
    response = client.get("/api/sessions", headers=bearer(tokens["access_token"]))
    assert response.headers["Cache-Control"] == "no-store"
    assert read(tokens["refresh_token"])["jti"] not in response.text


def test_user_agent_and_address_are_shortened_and_lose_nul(make_app: MakeApp, store_url: str) -> None:
    app = make_app(API_AUTH_SESSIONS=store_url)
    client = app.test_client()
    environ = {"HTTP_USER_AGENT": "a\0" + "\xff" * 5000, "REMOTE_ADDR": "x" * 500}
    tokens = log_in(client, environ_overrides=environ)
    (session,) = sessions_of(client, tokens["access_token"])
    assert session["user_agent"] == "a" + "\xff" * 255
    assert session["address"] == "x" * 64


# Ending sessions


def test_session_is_ended_by_its_id(make_app: MakeApp, store_url: str) -> None:
    client = make_app(API_AUTH_SESSIONS=store_url).test_client()
    tokens, others = log_in(client), log_in(client)
    path = f"/api/sessions/{read(others['access_token'])['sid']}"
    assert client.delete(path, headers=bearer(tokens["access_token"])).status_code == 204
    assert client.delete(path, headers=bearer(tokens["access_token"])).status_code == 404
    assert refresh(client, others["refresh_token"]).status_code == 401
    assert refresh(client, tokens["refresh_token"]).status_code == 200


def test_session_of_another_subject_is_not_found(make_app: MakeApp, store_url: str) -> None:
    client = make_app(API_AUTH_SESSIONS=store_url, API_AUTH_USERS=EVE).test_client()
    admin, eve = log_in(client), log_in(client, "eve")
    path = f"/api/sessions/{read(admin['access_token'])['sid']}"
    response = client.delete(path, headers=bearer(eve["access_token"]))
    assert response.status_code == 404
    assert response.json == {"code": 404, "message": "Not Found", "details": ["There is no such session"]}
    assert refresh(client, admin["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "x",
        "x" * 5000,
        "%00",
        "%ff%fe",
        "6f2b1d52-5c5e-4b0f-9a61-0f4f5b1f9d7c",
        "a b",
        "{x}",
        "'--",
        "A" * 22,
    ],
)
def test_malformed_session_id_is_not_found(make_app: MakeApp, store_url: str, path: str) -> None:
    client = make_app(API_AUTH_SESSIONS=store_url).test_client()
    tokens = log_in(client)
    response = client.delete(f"/api/sessions/{path}", headers=bearer(tokens["access_token"]))
    assert response.status_code == 404


def test_all_sessions_of_the_caller_are_ended(make_app: MakeApp, store_url: str) -> None:
    client = make_app(API_AUTH_SESSIONS=store_url, API_AUTH_USERS=EVE).test_client()
    tokens, others, eve = log_in(client), log_in(client), log_in(client, "eve")
    response = client.delete("/api/sessions", headers=bearer(tokens["access_token"]))
    assert response.status_code == 204
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert refresh(client, others["refresh_token"]).status_code == 401
    assert refresh(client, eve["refresh_token"]).status_code == 200


# Tokens of the caller


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/sessions"), ("DELETE", "/api/sessions"), ("DELETE", "/api/sessions/x")],
)
def test_session_routes_require_an_access_token_of_a_live_session(
    app: Flask, make_app: MakeApp, method: str, path: str
) -> None:
    client = app.test_client()
    tokens = log_in(client)
    assert client.open(path, method=method).status_code == 401
    assert client.open(path, method=method, headers=bearer(tokens["refresh_token"])).status_code == 401
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.open(path, method=method, headers=bearer(tokens["access_token"])).status_code == 401
    without = log_in(make_app())
    assert client.open(path, method=method, headers=bearer(without["access_token"])).status_code == 401


def test_session_routes_require_a_token_when_authentication_is_disabled(
    make_app: MakeApp, sqlite_url: str
) -> None:
    client = make_app(API_AUTH_SESSIONS=sqlite_url, API_AUTH_ENABLE=False).test_client()
    assert client.get("/who").status_code == 200
    assert client.get("/api/sessions").status_code == 401

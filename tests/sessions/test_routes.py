"""Sessions as a client sees them, through HTTP."""

from __future__ import annotations

import itertools
import logging
import time
import typing as t
import uuid
from collections.abc import Callable

import pytest
from flask import Flask
from flask_jwt_extended import jwt_required

from flask_core_auth import CoreAuth
from flask_core_auth.errors import UnauthorizedError

from ..forge import claims as forged
from ..forge import forge
from .app import SECRET, bearer, claims, login, make_session_app, refresh
from .conftest import Clock

MakeApp = Callable[..., Flask]


@pytest.fixture
def app(make_app: MakeApp, sqlite_url: str) -> Flask:
    return make_app(sqlite_url)


def sessions_of(client, token: str) -> list[dict[str, object]]:
    response = client.get("/api/sessions", headers=bearer(token))
    assert response.status_code == 200, response.text
    return response.json["sessions"]


# Logging in and refreshing


def test_tokens_of_a_login_carry_its_session(make_app: MakeApp, store_url: str) -> None:
    tokens = login(make_app(store_url).test_client())
    access, fresh = claims(tokens["access_token"]), claims(tokens["refresh_token"])
    assert access["sid"] == fresh["sid"]
    assert access["jti"] != fresh["jti"]


def test_each_login_has_a_session_of_its_own(app: Flask) -> None:
    ids = {claims(login(app.test_client())["access_token"])["sid"] for _ in range(5)}
    assert len(ids) == 5
    assert all(len(session) == 22 for session in ids)


def test_refresh_without_rotation_answers_only_an_access_token(make_app: MakeApp, store_url: str) -> None:
    client = make_app(store_url).test_client()
    tokens = login(client)
    for _ in range(3):
        response = refresh(client, tokens["refresh_token"])
        assert response.status_code == 200
        assert list(response.json) == ["access_token"]
        assert claims(response.json["access_token"])["sid"] == claims(tokens["access_token"])["sid"]
        assert response.headers["Cache-Control"] == "no-store"


def test_without_sessions_tokens_have_none_and_there_are_no_routes(make_app: MakeApp) -> None:
    app = make_session_app(None)
    client = app.test_client()
    tokens = login(client)
    assert "sid" not in claims(tokens["access_token"])
    assert app.extensions["core_auth"].sessions is None
    assert client.post("/api/logout", headers=bearer(tokens["access_token"])).status_code == 404
    assert client.get("/api/sessions", headers=bearer(tokens["access_token"])).status_code == 404


def test_one_blueprint_serves_apps_with_and_without_sessions(sqlite_url: str, make_app: MakeApp) -> None:
    core_auth = CoreAuth()
    for sessions, status in ((sqlite_url, 401), (None, 404)):
        app = Flask("tests.sessions.two")
        app.config.update(API_AUTH_JWT_SECRET=SECRET, API_AUTH_SESSIONS=sessions)
        app.register_blueprint(core_auth)
        assert app.test_client().post("/api/logout").status_code == status


def test_refresh_token_from_before_the_sessions_is_refused(app: Flask) -> None:
    tokens = login(make_session_app(None).test_client())
    client = app.test_client()
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200


def test_tokens_of_a_session_serve_after_sessions_are_switched_off(app: Flask) -> None:
    tokens = login(app.test_client())
    client = make_session_app(None).test_client()
    assert refresh(client, tokens["refresh_token"]).status_code == 200


def test_session_without_rotation_ends_with_its_refresh_token(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    tokens = login(client)
    clock.move(86400 - 10)
    access = refresh(client, tokens["refresh_token"]).json["access_token"]
    assert claims(access)["exp"] == claims(tokens["refresh_token"])["exp"]
    assert claims(access)["exi"] == 10
    clock.move(10)
    assert refresh(client, tokens["refresh_token"]).status_code == 401


def test_tokens_do_not_outlive_the_greatest_age(make_app: MakeApp, sqlite_url: str, clock: Clock) -> None:
    tokens = login(make_app(sqlite_url, SESSION_MAX_AGE=120).test_client())
    for token in tokens.values():
        assert claims(token)["exp"] == int(clock.now) + 120
        assert claims(token)["exi"] == 120


def test_subject_that_is_admitted_no_more_is_refused(make_app: MakeApp, sqlite_url: str) -> None:
    tokens = login(make_app(sqlite_url).test_client())
    changed = make_app(sqlite_url, USERS={"admin": {"password": "another"}}).test_client()
    assert refresh(changed, tokens["refresh_token"]).status_code == 401


# Logging out


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_logout_ends_the_session_of_the_token(make_app: MakeApp, store_url: str, kind: str) -> None:
    client = make_app(store_url).test_client()
    tokens, others = login(client), login(client)
    response = client.post("/api/logout", headers=bearer(tokens[kind]))
    assert (response.status_code, response.data) == (204, b"")
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert refresh(client, others["refresh_token"]).status_code == 200


def test_logout_of_a_session_that_has_ended_is_no_error(app: Flask) -> None:
    client = app.test_client()
    tokens = login(client)
    for _ in range(2):
        assert client.post("/api/logout", headers=bearer(tokens["refresh_token"])).status_code == 204


def test_logout_without_a_token_is_refused(app: Flask) -> None:
    response = app.test_client().post("/api/logout")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'


@pytest.mark.parametrize("token", ["junk", "a.b.c"])
def test_logout_with_a_bad_token_is_refused(app: Flask, token: str) -> None:
    response = app.test_client().post("/api/logout", headers=bearer(token))
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_logout_with_a_token_that_has_no_session_is_refused(app: Flask) -> None:
    tokens = login(make_session_app(None).test_client())
    for token in tokens.values():
        assert app.test_client().post("/api/logout", headers=bearer(token)).status_code == 401


def test_logout_with_an_expired_token_is_refused(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    tokens = login(client)
    clock.move(601)
    response = client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert response.status_code == 401
    assert client.post("/api/logout", headers=bearer(tokens["refresh_token"])).status_code == 204


# Looking after one's sessions


def test_sessions_are_listed_with_what_is_known_of_them(
    make_app: MakeApp, store_url: str, clock: Clock
) -> None:
    client = make_app(store_url).test_client()
    clock.now = float(int(clock.now))
    environ = {"REMOTE_ADDR": "198.51.100.7"}
    first = login(client, headers={"User-Agent": "Browser/1.0"}, environ_base=environ)
    opened = clock.now
    clock.move(60)
    second = login(client, headers={"User-Agent": ""})
    refresh(client, second["refresh_token"])

    def at(moment: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))

    assert sessions_of(client, first["access_token"]) == [
        {
            "id": claims(second["access_token"])["sid"],
            "created_at": at(clock.now),
            "last_used_at": at(clock.now),
            "expires_at": at(clock.now + 86400),
            "address": "127.0.0.1",
            "user_agent": None,
            "current": False,
        },
        {
            "id": claims(first["access_token"])["sid"],
            "created_at": at(opened),
            "last_used_at": at(opened),
            "expires_at": at(opened + 86400),
            "address": "198.51.100.7",
            "user_agent": "Browser/1.0",
            "current": True,
        },
    ]


def test_only_ones_own_sessions_are_listed(app: Flask) -> None:
    client = app.test_client()
    login(client)
    eve = login(client, "eve")
    assert len(sessions_of(client, eve["access_token"])) == 1


def test_list_shows_no_token_and_is_not_cached(app: Flask) -> None:
    client = app.test_client()
    tokens = login(client)
    response = client.get("/api/sessions", headers=bearer(tokens["access_token"]))
    assert response.headers["Cache-Control"] == "no-store"
    assert claims(tokens["refresh_token"])["jti"] not in response.text


def test_user_agent_is_kept_short_and_without_nul(make_app: MakeApp, store_url: str) -> None:
    app = make_app(store_url)
    client = app.test_client()
    environ = {"HTTP_USER_AGENT": "a\0" + "\xff" * 5000, "REMOTE_ADDR": "x" * 500}
    tokens = login(client, environ_overrides=environ)
    (session,) = sessions_of(client, tokens["access_token"])
    assert session["user_agent"] == "a" + "\xff" * 255
    assert session["address"] == "x" * 64


def test_one_session_is_ended_by_its_id(make_app: MakeApp, store_url: str) -> None:
    client = make_app(store_url).test_client()
    tokens, others = login(client), login(client)
    path = f"/api/sessions/{claims(others['access_token'])['sid']}"
    assert client.delete(path, headers=bearer(tokens["access_token"])).status_code == 204
    assert client.delete(path, headers=bearer(tokens["access_token"])).status_code == 404
    assert refresh(client, others["refresh_token"]).status_code == 401
    assert refresh(client, tokens["refresh_token"]).status_code == 200


def test_session_of_another_subject_is_not_found(make_app: MakeApp, store_url: str) -> None:
    client = make_app(store_url).test_client()
    admin, eve = login(client), login(client, "eve")
    path = f"/api/sessions/{claims(admin['access_token'])['sid']}"
    response = client.delete(path, headers=bearer(eve["access_token"]))
    assert response.status_code == 404
    assert response.json == {"code": 404, "message": "Not Found", "details": ["There is no such session"]}
    assert refresh(client, admin["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    "path", ["x", "x" * 5000, "%00", "%ff%fe", str(uuid.uuid4()), "a b", "{x}", "'--", "A" * 22]
)
def test_absurd_session_id_is_not_found(make_app: MakeApp, store_url: str, path: str) -> None:
    client = make_app(store_url).test_client()
    tokens = login(client)
    response = client.delete(f"/api/sessions/{path}", headers=bearer(tokens["access_token"]))
    assert response.status_code == 404


def test_all_of_ones_sessions_are_ended(make_app: MakeApp, store_url: str) -> None:
    client = make_app(store_url).test_client()
    tokens, others, eve = login(client), login(client), login(client, "eve")
    response = client.delete("/api/sessions", headers=bearer(tokens["access_token"]))
    assert response.status_code == 204
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert refresh(client, others["refresh_token"]).status_code == 401
    assert refresh(client, eve["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/sessions"), ("DELETE", "/api/sessions"), ("DELETE", "/api/sessions/x")],
)
def test_session_routes_ask_for_an_access_token_of_a_live_session(
    app: Flask, method: str, path: str
) -> None:
    client = app.test_client()
    tokens = login(client)
    assert client.open(path, method=method).status_code == 401
    assert client.open(path, method=method, headers=bearer(tokens["refresh_token"])).status_code == 401
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.open(path, method=method, headers=bearer(tokens["access_token"])).status_code == 401
    without = login(make_session_app(None).test_client())
    assert client.open(path, method=method, headers=bearer(without["access_token"])).status_code == 401


def test_open_app_still_asks_who_looks_at_sessions(make_app: MakeApp, sqlite_url: str) -> None:
    client = make_app(sqlite_url, ENABLE=False).test_client()
    assert client.get("/who").status_code == 200
    assert client.get("/api/sessions").status_code == 401


# The host


def test_host_opens_sessions_within_and_without_a_request(app: Flask) -> None:
    core_auth: CoreAuth = app.blueprints["core_auth"]  # type: ignore[assignment]
    with app.app_context():
        outside = core_auth.issue("admin", fresh=True)
    with app.test_request_context(headers={"User-Agent": "Browser"}, environ_base={"REMOTE_ADDR": "::1"}):
        core_auth.issue("admin")
    sessions = sessions_of(app.test_client(), outside.access_token)
    assert {(one["address"], one["user_agent"]) for one in sessions} == {(None, None), ("::1", "Browser")}
    assert refresh(app.test_client(), outside.refresh_token).status_code == 200


def test_host_revokes_every_session_of_a_subject(make_app: MakeApp, store_url: str) -> None:
    app = make_app(store_url)
    client = app.test_client()
    tokens, eve = [login(client), login(client)], login(client, "eve")
    core_auth: CoreAuth = app.blueprints["core_auth"]  # type: ignore[assignment]
    with app.app_context():
        assert core_auth.revoke("admin") == 2
        assert core_auth.revoke("admin") == 0
        assert core_auth.revoke("nobody") == 0
    assert [refresh(client, pair["refresh_token"]).status_code for pair in tokens] == [401, 401]
    assert refresh(client, eve["refresh_token"]).status_code == 200


def test_revoking_without_sessions_says_what_to_set() -> None:
    app = make_session_app(None)
    core_auth: CoreAuth = app.blueprints["core_auth"]  # type: ignore[assignment]
    with app.app_context(), pytest.raises(RuntimeError, match="API_AUTH_SESSIONS"):
        core_auth.revoke("admin")


# How soon a log-out bites


def test_access_token_lives_on_after_logout_where_refresh_asks(app: Flask) -> None:
    client = app.test_client()
    tokens = login(client)
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200


@pytest.mark.parametrize("warm", [False, True])
def test_access_token_is_refused_after_logout_where_always_asks(
    make_app: MakeApp, store_url: str, warm: bool
) -> None:
    app = make_app(store_url, SESSION_CHECK="always")
    app.add_url_rule("/extended", "extended", jwt_required()(lambda: "in"))
    client, core_auth = app.test_client(), app.blueprints["core_auth"]
    tokens = login(client)
    paths = ("/who", "/extended")
    if warm:
        for path in paths:
            assert client.get(path, headers=bearer(tokens["access_token"])).status_code == 200
    client.post("/api/logout", headers=bearer(tokens["refresh_token"]))
    for path in paths:
        response = client.get(path, headers=bearer(tokens["access_token"]))
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    with app.app_context(), pytest.raises(UnauthorizedError):
        core_auth.verify(tokens["access_token"])  # type: ignore[attr-defined]


def test_access_token_without_session_is_refused_where_always_asks(
    make_app: MakeApp, sqlite_url: str
) -> None:
    tokens = login(make_session_app(None).test_client())
    client = make_app(sqlite_url, SESSION_CHECK="always").test_client()
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 401


def test_open_routes_do_not_ask_for_a_session(make_app: MakeApp, sqlite_url: str) -> None:
    client = make_app(sqlite_url, SESSION_CHECK="always", ENABLE=False).test_client()
    tokens = login(client)
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200


def test_token_of_an_ended_session_is_none_at_all_from_loopback(make_app: MakeApp, sqlite_url: str) -> None:
    client = make_app(sqlite_url, SESSION_CHECK="always", DISABLE_LOCALHOST=True).test_client()
    tokens = login(client)
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.get("/who", headers=bearer(tokens["access_token"])).json == {"subject": None}
    remote = {"REMOTE_ADDR": "192.0.2.1"}
    headers = bearer(tokens["access_token"])
    assert client.get("/who", headers=headers, environ_base=remote).status_code == 401


def test_options_is_let_through_whatever_token_it_carries(make_app: MakeApp, sqlite_url: str) -> None:
    app = make_app(sqlite_url, SESSION_CHECK="always")
    who = app.view_functions["who"]
    app.add_url_rule("/own", "own", who, methods=["GET", "OPTIONS"], provide_automatic_options=False)
    client = app.test_client()
    tokens = login(client)
    assert client.get("/own", headers=bearer(tokens["access_token"])).json == {"subject": "admin"}
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.options("/own", headers=bearer(tokens["access_token"])).json == {"subject": None}


def test_about_is_short_for_a_token_of_an_ended_session(make_app: MakeApp, sqlite_url: str) -> None:
    about = {"app": "x", "id": "y"}
    client = make_app(sqlite_url, SESSION_CHECK="always", ABOUT=about).test_client()
    tokens = login(client)
    assert "id" in client.get("/api", headers=bearer(tokens["access_token"])).json
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert "id" not in client.get("/api", headers=bearer(tokens["access_token"])).json


def test_refresh_token_of_an_ended_session_is_refused_by_the_hosts_own_refresh(app: Flask) -> None:
    app.add_url_rule("/own", "own", jwt_required(refresh=True)(lambda: "in"))
    client = app.test_client()
    tokens = login(client)
    assert client.get("/own", headers=bearer(tokens["refresh_token"])).status_code == 200
    client.post("/api/logout", headers=bearer(tokens["access_token"]))
    assert client.get("/own", headers=bearer(tokens["refresh_token"])).status_code == 401


def test_protected_routes_never_touch_the_store_where_refresh_asks(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app.test_client()
    tokens = login(client)
    monkeypatch.setattr(app.extensions["core_auth"].sessions, "_store", None)
    for _ in range(3):
        assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200


# The log


def test_each_security_event_is_one_line_without_a_secret(
    make_app: MakeApp, sqlite_url: str, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    caplog.set_level(logging.INFO, "flask_core_auth")
    app = make_app(
        sqlite_url,
        REFRESH_ROTATION=True,
        USERS={"ad\nmin": {"password": "correct horse", "scopes": []}},
    )
    client = app.test_client()
    tokens = login(client, "ad\nmin")
    client.post("/api/login", json={"username": "ad\nmin", "password": "wrong guess"})
    rotated = refresh(client, tokens["refresh_token"]).json
    client.post("/api/logout", headers=bearer(rotated["access_token"]))
    again = login(client, "ad\nmin")
    refresh(client, again["refresh_token"])
    clock.move(11)
    refresh(client, again["refresh_token"])
    lines = [record.getMessage() for record in caplog.records if record.name == "flask_core_auth"]
    begin = [line.split(" ")[0] for line in lines]
    assert begin == ["Login", "Login", "Refresh", "Session", "Login", "Refresh", "A"]
    for line, secret in itertools.product(
        lines, ["correct horse", "wrong guess", *tokens.values(), *rotated.values(), SECRET, "\n"]
    ):
        assert secret not in line


def test_refresh_token_from_before_the_sessions_is_rejected_before_the_app_is_asked_for_claims(
    app: Flask,
) -> None:
    called = []

    def fail(subject: str) -> t.NoReturn:
        called.append(subject)
        raise RuntimeError("no claims")

    app.extensions["flask-jwt-extended"].additional_claims_loader(fail)
    assert refresh(app.test_client(), forge(forged("refresh"), secret=SECRET)).status_code == 401
    assert called == []

"""Sessions of an app: opened by a login, kept by refreshes, ended by the app; and the log."""

from __future__ import annotations

import itertools
import logging
import typing as t
from collections.abc import Callable

import pytest
from flask import Flask

from flask_core_auth import CoreAuth

from ..apps import Clock, bearer, log_in, post_login, refresh
from ..forge import read
from .app import SECRET, make_session_app

MakeApp = Callable[..., Flask]


@pytest.fixture
def app(make_app: MakeApp, sqlite_url: str) -> Flask:
    return make_app(sqlite_url)


def blueprint(app: Flask) -> CoreAuth:
    return t.cast(CoreAuth, app.blueprints["core_auth"])


# Logging in and refreshing


def test_tokens_of_a_login_carry_its_session(make_app: MakeApp, store_url: str) -> None:
    tokens = log_in(make_app(store_url).test_client())
    access, fresh = read(tokens["access_token"]), read(tokens["refresh_token"])
    assert access["sid"] == fresh["sid"]
    assert access["jti"] != fresh["jti"]


def test_each_login_has_a_session_of_its_own(app: Flask) -> None:
    ids = {read(log_in(app.test_client())["access_token"])["sid"] for _ in range(5)}
    assert len(ids) == 5
    assert all(len(session) == 22 for session in ids)


def test_refresh_without_rotation_returns_only_an_access_token(make_app: MakeApp, store_url: str) -> None:
    client = make_app(store_url).test_client()
    tokens = log_in(client)
    for _ in range(3):
        response = refresh(client, tokens["refresh_token"])
        assert response.status_code == 200
        assert list(response.json) == ["access_token"]
        assert read(response.json["access_token"])["sid"] == read(tokens["access_token"])["sid"]
        assert response.headers["Cache-Control"] == "no-store"


def test_refresh_token_without_a_session_is_rejected(app: Flask) -> None:
    tokens = log_in(make_session_app(None).test_client())
    client = app.test_client()
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200


def test_refresh_token_of_a_session_is_accepted_after_sessions_were_disabled(app: Flask) -> None:
    tokens = log_in(app.test_client())
    client = make_session_app(None).test_client()
    assert refresh(client, tokens["refresh_token"]).status_code == 200


def test_session_without_rotation_ends_with_its_refresh_token(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    tokens = log_in(client)
    clock.move(86400 - 10)
    access = refresh(client, tokens["refresh_token"]).json["access_token"]
    assert read(access)["exp"] == read(tokens["refresh_token"])["exp"]
    assert read(access)["exi"] == 10
    clock.move(10)
    assert refresh(client, tokens["refresh_token"]).status_code == 401


def test_tokens_do_not_outlive_the_maximum_age_of_their_session(
    make_app: MakeApp, sqlite_url: str, clock: Clock
) -> None:
    tokens = log_in(make_app(sqlite_url, SESSION_MAX_AGE=120).test_client())
    for token in tokens.values():
        assert read(token)["exp"] == int(clock.now) + 120
        assert read(token)["exi"] == 120


# Methods of the blueprint


def test_issue_opens_a_session_inside_and_outside_a_request(app: Flask) -> None:
    core_auth = blueprint(app)
    with app.app_context():
        outside = core_auth.issue("admin", fresh=True)
    with app.test_request_context(headers={"User-Agent": "Browser"}, environ_base={"REMOTE_ADDR": "::1"}):
        core_auth.issue("admin")
        sessions = core_auth.sessions_of("admin")
    assert {(one.address, one.user_agent) for one in sessions} == {(None, None), ("::1", "Browser")}
    assert refresh(app.test_client(), outside.refresh_token).status_code == 200


def test_revoke_ends_every_session_of_a_subject(make_app: MakeApp, store_url: str) -> None:
    app = make_app(store_url)
    client = app.test_client()
    tokens, eve = [log_in(client), log_in(client)], log_in(client, "eve")
    core_auth = blueprint(app)
    with app.app_context():
        assert core_auth.revoke("admin") == 2
        assert core_auth.revoke("admin") == 0
        assert core_auth.revoke("nobody") == 0
    assert [refresh(client, pair["refresh_token"]).status_code for pair in tokens] == [401, 401]
    assert refresh(client, eve["refresh_token"]).status_code == 200


def test_revoke_without_sessions_names_the_missing_setting() -> None:
    app = make_session_app(None)
    core_auth = blueprint(app)
    with app.app_context(), pytest.raises(RuntimeError, match="API_AUTH_SESSIONS"):
        core_auth.revoke("admin")


# The log


def test_each_security_event_is_logged_on_one_line_without_secrets(
    make_app: MakeApp, sqlite_url: str, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    caplog.set_level(logging.INFO, "flask_core_auth")
    app = make_app(
        sqlite_url,
        REFRESH_ROTATION=True,
        USERS={"ad\nmin": {"password": "correct horse", "scopes": []}},
    )
    client = app.test_client()
    tokens = log_in(client, "ad\nmin")
    post_login(client, "ad\nmin", "wrong guess")
    rotated = refresh(client, tokens["refresh_token"]).json
    client.post("/api/logout", headers=bearer(rotated["access_token"]))
    again = log_in(client, "ad\nmin")
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

"""What a host is told of, with sessions and without."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterator

import pytest
from flask import Flask, request

from flask_core_auth import signals

from .app import PASSWORD, bearer, claims, login, make_session_app, refresh
from .conftest import Clock

MakeApp = Callable[..., Flask]
Heard = list[tuple[str, Flask, dict[str, t.Any]]]

NAMES = ("logged_in", "login_failed", "token_refreshed", "logged_out", "refresh_reused")


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What all signals have been sent with, in turn."""
    seen: Heard = []
    receivers = []
    for name in NAMES:

        def receive(app: Flask, *, name: str = name, **values: t.Any) -> None:
            values.pop("_async_wrapper", None)
            seen.append((name, app, values))

        getattr(signals, name).connect(receive)
        receivers.append((name, receive))
    yield seen
    for name, receive in receivers:
        getattr(signals, name).disconnect(receive)


def test_login_and_refresh_are_told_without_sessions(heard: Heard) -> None:
    app = make_session_app(None)
    client = app.test_client()
    refresh(client, login(client)["refresh_token"])
    values = {"subject": "admin", "idp": "local", "session": None}
    assert heard == [("logged_in", app, values), ("token_refreshed", app, values)]


def test_login_and_refresh_are_told_with_their_session(
    make_app: MakeApp, sqlite_url: str, heard: Heard
) -> None:
    app = make_app(sqlite_url, REFRESH_ROTATION=True)
    client = app.test_client()
    tokens = login(client)
    refresh(client, tokens["refresh_token"])
    values = {"subject": "admin", "idp": "local", "session": claims(tokens["access_token"])["sid"]}
    assert heard == [("logged_in", app, values), ("token_refreshed", app, values)]


def test_refused_login_is_told_with_the_user_name_and_why(heard: Heard) -> None:
    app = make_session_app(None)
    app.test_client().post("/api/login", json={"username": "mallory", "password": "guess"})
    values = {"username": "mallory", "detail": "Wrong username or password"}
    assert heard == [("login_failed", app, values)]


def test_login_that_is_not_decided_is_not_told(heard: Heard) -> None:
    client = make_session_app(None).test_client()
    assert client.post("/api/login").status_code == 400
    assert heard == []


def test_logout_is_told_once(make_app: MakeApp, sqlite_url: str, heard: Heard) -> None:
    app = make_app(sqlite_url)
    client = app.test_client()
    tokens = login(client)
    for _ in range(2):
        client.post("/api/logout", headers=bearer(tokens["access_token"]))
    values = {"subject": "admin", "idp": "local", "session": claims(tokens["access_token"])["sid"]}
    assert heard[1:] == [("logged_out", app, values)]


def test_each_session_that_is_ended_is_told(make_app: MakeApp, store_url: str, heard: Heard) -> None:
    app = make_app(store_url)
    client = app.test_client()
    ids = {claims(login(client)["access_token"])["sid"] for _ in range(3)}
    login(client, "eve")
    with app.app_context():
        app.blueprints["core_auth"].revoke("admin")  # type: ignore[attr-defined]
    ended = [values for name, _, values in heard if name == "logged_out"]
    assert {values["session"] for values in ended} == ids
    assert {(values["subject"], values["idp"]) for values in ended} == {("admin", "local")}


def test_reuse_is_told_once_and_is_no_refresh(
    make_app: MakeApp, store_url: str, heard: Heard, clock: Clock
) -> None:
    app = make_app(store_url, REFRESH_ROTATION=True)
    client = app.test_client()
    tokens = login(client)
    refresh(client, tokens["refresh_token"])
    clock.move(60)
    for _ in range(2):
        refresh(client, tokens["refresh_token"])
    values = {"subject": "admin", "idp": "local", "session": claims(tokens["access_token"])["sid"]}
    assert [name for name, _, _ in heard] == ["logged_in", "token_refreshed", "refresh_reused"]
    assert heard[2] == ("refresh_reused", app, values)


def test_no_secret_is_told(make_app: MakeApp, sqlite_url: str, heard: Heard, clock: Clock) -> None:
    client = make_app(sqlite_url, REFRESH_ROTATION=True).test_client()
    tokens = login(client)
    refresh(client, tokens["refresh_token"])
    clock.move(60)
    refresh(client, tokens["refresh_token"])
    client.post("/api/login", json={"username": "admin", "password": "guess"})
    told = repr([values for _, _, values in heard])
    assert {name for name, _, _ in heard} == set(NAMES) - {"logged_out"}
    for secret in (*tokens.values(), PASSWORD, "guess"):
        assert secret not in told


def test_receiver_may_look_at_the_request_and_may_be_async() -> None:
    app = make_session_app(None)
    seen = []

    async def receive(app: Flask, **values: t.Any) -> None:
        seen.append(request.user_agent.string)

    with signals.logged_in.connected_to(receive, app):
        login(app.test_client(), headers={"User-Agent": "Browser"})
    assert seen == ["Browser"]


def test_receiver_that_fails_breaks_the_request_as_with_flasks_own() -> None:
    app = make_session_app(None)

    def receive(app: Flask, **values: t.Any) -> None:
        raise LookupError

    credentials = {"username": "admin", "password": PASSWORD}
    with signals.logged_in.connected_to(receive, app):
        assert app.test_client().post("/api/login", json=credentials).status_code == 500


def test_failed_login_is_counted_though_a_receiver_fails() -> None:
    client = make_session_app(None, LOGIN_LIMIT="2/minute").test_client()

    def receive(app: Flask, **values: t.Any) -> None:
        raise LookupError

    wrong = {"username": "admin", "password": "guess"}
    with signals.login_failed.connected_to(receive):
        statuses = [client.post("/api/login", json=wrong).status_code for _ in range(3)]
    assert statuses == [500, 500, 429]

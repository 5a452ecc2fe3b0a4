"""The signals of logins, refreshes and sessions."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
from flask import Flask, request

from flask_core_auth import signals

from .apps import EVE, PASSWORD, Clock, bearer, log_in, post_login, refresh
from .conftest import MakeApp
from .forge import read

Heard = list[tuple[str, Flask, dict[str, t.Any]]]

NAMES = (
    "logged_in",
    "login_failed",
    "token_refreshed",
    "logged_out",
    "refresh_repeated",
    "refresh_reused",
)


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Every signal that was sent: its name, its app and its values."""
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


def test_login_and_refresh_send_signals_without_sessions(make_app: MakeApp, heard: Heard) -> None:
    app = make_app()
    client = app.test_client()
    refresh(client, log_in(client)["refresh_token"])
    values = {"subject": "admin", "idp": "local", "session": None}
    assert heard == [("logged_in", app, values), ("token_refreshed", app, values)]


def test_login_and_refresh_send_signals_with_their_session(
    make_app: MakeApp, sqlite_url: str, heard: Heard
) -> None:
    app = make_app(API_AUTH_SESSIONS=sqlite_url, API_AUTH_REFRESH_ROTATION=True)
    client = app.test_client()
    tokens = log_in(client)
    refresh(client, tokens["refresh_token"])
    values = {"subject": "admin", "idp": "local", "session": read(tokens["access_token"])["sid"]}
    assert heard == [("logged_in", app, values), ("token_refreshed", app, values)]


def test_rejected_login_sends_the_username_and_the_reason(make_app: MakeApp, heard: Heard) -> None:
    app = make_app()
    post_login(app, "mallory", "guess")
    values = {"username": "mallory", "detail": "Wrong username or password"}
    assert heard == [("login_failed", app, values)]


def test_login_without_credentials_sends_no_signal(make_app: MakeApp, heard: Heard) -> None:
    client = make_app().test_client()
    assert client.post("/api/login").status_code == 400
    assert heard == []


def test_logout_sends_one_signal(make_app: MakeApp, sqlite_url: str, heard: Heard) -> None:
    app = make_app(API_AUTH_SESSIONS=sqlite_url)
    client = app.test_client()
    tokens = log_in(client)
    for _ in range(2):
        client.post("/api/logout", headers=bearer(tokens["access_token"]))
    values = {"subject": "admin", "idp": "local", "session": read(tokens["access_token"])["sid"]}
    assert heard[1:] == [("logged_out", app, values)]


def test_revoke_sends_one_signal_for_each_session(make_app: MakeApp, store_url: str, heard: Heard) -> None:
    app = make_app(API_AUTH_SESSIONS=store_url, API_AUTH_USERS=EVE)
    client = app.test_client()
    ids = {read(log_in(client)["access_token"])["sid"] for _ in range(3)}
    log_in(client, "eve")
    with app.app_context():
        app.blueprints["core_auth"].revoke("admin")  # type: ignore[attr-defined]
    ended = [values for name, _, values in heard if name == "logged_out"]
    assert {values["session"] for values in ended} == ids
    assert {(values["subject"], values["idp"]) for values in ended} == {("admin", "local")}


def test_reused_refresh_token_sends_one_signal_and_is_not_a_refresh(
    make_app: MakeApp, store_url: str, heard: Heard, clock: Clock
) -> None:
    app = make_app(API_AUTH_SESSIONS=store_url, API_AUTH_REFRESH_ROTATION=True)
    client = app.test_client()
    tokens = log_in(client)
    refresh(client, tokens["refresh_token"])
    clock.move(60)
    for _ in range(2):
        refresh(client, tokens["refresh_token"])
    values = {"subject": "admin", "idp": "local", "session": read(tokens["access_token"])["sid"]}
    assert [name for name, _, _ in heard] == ["logged_in", "token_refreshed", "refresh_reused"]
    assert heard[2] == ("refresh_reused", app, values)


def test_rotated_refresh_token_sends_a_signal_each_time_it_is_accepted_within_the_grace(
    make_app: MakeApp, store_url: str, heard: Heard, clock: Clock
) -> None:
    app = make_app(API_AUTH_SESSIONS=store_url, API_AUTH_REFRESH_ROTATION=True)
    tokens = log_in(app)
    refreshed = refresh(app, tokens["refresh_token"]).json
    clock.move(5)
    # The token in force is no repetition, though it does not rotate within the grace.
    assert refresh(app, refreshed["refresh_token"]).status_code == 200
    for _ in range(2):
        assert refresh(app, tokens["refresh_token"]).status_code == 200
    values = {"subject": "admin", "idp": "local", "session": read(tokens["access_token"])["sid"]}
    repeated = ["refresh_repeated", "token_refreshed"]
    assert [name for name, _, _ in heard] == ["logged_in", *["token_refreshed"] * 2, *repeated * 2]
    assert heard[3] == ("refresh_repeated", app, values)


def test_refresh_without_rotation_sends_no_repetition(
    make_app: MakeApp, store_url: str, heard: Heard
) -> None:
    app = make_app(API_AUTH_SESSIONS=store_url)
    token = log_in(app)["refresh_token"]
    assert [refresh(app, token).status_code for _ in range(3)] == [200] * 3
    assert "refresh_repeated" not in [name for name, _, _ in heard]


def test_signals_carry_no_secret(make_app: MakeApp, sqlite_url: str, heard: Heard, clock: Clock) -> None:
    client = make_app(API_AUTH_SESSIONS=sqlite_url, API_AUTH_REFRESH_ROTATION=True).test_client()
    tokens = log_in(client)
    for after in (0, 0, 60):
        clock.move(after)
        refresh(client, tokens["refresh_token"])
    post_login(client, password="guess")
    sent = repr([values for _, _, values in heard])
    assert {name for name, _, _ in heard} == set(NAMES) - {"logged_out"}
    for secret in (*tokens.values(), PASSWORD, "guess"):
        assert secret not in sent


def test_receiver_may_read_the_request_and_may_be_async(make_app: MakeApp) -> None:
    app = make_app()
    seen = []

    async def receive(app: Flask, **values: t.Any) -> None:
        seen.append(request.user_agent.string)

    with signals.logged_in.connected_to(receive, app):
        log_in(app.test_client(), headers={"User-Agent": "Browser"})
    assert seen == ["Browser"]


def test_failing_receiver_breaks_the_request_as_with_signals_of_flask(make_app: MakeApp) -> None:
    app = make_app()

    def receive(app: Flask, **values: t.Any) -> None:
        raise LookupError

    with signals.logged_in.connected_to(receive, app):
        assert post_login(app).status_code == 500


def test_failed_login_is_counted_when_a_receiver_fails(make_app: MakeApp) -> None:
    client = make_app(API_AUTH_LOGIN_LIMIT="2/minute").test_client()

    def receive(app: Flask, **values: t.Any) -> None:
        raise LookupError

    with signals.login_failed.connected_to(receive):
        statuses = [post_login(client, password="guess").status_code for _ in range(3)]
    assert statuses == [500, 500, 429]

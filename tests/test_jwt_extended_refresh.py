"""``jwt_required(refresh=True)`` under the built-in manager accepts what a refresh accepts, and changes
nothing."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_core_auth import signals
from flask_core_auth.testing import FakeTenant

from .apps import EVE, Clock, add_jwt_required_routes, bearer, log_in, refresh
from .conftest import MakeApp
from .forge import claims, forge, read


@pytest.fixture
def rotating(make_app: MakeApp, store_url: str, clock: Clock) -> Flask:
    app = make_app(API_AUTH_SESSIONS=store_url, API_AUTH_REFRESH_ROTATION=True)
    add_jwt_required_routes(app)
    return app


def status(app: Flask, token: str) -> int:
    return app.test_client().get("/extended/refresh", headers=bearer(token)).status_code


def test_token_in_force_and_the_one_before_within_the_grace_are_accepted(
    rotating: Flask, clock: Clock
) -> None:
    first = log_in(rotating)["refresh_token"]
    assert status(rotating, first) == 200
    second = refresh(rotating, first).json["refresh_token"]
    clock.move(9.5)
    assert [status(rotating, token) for token in (first, second)] == [200, 200]
    clock.move(0.5)
    assert [status(rotating, token) for token in (first, second)] == [401, 200]


def test_spent_token_is_rejected_and_neither_ends_its_session_nor_sends_a_signal(
    rotating: Flask, clock: Clock
) -> None:
    sent = []

    def receive(app: Flask, **values: object) -> None:
        sent.append(values)

    first = log_in(rotating)["refresh_token"]
    second = refresh(rotating, first).json["refresh_token"]
    clock.move(60)
    with (
        signals.refresh_reused.connected_to(receive),
        signals.refresh_repeated.connected_to(receive),
        signals.logged_out.connected_to(receive),
    ):
        assert status(rotating, first) == 401
    assert sent == []
    assert refresh(rotating, second).status_code == 200


def test_accepted_token_is_not_spent_and_its_session_not_used(rotating: Flask, clock: Clock) -> None:
    tokens = log_in(rotating)
    clock.move(60)
    for _ in range(3):
        assert status(rotating, tokens["refresh_token"]) == 200
    headers = bearer(tokens["access_token"])
    (listed,) = rotating.test_client().get("/api/sessions", headers=headers).json["sessions"]
    assert listed["last_used_at"] == listed["created_at"]


@pytest.mark.parametrize(
    "changes", [{"sid": ...}, {"sid": 7}, {"sid": "x" * 22}, {"jti": "other"}, {"jti": 7}]
)
def test_token_without_a_session_in_force_is_rejected(rotating: Flask, changes: dict[str, object]) -> None:
    valid = read(log_in(rotating)["refresh_token"])
    assert status(rotating, forge(valid)) == 200
    changed = {name: value for name, value in {**valid, **changes}.items() if value is not ...}
    assert status(rotating, forge(changed)) == 401


def test_token_of_another_subject_is_rejected_for_the_session(rotating: Flask) -> None:
    valid = read(log_in(rotating)["refresh_token"])
    assert status(rotating, forge({**valid, "sub": "other", "idp": "host"})) == 401


@pytest.mark.parametrize("sessions", [False, True])
def test_tokens_of_a_removed_user_and_of_an_old_password_are_rejected(
    make_app: MakeApp, sqlite_url: str, sessions: bool
) -> None:
    def make(**users: object) -> Flask:
        store = {"API_AUTH_SESSIONS": sqlite_url} if sessions else {}
        app = make_app(API_AUTH_USERS=users, **store)
        add_jwt_required_routes(app)
        return app

    token = log_in(make(**EVE), "eve")["refresh_token"]
    changed = {"eve": {"password": "another password", "scopes": []}}
    assert [status(make(**users), token) for users in (EVE, {}, changed, EVE)] == [200, 401, 401, 200]


def test_token_of_a_user_whom_a_tenant_no_longer_lists_is_rejected(make_app: MakeApp) -> None:
    tenant = FakeTenant()

    def make() -> Flask:
        app = make_app(**tenant.config)
        add_jwt_required_routes(app)
        return app

    app = make()
    with tenant.serving():
        tokens = app.test_client().post("/api/login", headers=bearer(tenant.token())).json
    assert status(app, tokens["refresh_token"]) == 200
    tenant.users = ["auth0|somebody-else"]
    assert status(make(), tokens["refresh_token"]) == 401


@pytest.mark.parametrize(
    "changes", [{"sub": ""}, {"sub": "a\0b"}, {"scope": '"'}, {"cred": ...}, {"cred": 7}], ids=repr
)
def test_token_with_claims_that_no_refresh_accepts_is_rejected(
    make_app: MakeApp, changes: dict[str, object]
) -> None:
    app = make_app()
    add_jwt_required_routes(app)
    valid = read(log_in(app)["refresh_token"])
    assert status(app, forge(valid)) == 200
    changed = {name: value for name, value in {**valid, **changes}.items() if value is not ...}
    assert status(app, forge(changed)) == refresh(app, forge(changed)).status_code == 401


def test_token_that_the_app_issued_is_accepted_unless_its_subject_is_none(make_app: MakeApp) -> None:
    app = make_app()
    add_jwt_required_routes(app)
    assert status(app, forge(claims("refresh"))) == 200
    for subject in ("", "a\0b", "\ud800"):
        token = forge(claims("refresh", sub=subject))
        assert status(app, token) == refresh(app, token).status_code == 401


def test_token_verification_of_the_app_does_not_hide_a_spent_token_from_the_refresh(
    rotating: Flask, clock: Clock
) -> None:
    verified = []

    @rotating.extensions["flask-jwt-extended"].token_verification_loader
    def verify(header: dict[str, object], claims: dict[str, object]) -> bool:
        verified.append(claims["jti"])
        return True

    first = log_in(rotating)["refresh_token"]
    second = refresh(rotating, first).json["refresh_token"]
    clock.move(60)
    assert refresh(rotating, first).status_code == 401
    assert refresh(rotating, second).status_code == 401
    assert verified == [read(token)["jti"] for token in (first, first, second)]
    assert status(rotating, second) == 401

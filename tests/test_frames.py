"""Local variables while the app's code runs, and after its errors: error trackers store them."""

from __future__ import annotations

import traceback
import typing as t
from collections.abc import Callable, Iterator
from unittest import mock

import pytest
from blinker import NamedSignal
from flask import Flask, abort
from flask.testing import FlaskClient
from flask_jwt_extended.tokens import _encode_jwt

from flask_core_auth import CoreAuth, passwords, signals
from flask_core_auth.sessions.store import StoreDownError
from flask_core_auth.testing import FakeTenant

from .apps import Clock, add_manager, bearer, log_in, post_login, refresh
from .conftest import MakeApp
from .forge import read
from .frames import PACKAGE, frames_of, leaks, raised_by

PASSWORD = "canary-that-no-frame-shows"
#: Exceptions leave the app, those that are responses included.
TRAP = {"TRAP_HTTP_EXCEPTIONS": True, "PROPAGATE_EXCEPTIONS": True}


class FailedError(Exception):
    """Raised by the code of an app."""


class FailingCode:
    """Code of an app that looks at the frames it is called from, and raises."""

    def __init__(self, *secrets: str) -> None:
        self.secrets = (PASSWORD, *secrets)
        self.calls = 0
        self.found: list[str] = []

    def __call__(self, *arguments: object, **values: object) -> t.NoReturn:
        self.calls += 1
        self.found += leaks((frame for frame, _ in traceback.walk_stack(None)), self.secrets)
        raise FailedError


@pytest.fixture
def fake_tenant() -> Iterator[FakeTenant]:
    with FakeTenant().serving() as tenant:
        yield tenant


def assert_no_leaks(call: Callable[[], t.Any], *secrets: str) -> None:
    """Check the frames that the exception of a call has left."""
    error = raised_by(call)
    assert error is not None
    frames = list(frames_of(error))
    assert any(frame.f_code.co_filename.startswith(PACKAGE) for frame in frames), error
    assert leaks(frames, (PASSWORD, *secrets)) == []


def assert_no_leaks_while_sent(
    signal: NamedSignal, app: Flask, call: Callable[[], t.Any], *secrets: str
) -> None:
    """Check the frames while a receiver of a signal runs, and those that its exception has left."""
    code = FailingCode(*secrets)
    with signal.connected_to(code, app):
        assert_no_leaks(call, *secrets)
    assert code.calls == 1
    assert code.found == []


@pytest.fixture
def app(make_app: MakeApp, sqlite_url: str) -> Flask:
    return make_app(
        API_AUTH_PASSWORD=PASSWORD,
        API_AUTH_SESSIONS=sqlite_url,
        API_AUTH_SESSION_CHECK="always",
        API_AUTH_REFRESH_ROTATION=True,
        API_AUTH_COOKIES=True,
        **TRAP,
    )


@pytest.fixture
def tokens(client: FlaskClient) -> dict[str, str]:
    return log_in(client, password=PASSWORD)


# Signals


@pytest.mark.parametrize("sessions", [True, False])
def test_logged_in(make_app: MakeApp, sqlite_url: str, sessions: bool) -> None:
    app = make_app(API_AUTH_PASSWORD=PASSWORD, API_AUTH_SESSIONS=sqlite_url if sessions else None, **TRAP)
    assert_no_leaks_while_sent(signals.logged_in, app, lambda: post_login(app, password=PASSWORD))


def test_login_failed(app: Flask) -> None:
    assert_no_leaks_while_sent(signals.login_failed, app, lambda: post_login(app, password=PASSWORD + "x"))


def test_login_failed_for_a_verifier_that_aborts(make_app: MakeApp) -> None:
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: abort(400))
    app = make_app(core_auth, **TRAP)
    assert_no_leaks_while_sent(
        signals.login_failed, app, lambda: post_login(app, username="bob", password=PASSWORD)
    )


def test_login_failed_past_the_limit(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(API_AUTH_LOGIN_LIMIT="1/minute", **TRAP)
    throttle = app.extensions["core_auth"].throttle
    monkeypatch.setattr(type(throttle), "check", lambda self, address, name: None)
    raised_by(lambda: post_login(app, password=PASSWORD))
    assert_no_leaks_while_sent(signals.login_failed, app, lambda: post_login(app, password=PASSWORD))


@pytest.mark.parametrize("subject", ["auth0|alice", "auth0|mallory"])
def test_login_with_the_token_of_a_tenant(make_app: MakeApp, fake_tenant: FakeTenant, subject: str) -> None:
    app = make_app(**fake_tenant.config, **TRAP)
    token = fake_tenant.token(subject)
    signal = signals.logged_in if subject == "auth0|alice" else signals.login_failed
    assert_no_leaks_while_sent(
        signal,
        app,
        lambda: app.test_client().post("/api/login", headers=bearer(token)),
        *token.split("."),
    )


def test_token_refreshed(app: Flask, tokens: dict[str, str]) -> None:
    assert_no_leaks_while_sent(
        signals.token_refreshed, app, lambda: refresh(app, tokens["refresh_token"]), *tokens.values()
    )


def test_refresh_reused(app: Flask, tokens: dict[str, str], clock: Clock) -> None:
    refresh(app, tokens["refresh_token"])
    clock.move(60)
    assert_no_leaks_while_sent(
        signals.refresh_reused, app, lambda: refresh(app, tokens["refresh_token"]), *tokens.values()
    )


@pytest.mark.parametrize("route", ["POST /api/logout", "DELETE /api/sessions", "DELETE /api/sessions/{}"])
def test_logged_out(app: Flask, tokens: dict[str, str], route: str) -> None:
    method, path = route.format(read(tokens["access_token"])["sid"]).split()
    headers = bearer(tokens["access_token"])
    assert_no_leaks_while_sent(
        signals.logged_out,
        app,
        lambda: app.test_client().open(path, method=method, headers=headers),
        *tokens.values(),
    )


def test_logged_out_by_a_login_past_the_limit_of_sessions(make_app: MakeApp, sqlite_url: str) -> None:
    app = make_app(
        API_AUTH_PASSWORD=PASSWORD, API_AUTH_SESSIONS=sqlite_url, API_AUTH_SESSION_LIMIT=1, **TRAP
    )
    first = log_in(app, password=PASSWORD)
    assert_no_leaks_while_sent(
        signals.logged_out, app, lambda: post_login(app, password=PASSWORD), *first.values()
    )


# Failures


@pytest.mark.parametrize(
    "body",
    [f'{{"username": "", "password": "{PASSWORD}"}}', f'{{"password": "{PASSWORD}"}}', f'"{PASSWORD}'],
)
def test_malformed_login(app: Flask, body: str) -> None:
    assert_no_leaks(
        lambda: app.test_client().post("/api/login", data=body, content_type="application/json")
    )


@pytest.mark.parametrize("subject", [None, "auth0|mallory"])
def test_rejected_login(make_app: MakeApp, fake_tenant: FakeTenant, subject: str | None) -> None:
    app = make_app(**fake_tenant.config, **TRAP)
    if subject is None:
        assert_no_leaks(lambda: post_login(app, password=PASSWORD))
        return
    token = fake_tenant.token(subject)
    assert_no_leaks(lambda: app.test_client().post("/api/login", headers=bearer(token)), *token.split("."))


def test_password_verifier_that_fails(make_app: MakeApp) -> None:
    core_auth, code = CoreAuth(), FailingCode()
    core_auth.password_verifier(code)
    app = make_app(core_auth, **TRAP)
    assert_no_leaks(lambda: post_login(app, username="bob", password=PASSWORD))
    assert code.calls == 1
    assert code.found == []


@pytest.mark.parametrize("method", ["plain", "scrypt"])
def test_hash_that_is_aborted(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def abort_hash(*arguments: object) -> bool:
        raise MemoryError

    users = {
        "bob": {"password": "scrypt:32768:8:1$salt$" + "0" * 128},
        "plain": {"password": PASSWORD},
    }
    app = make_app(API_AUTH_USERS=users, API_AUTH_PASSWORD=PASSWORD, **TRAP)
    monkeypatch.setattr(passwords, "check_password_hash", abort_hash)
    name = "bob" if method == "scrypt" else "plain"
    assert_no_leaks(lambda: post_login(app, username=name, password=PASSWORD))


class FailingStore:
    """A store whose methods all raise."""

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., t.NoReturn]:
        def fail(*arguments: object, **options: object) -> t.NoReturn:
            raise self._error

        return fail


@pytest.mark.parametrize("error", [StoreDownError, FailedError])
@pytest.mark.parametrize("call", ["login", "refresh", "protected", "list", "logout", "issue", "verify"])
def test_store_that_fails(
    app: Flask,
    tokens: dict[str, str],
    call: str,
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access, core_auth = tokens["access_token"], t.cast(CoreAuth, app.blueprints["core_auth"])
    client = app.test_client()
    calls: dict[str, Callable[[], t.Any]] = {
        "login": lambda: post_login(client, password=PASSWORD),
        "refresh": lambda: refresh(client, tokens["refresh_token"]),
        "protected": lambda: client.get("/who", headers=bearer(access)),
        "list": lambda: client.get("/api/sessions", headers=bearer(access)),
        "logout": lambda: client.post("/api/logout", headers=bearer(access)),
        "issue": lambda: core_auth.issue("carol"),
        "verify": lambda: core_auth.verify(access),
    }
    monkeypatch.setattr(app.extensions["core_auth"].sessions, "_store", FailingStore(error))
    with app.app_context():
        assert_no_leaks(calls[call], *tokens.values())


LOADERS = (
    "additional_claims_loader",
    "additional_headers_loader",
    "token_in_blocklist_loader",
    "token_verification_loader",
    "user_lookup_loader",
)


@pytest.mark.parametrize("name", LOADERS)
def test_callback_that_fails(make_app: MakeApp, sqlite_url: str, name: str) -> None:
    app = make_app(API_AUTH_PASSWORD=PASSWORD, API_AUTH_SESSIONS=sqlite_url, host=add_manager, **TRAP)
    tokens = log_in(app, password=PASSWORD)
    code = FailingCode(*tokens.values())
    getattr(app.extensions["flask-jwt-extended"], name)(code)
    core_auth = t.cast(CoreAuth, app.blueprints["core_auth"])
    calls: list[Callable[[], t.Any]] = [lambda: refresh(app, tokens["refresh_token"])]
    if name.startswith("additional"):
        calls += (lambda: post_login(app, password=PASSWORD), lambda: core_auth.issue("carol"))
    else:
        calls += (
            lambda: app.test_client().get("/who", headers=bearer(tokens["access_token"])),
            lambda: core_auth.verify(tokens["access_token"]),
        )
    with app.app_context():
        for call in calls:
            assert_no_leaks(call, *tokens.values())
    assert code.calls == len(calls)
    assert code.found == []


@pytest.mark.parametrize("rotation", [True, False])
def test_token_that_cannot_be_issued(make_app: MakeApp, sqlite_url: str, rotation: bool) -> None:
    """Of the two tokens of a login or a refresh, either may be the one that fails."""
    app = make_app(
        API_AUTH_PASSWORD=PASSWORD,
        API_AUTH_SESSIONS=sqlite_url,
        API_AUTH_REFRESH_ROTATION=rotation,
        **TRAP,
    )
    tokens = log_in(app, password=PASSWORD)
    calls: list[Callable[[], t.Any]] = [
        lambda: post_login(app, password=PASSWORD),
        lambda: refresh(app, tokens["refresh_token"]),
    ]
    for use in ("refresh", "access") if rotation else ("access",):
        with mock.patch("flask_core_auth.tokens._encode_jwt", failing(use)):
            for call in calls:
                assert_no_leaks(call, *tokens.values())
    app.extensions["flask-jwt-extended"].additional_claims_loader(lambda subject: {"x": "x" * 9000})
    for call in calls:
        assert_no_leaks(call, *tokens.values())


def failing(use: str) -> Callable[..., str]:
    """Make a function that issues tokens, but none for a use."""

    def encode(**options: t.Any) -> str:
        if options["token_type"] == use:
            raise FailedError
        return t.cast(str, _encode_jwt(**options))

    return encode

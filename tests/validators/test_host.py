"""Logging in by the app's own check, its ``password_verifier``."""

from __future__ import annotations

import logging
from collections.abc import Callable

import jwt
import pytest
from flask import Flask, abort
from werkzeug.exceptions import Unauthorized
from werkzeug.test import TestResponse

from flask_core_auth import CoreAuth, Identity
from flask_core_auth.validators.host import HostValidator

from ..apps import post_login
from ..forge import read


@pytest.fixture
def core_auth() -> CoreAuth:
    return CoreAuth()


@pytest.fixture
def app(make_app, core_auth) -> Flask:
    return make_app(core_auth)


@pytest.fixture
def attempt(app) -> Callable[..., TestResponse]:
    """Try to log in as a user who is not configured."""

    def attempt(username: str = "somebody", password: str = "secret") -> TestResponse:
        return post_login(app, username, password)

    return attempt


def test_verifier_gets_the_credentials_and_returns_the_subject(core_auth, attempt):
    given = []

    @core_auth.password_verifier
    def verify(username, password):
        given.append((username, password))
        return "user-7"

    claims = read(attempt("sömebody", "sëcret").json["access_token"])
    assert given == [("sömebody", "sëcret")]
    assert (claims["sub"], claims["idp"], claims["fresh"]) == ("user-7", "host", True)
    assert "scope" not in claims
    assert verify("x", "y") == "user-7", "the decorator returns the function"


def test_scopes_of_the_returned_identity_are_granted(core_auth, attempt):
    core_auth.password_verifier(lambda username, password: Identity("user-7", scopes=frozenset(("b", "a"))))
    claims = read(attempt().json["access_token"])
    assert (claims["sub"], claims["scope"]) == ("user-7", "a b")


def test_returned_identity_always_belongs_to_the_app(core_auth, attempt):
    # Otherwise it could pass for a tenant's user, or for a configured one.
    core_auth.password_verifier(lambda username, password: Identity("user-7", idp="local"))
    assert read(attempt().json["access_token"])["idp"] == "host"


def test_login_that_the_verifier_rejects_gets_a_403(core_auth, attempt):
    core_auth.password_verifier(lambda username, password: None)
    response = attempt()
    assert response.status_code == 403
    assert response.json["details"] == ["Wrong username or password"]


@pytest.mark.parametrize(
    "answer",
    [
        True,
        False,
        "",
        5,
        b"user",
        object(),
        ("user", "scopes"),
        "a\0b",
        "\ud800",
        Identity(None),
        Identity(""),
        Identity("user", authenticated=False),
    ],
    ids=repr,
)
def test_invalid_return_value_of_the_verifier_gets_a_503(core_auth, attempt, answer, caplog):
    core_auth.password_verifier(lambda username, password: answer)
    response = attempt()
    assert response.status_code == 503
    assert response.json["details"] == ["A check of the application failed"]
    assert "password_verifier" in caplog.text


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError("secret thing"), TypeError(), jwt.ExpiredSignatureError(), jwt.InvalidKeyError()],
)
def test_exception_of_the_verifier_gets_a_503_and_is_logged(core_auth, attempt, error, caplog):
    def fail(username, password):
        raise error

    core_auth.password_verifier(fail)
    response = attempt()
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "secret thing" not in response.text
    assert "The app's password_verifier failed" in caplog.text
    assert type(error).__name__ in caplog.text


def test_verifier_with_a_wrong_signature_gets_a_503(core_auth, attempt):
    core_auth.password_verifier(lambda username: username)
    assert attempt().status_code == 503


def test_abort_in_the_verifier_is_the_response(core_auth, attempt):
    core_auth.password_verifier(lambda username, password: abort(418))
    assert attempt().status_code == 418


@pytest.mark.parametrize("refuse", [lambda: abort(403), lambda: abort(401), lambda: None])
def test_rejections_by_the_verifier_are_counted(core_auth, attempt, refuse):
    def verify(username, password):
        return refuse()

    core_auth.password_verifier(verify)
    statuses = [attempt().status_code for _ in range(12)]
    assert statuses[-1] == 429
    assert statuses.count(429) == 2


def test_exceptions_of_the_verifier_are_not_counted(core_auth, attempt):
    core_auth.password_verifier(lambda username, password: 1 / 0)
    assert {attempt().status_code for _ in range(12)} == {503}


def test_login_is_rejected_without_a_verifier():
    assert HostValidator().validate("somebody", "secret") is None


def test_verifier_may_be_registered_after_the_blueprint(core_auth, attempt):
    assert attempt().status_code == 403
    core_auth.password_verifier(lambda username, password: username)
    assert attempt().status_code == 200


def test_exception_with_a_description_is_the_response(core_auth, attempt):
    def refuse(username, password):
        raise Unauthorized("not you")

    core_auth.password_verifier(refuse)
    assert "not you" in attempt().text


def test_verifier_may_be_a_coroutine_function(core_auth, attempt):
    @core_auth.password_verifier
    async def verify(username, password):
        return username

    assert attempt("somebody").status_code == 200


def test_invalid_return_value_is_logged_with_the_allowed_ones(core_auth, attempt, caplog):
    core_auth.password_verifier(lambda username, password: (7, "scrypt:32768:8:1$salt$hash"))
    assert attempt().status_code == 503
    assert "must return a string that is not empty, an Identity or None, not tuple" in caplog.text
    assert "salt$hash" not in caplog.text


def test_description_of_a_rejection_is_one_line_of_the_log(core_auth, attempt, caplog):
    @core_auth.password_verifier
    def verify(username, password):
        abort(403, f"no user {username}")

    attempt("eve\nINFO:flask_core_auth:Login of 'admin' (local) from 10.0.0.1\x1b[2K")
    [record] = [record for record in caplog.records if "refused" in record.getMessage()]
    assert "\n" not in record.getMessage()
    assert "\x1b" not in record.getMessage()


@pytest.mark.parametrize(
    "returned", ["admin", Identity("admin"), Identity("admin", "local", frozenset("*"))]
)
def test_login_is_rejected_if_the_verifier_returns_a_configured_user(make_app, caplog, returned):
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: returned)
    with caplog.at_level(logging.ERROR, "flask_core_auth"):
        response = post_login(make_app(core_auth), "ADMIN", "any password")
    assert response.status_code == 403
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "'admin', a user of the config" in record.getMessage()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_each_rejection_by_the_verifier_counts_as_a_failed_login(make_app, status):
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: abort(status))
    app = make_app(core_auth, API_AUTH_LOGIN_LIMIT="3/minute")
    statuses = [post_login(app, "somebody", "guess").status_code for _ in range(5)]
    assert statuses == [status, status, status, 429, 429]


@pytest.mark.parametrize("status", [500, 503])
def test_failure_of_the_verifier_does_not_count_as_a_failed_login(make_app, status):
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: abort(status))
    app = make_app(core_auth, API_AUTH_LOGIN_LIMIT="3/minute")
    assert [post_login(app, "somebody", "guess").status_code for _ in range(5)] == [status] * 5

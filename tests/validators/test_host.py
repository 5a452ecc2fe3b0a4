"""Logging in by a check that the app registers."""

from __future__ import annotations

import jwt
import pytest
from flask import abort
from werkzeug.exceptions import Unauthorized

from flask_core_auth import CoreAuth, Identity
from flask_core_auth.validators.host import HostValidator

from ..forge import read


@pytest.fixture
def core_auth() -> CoreAuth:
    return CoreAuth()


@pytest.fixture
def attempt(make_app, core_auth):
    """Tries to log in; gives the answer."""
    app = make_app(core_auth)

    def attempt(username: str = "somebody", password: str = "secret", **environ):
        credentials = {"username": username, "password": password}
        return app.test_client().post("/api/login", json=credentials, environ_overrides=environ)

    return attempt


def test_it_is_given_what_was_sent_and_its_subject_is_the_token_s(core_auth, attempt):
    given = []

    @core_auth.password_verifier
    def verify(username, password):
        given.append((username, password))
        return "user-7"

    claims = read(attempt("sömebody", "sëcret").json["access_token"])
    assert given == [("sömebody", "sëcret")]
    assert (claims["sub"], claims["idp"], claims["fresh"]) == ("user-7", "host", True)
    assert "scope" not in claims
    assert verify("x", "y") == "user-7"  # the decorator gives the function back


def test_its_identity_s_scopes_are_the_token_s(core_auth, attempt):
    core_auth.password_verifier(lambda username, password: Identity("user-7", scopes=frozenset(("b", "a"))))
    claims = read(attempt().json["access_token"])
    assert (claims["sub"], claims["scope"]) == ("user-7", "a b")


def test_its_identity_is_the_app_s_whatever_it_says(core_auth, attempt):
    # Else it could pass for a tenant's user, or for a configured one.
    core_auth.password_verifier(lambda username, password: Identity("user-7", idp="local"))
    assert read(attempt().json["access_token"])["idp"] == "host"


def test_a_login_that_it_refuses_is_forbidden(core_auth, attempt):
    core_auth.password_verifier(lambda username, password: None)
    response = attempt()
    assert response.status_code == 403
    assert response.json["details"] == ["Wrong username or password"]


def test_a_configured_name_is_never_handed_to_it(core_auth, attempt):
    given = []
    core_auth.password_verifier(lambda username, password: given.append(username) or username)
    assert attempt("admin", "wrong").status_code == 403
    assert attempt("admin", "correct horse").status_code == 200
    assert given == []


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
def test_an_answer_that_names_nobody_is_a_failure_of_the_app(core_auth, attempt, answer, caplog):
    core_auth.password_verifier(lambda username, password: answer)
    response = attempt()
    assert response.status_code == 503
    assert response.json["details"] == ["A check of the application failed"]
    assert "password_verifier" in caplog.text


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError("secret thing"), TypeError(), jwt.ExpiredSignatureError(), jwt.InvalidKeyError()],
)
def test_a_failure_of_its_own_is_503_and_is_logged(core_auth, attempt, error, caplog):
    def fail(username, password):
        raise error

    core_auth.password_verifier(fail)
    response = attempt()
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "secret thing" not in response.text
    assert "The app's password_verifier failed" in caplog.text
    assert type(error).__name__ in caplog.text


def test_a_wrong_signature_is_a_failure_too(core_auth, attempt):
    core_auth.password_verifier(lambda username: username)
    assert attempt().status_code == 503


def test_what_it_aborts_with_is_the_answer(core_auth, attempt):
    core_auth.password_verifier(lambda username, password: abort(418))
    assert attempt().status_code == 418


@pytest.mark.parametrize("refuse", [lambda: abort(403), lambda: abort(401), lambda: None])
def test_its_refusals_are_counted_however_it_refuses(core_auth, attempt, refuse):
    def verify(username, password):
        return refuse()

    core_auth.password_verifier(verify)
    statuses = [attempt().status_code for _ in range(12)]
    assert statuses[-1] == 429
    assert statuses.count(429) == 2


def test_its_failures_are_not_counted(core_auth, attempt):
    core_auth.password_verifier(lambda username, password: 1 / 0)
    assert {attempt().status_code for _ in range(12)} == {503}


def test_without_a_check_nobody_is_admitted():
    assert HostValidator().validate("somebody", "secret") is None


def test_it_may_be_registered_after_the_blueprint_was(make_app):
    core_auth = CoreAuth()
    app = make_app(core_auth)
    credentials = {"username": "somebody", "password": "x"}
    assert app.test_client().post("/api/login", json=credentials).status_code == 403
    core_auth.password_verifier(lambda username, password: username)
    assert app.test_client().post("/api/login", json=credentials).status_code == 200


def test_abort_with_a_response_of_its_own(core_auth, attempt):
    def refuse(username, password):
        raise Unauthorized("not you")

    core_auth.password_verifier(refuse)
    assert "not you" in attempt().text


def test_it_may_be_a_coroutine_function(core_auth, attempt):
    @core_auth.password_verifier
    async def verify(username, password):
        return username

    assert attempt("somebody").status_code == 200


def test_an_answer_that_is_no_string_says_what_to_return(core_auth, attempt, caplog):
    core_auth.password_verifier(lambda username, password: 7)
    assert attempt().status_code == 503
    assert "must return a string that is not empty, an Identity or None, not 7" in caplog.text


def test_what_the_app_says_of_a_refusal_is_one_line_of_the_log(core_auth, attempt, caplog):
    @core_auth.password_verifier
    def verify(username, password):
        abort(403, f"no user {username}")

    attempt("eve\nINFO:flask_core_auth:Login of 'admin' (local) from 10.0.0.1\x1b[2K")
    [record] = [record for record in caplog.records if "refused" in record.getMessage()]
    assert "\n" not in record.getMessage()
    assert "\x1b" not in record.getMessage()

"""The bound on concurrent password checks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash

from flask_core_auth import ConfigError, CoreAuth

from .apps import bearer, log_in, post_login
from .forge import claims, forge

ONE, OTHER, THIRD = "203.0.113.1", "203.0.113.2", "2001:db8::1"


class SlowVerifier:
    """A verifier that waits until a test lets it go on."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()

    def __call__(self, username: str, password: str) -> str | None:
        self.entered.release()
        assert self.go_on.wait(60)
        return username if password == "right" else None


@pytest.fixture
def verifier() -> Iterator[SlowVerifier]:
    slow = SlowVerifier()
    yield slow
    slow.go_on.set()


def make(make_app, verifier: SlowVerifier, **config: object) -> Flask:
    core_auth = CoreAuth()
    core_auth.password_verifier(verifier)
    return make_app(core_auth, **config)


def attempt(app: Flask, address: str, password: str = "right"):
    return post_login(app, "somebody", password, environ_overrides={"REMOTE_ADDR": address})


def test_login_past_the_bound_gets_503_at_once_and_is_not_counted(make_app, verifier):
    app = make(make_app, verifier, API_AUTH_LOGIN_CONCURRENCY=2, API_AUTH_LOGIN_LIMIT="1/minute")
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(attempt, app, address) for address in (ONE, OTHER)]
        for _ in running:
            assert verifier.entered.acquire(timeout=60)
        for _ in range(10):
            busy = attempt(app, THIRD)
            assert (busy.status_code, busy.headers["Retry-After"]) == (503, "1")
        assert app.test_client().get("/who", headers=bearer(forge(claims()))).status_code == 200
        verifier.go_on.set()
        assert [login.result(60).status_code for login in running] == [200, 200]
    assert attempt(app, THIRD).status_code == 200


def test_one_address_gets_at_most_half_of_the_checks(make_app, verifier):
    app = make(make_app, verifier, API_AUTH_LOGIN_CONCURRENCY=2)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(attempt, app, "2001:db8::1")
        assert verifier.entered.acquire(timeout=60)
        assert attempt(app, "2001:db8::ffff").status_code == 503
        other = pool.submit(attempt, app, OTHER)
        assert verifier.entered.acquire(timeout=60)
        verifier.go_on.set()
        assert (first.result(60).status_code, other.result(60).status_code) == (200, 200)


def test_one_check_is_allowed_for_each_address_if_the_bound_is_one(make_app, verifier):
    verifier.go_on.set()
    assert attempt(make(make_app, verifier, API_AUTH_LOGIN_CONCURRENCY=1), ONE).status_code == 200


def test_failed_and_broken_checks_free_their_place(make_app):
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: None if password == "wrong" else 1 / 0)
    app = make_app(core_auth, API_AUTH_LOGIN_CONCURRENCY=1, API_AUTH_LOGIN_LIMIT=None)
    statuses = [attempt(app, ONE, password).status_code for password in ("wrong", "x", "wrong", "x")]
    assert statuses == [403, 503, 403, 503]
    assert not app.extensions["core_auth"].password_checks._running


def test_without_a_bound_every_check_runs(make_app, verifier):
    app = make(make_app, verifier, API_AUTH_LOGIN_CONCURRENCY=None)
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(attempt, app, ONE) for _ in range(8)]
        for _ in running:
            assert verifier.entered.acquire(timeout=60)
        verifier.go_on.set()
        assert {login.result(60).status_code for login in running} == {200}


@pytest.mark.parametrize("hashed", [False, True])
def test_configured_hashes_are_bounded_and_plain_passwords_are_not(make_app, hashed):
    password = generate_password_hash("x", "pbkdf2:sha256:10") if hashed else "x"
    app = make_app(API_AUTH_PASSWORD=password, API_AUTH_LOGIN_CONCURRENCY=1)
    with app.extensions["core_auth"].password_checks.one(None):
        assert post_login(app, "admin", "x").status_code == (503 if hashed else 200)
    assert log_in(app, "admin", "x")


def test_configured_plain_password_is_not_bounded_beside_a_verifier(make_app, verifier):
    app = make(make_app, verifier, API_AUTH_PASSWORD="x", API_AUTH_LOGIN_CONCURRENCY=1)
    with app.extensions["core_auth"].password_checks.one(None):
        assert log_in(app, "admin", "x")
        assert attempt(app, ONE).status_code == 503


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many", "0"])
def test_bound_that_is_no_positive_number_is_a_config_error(make_app, value):
    with pytest.raises(ConfigError, match="API_AUTH_LOGIN_CONCURRENCY: must be a whole number from 1"):
        make_app(API_AUTH_LOGIN_CONCURRENCY=value)


def test_bound_may_be_given_as_a_string(make_app):
    app = make_app(API_AUTH_LOGIN_CONCURRENCY=" 3\x1f")
    assert app.extensions["core_auth"].config.login_concurrency == 3
    assert (
        make_app(API_AUTH_LOGIN_CONCURRENCY="none").extensions["core_auth"].config.login_concurrency is None
    )

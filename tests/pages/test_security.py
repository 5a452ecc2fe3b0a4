"""Run the code blocks of docs/security.md, and check its claims."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_core_auth import ConfigError, CoreAuth, jws, throttle, tokens
from flask_core_auth.config import tenants, values
from flask_core_auth.routes import login
from flask_core_auth.validators import jwks

from .blocks import Page


def test_nobody_has_access_that_is_not_configured(page: Page) -> None:
    page.run("nobody")
    client = page["app"].test_client()
    assert client.get("/api/v3/process").status_code == 401
    assert client.post("/api/login", json={"username": "admin", "password": "admin"}).status_code == 403
    with pytest.raises(ConfigError, match="API_AUTH_JWT_SECRET"):
        Flask(__name__).register_blueprint(CoreAuth())


def test_limits_are_those_of_the_code() -> None:
    assert login.MAX_BODY_BYTES == 16 * 1024
    assert jws.MAX_TOKEN_BYTES == 8 * 1024
    assert (jws.LEEWAY_SECONDS, values.MIN_SECRET_BYTES, throttle.ADDRESS_FACTOR) == (10, 32, 5)
    assert (tokens.REMEMBERED_TOKENS, tokens.REMEMBERED_TOKEN_BYTES) == (4096, 4096)
    assert (jwks.FRESH_SECONDS, jwks.MAX_AGE_SECONDS, jwks.PAUSE_SECONDS) == (600, 86400, 30)
    assert (jwks.FETCH_TIMEOUT_SECONDS, jwks.MAX_BYTES, jwks.MIN_RSA_BITS) == (5, 256 * 1024, 2048)
    assert (jwks.MAX_WAITING, jwks.FIRST_PAUSE_SECONDS) == (4, 1)
    assert not any(name.startswith("HS") or name == "none" for name in tenants.TENANT_ALGORITHMS)


def test_failed_logins_are_limited_by_address(page: Page) -> None:
    page.run("limit", CoreAuth=CoreAuth, Flask=Flask)
    client = page["app"].test_client()

    def attempt(password, username="admin", address="192.0.2.1"):
        response = client.post(
            "/api/login",
            json={"username": username, "password": password},
            environ_base={"REMOTE_ADDR": address},
        )
        assert ("Retry-After" in response.headers) == (response.status_code == 429)
        return response.status_code

    for _ in range(20):
        assert attempt("correct-horse") == 200
    assert [attempt("wrong") for _ in range(6)] == [403] * 5 + [429]
    assert attempt("correct-horse") == 429
    assert attempt("correct-horse", address="192.0.2.2") == 200
    assert [attempt("wrong", username=str(n)) for n in range(21)] == [403] * 20 + [429]
    assert [attempt("x", address=f"2001:db8::{n}") for n in range(6)] == [403] * 5 + [429]
    assert attempt("x", address="2001:db8:0:1::1") == 403

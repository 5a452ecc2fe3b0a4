"""Logins with a tenant's token while the tenant hangs or fails."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_core_auth import CoreAuth
from flask_core_auth.validators import jwks

from ..apps import Clock, bearer, post_login
from ..limits import EXTENDED_SECONDS
from ..tenant import Tenant

MakeApp = Callable[..., Flask]
#: Addresses that are reserved for documentation (RFC 5737).
ONE, OTHER = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def app_with(make_app: MakeApp, tenant: Tenant) -> MakeApp:
    """Make apps that the tenant's users can log in to."""

    def make(core_auth: CoreAuth | None = None, **config: object) -> Flask:
        tenants = {"API_AUTH_AUTH0_ENABLE": True, "API_AUTH_AUTH0_TENANTS": [tenant.settings()]}
        return make_app(core_auth, **tenants, **config)

    return make


def attempt(app: Flask, token: str, address: str = ONE) -> TestResponse:
    environ = {"REMOTE_ADDR": address}
    return app.test_client().post("/api/login", headers=bearer(token), environ_overrides=environ)


def statuses(app: Flask, count: int, token: str, address: str = ONE) -> list[int]:
    return [attempt(app, token, address).status_code for _ in range(count)]


def unknown(tenant: Tenant) -> str:
    """A token with the name of a key that the tenant does not publish."""
    return tenant.sign(tenant.header(kid="made-up"), tenant.claims())


# A tenant that hangs


def test_four_of_many_logins_wait_for_a_tenant_that_hangs(
    app_with: MakeApp, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", EXTENDED_SECONDS)
    app, token = app_with(API_AUTH_LOGIN_LIMIT=None), tenant.token()
    tenant.answering.clear()
    with ThreadPoolExecutor(24) as pool:
        logins = [pool.submit(attempt, app, token) for _ in range(24)]
        done = list(islice(as_completed(logins, EXTENDED_SECONDS), 20))
        responses = [login.result() for login in done]
        tenant.answering.set()
        waited = [login.result(EXTENDED_SECONDS) for login in logins if login not in done]
    assert {(busy.status_code, busy.headers["Retry-After"]) for busy in responses} == {(503, "1")}
    assert [response.status_code for response in waited] == [200] * 4
    assert len(tenant.requests) == 1


def test_unknown_keys_get_403_and_known_keys_log_in_while_the_tenant_hangs(
    app_with: MakeApp, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", EXTENDED_SECONDS)
    app, token, forged = app_with(API_AUTH_LOGIN_LIMIT=None), tenant.token(), unknown(tenant)
    assert attempt(app, token).status_code == 200
    tenant.answering.clear()
    with ThreadPoolExecutor(24) as pool:
        logins = [pool.submit(attempt, app, forged) for _ in range(24)]
        done = list(islice(as_completed(logins, EXTENDED_SECONDS), 20))
        assert {login.result().status_code for login in done} == {403}
        assert statuses(app, 5, token) == [200] * 5
        assert sum(not login.done() for login in logins) == 4
        tenant.answering.set()
        assert {login.result(EXTENDED_SECONDS).status_code for login in logins} == {403}


# A tenant that fails


def test_hundred_logins_make_one_request_to_a_tenant_that_fails(
    app_with: MakeApp, tenant: Tenant, pauses: Clock
) -> None:
    app, token = app_with(API_AUTH_LOGIN_LIMIT=None), tenant.token()
    tenant.status = 500
    responses = [attempt(app, token) for _ in range(100)]
    assert {(response.status_code, response.headers["Retry-After"]) for response in responses} == {
        (503, "1")
    }
    assert len(tenant.requests) == 1
    pauses.move(1)
    assert [attempt(app, token).headers["Retry-After"] for _ in range(10)] == ["2"] * 10
    assert len(tenant.requests) == 2


def test_logins_that_end_in_503_count_for_the_address(app_with: MakeApp, tenant: Tenant) -> None:
    app, token = app_with(API_AUTH_LOGIN_LIMIT="2/minute"), tenant.token()
    tenant.status = 500
    assert statuses(app, 12, token) == [503] * 10 + [429] * 2
    assert 1 <= int(attempt(app, token).headers["Retry-After"]) <= 60
    assert post_login(app, environ_overrides={"REMOTE_ADDR": ONE}).status_code == 429
    assert attempt(app, token, OTHER).status_code == 503, "not for the token"


def test_logins_that_end_in_503_count_for_no_name(app_with: MakeApp, tenant: Tenant) -> None:
    app, token = app_with(API_AUTH_LOGIN_LIMIT="1/minute"), tenant.token()
    tenant.status = 500
    assert statuses(app, 4, token) == [503] * 4
    assert statuses(app, 20, token, address="") == [503] * 20


def test_logins_that_end_in_503_count_for_the_shortest_window_alone(
    app_with: MakeApp, tenant: Tenant, clock: Clock
) -> None:
    app, token = app_with(API_AUTH_LOGIN_LIMIT="3/day; 2/minute"), tenant.token()
    tenant.status = 500
    for _ in range(5):
        assert statuses(app, 11, token) == [503] * 10 + [429]
        clock.move(60)


def test_token_logs_in_after_the_outage_of_its_tenant(
    app_with: MakeApp, tenant: Tenant, pauses: Clock
) -> None:
    app, token = app_with(API_AUTH_LOGIN_LIMIT="1/minute"), tenant.token()
    tenant.status = 500
    assert statuses(app, 4, token) == [503] * 4
    tenant.status = 200
    pauses.move(1)
    assert statuses(app, 9, token) == [200] * 9


def test_failures_of_the_apps_own_verifier_are_not_counted(app_with: MakeApp) -> None:
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: 1 / 0)
    app = app_with(core_auth, API_AUTH_LOGIN_LIMIT="1/minute")
    for _ in range(20):
        response = post_login(app, "somebody", environ_overrides={"REMOTE_ADDR": ONE})
        assert response.status_code == 503

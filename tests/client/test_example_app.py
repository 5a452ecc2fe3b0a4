"""The client and the blueprint together: the example app on gunicorn with two workers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import typing as t
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flask_core_auth.client import AsyncCoreClient, CoreClient, LoginError, TokenPair

from .conftest import Caller, Connect
from .example_app import ExampleApp
from .server import PATIENCE

LOGIN, REFRESH, EXPIRED = "POST /api/login 200", "GET /api/login/refresh 200", "GET /api/login/refresh 401"
PROFILE, REJECTED = "GET /api/v3/profile 200", "GET /api/v3/profile 401"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[ExampleApp]:
    running = ExampleApp(tmp_path_factory.mktemp("app"))
    yield running
    running.close()


def test_client_logs_in_once_for_several_requests(app: ExampleApp, connect: Connect) -> None:
    client = connect(app.url, **app.credentials)

    assert client.get("/api/v3/profile").json()["subject"] == "admin"
    assert client.get("/api/v3/secrets").status_code == 200
    assert client.get("/api/v3/admin").status_code == 200
    assert client.get("/api").json()["id"]
    assert app.requests(5)[LOGIN] == 1


def test_wrong_password_is_a_login_error(app: ExampleApp, connect: Connect) -> None:
    with pytest.raises(LoginError) as caught:
        connect(app.url, username="admin", password="wrong")

    assert caught.value.status == 403
    assert caught.value.details
    assert app.requests(1) == Counter(["POST /api/login 403"])


def test_login_limit_is_a_login_error_with_retry_after(app: ExampleApp, connect: Connect) -> None:
    tries = 0
    while tries < 25:
        tries += 1
        with pytest.raises(LoginError) as caught:
            connect(app.url, username="somebody", password="wrong")
        if caught.value.status == 429:
            break

    assert caught.value.status == 429
    assert caught.value.retry_after is not None
    assert 0 <= caught.value.retry_after <= 60
    assert app.requests(tries)["POST /api/login 429"] == 1


def test_wrong_prefix_is_a_login_error(app: ExampleApp, connect: Connect) -> None:
    with pytest.raises(LoginError) as caught:
        connect(app.url, prefix="/nowhere", **app.credentials)

    assert caught.value.status == 404
    assert app.requests(1) == Counter(["POST /nowhere/login 404"])


def profile_status(client: Caller) -> int:
    """Get the profile with tokens that live for one second, and return the status.

    A busy machine may take longer than the second between a refresh and the request: then try again.
    """
    deadline = time.monotonic() + PATIENCE
    while (status := client.get("/api/v3/profile").status_code) == 401 and time.monotonic() < deadline:
        pass
    return status


def test_expired_access_token_is_refreshed(tmp_path: Path, connect: Connect) -> None:
    app = ExampleApp(tmp_path, JWT_ACCESS_EXPIRES="1")
    try:
        client = connect(app.url, **app.credentials)
        time.sleep(1.05)

        assert profile_status(client) == 200
    finally:
        app.close()

    requests = app.requests()
    assert (requests[LOGIN], requests[PROFILE]) == (1, 1)
    assert requests[REFRESH] >= 1


def test_expired_refresh_token_leads_to_a_login(tmp_path: Path, connect: Connect) -> None:
    app = ExampleApp(tmp_path, JWT_ACCESS_EXPIRES="1", JWT_REFRESH_EXPIRES="2")
    try:
        client = connect(app.url, **app.credentials)
        time.sleep(2.05)

        assert profile_status(client) == 200
    finally:
        app.close()

    requests = app.requests()
    assert requests[PROFILE] == 1
    assert requests[EXPIRED] >= 1
    assert requests[LOGIN] == 1 + requests[EXPIRED]


def test_stored_tokens_save_the_login(app: ExampleApp, connect: Connect) -> None:
    stored: list[TokenPair] = []
    connect(app.url, on_tokens=stored.append, **app.credentials)
    app.requests(1)

    for tokens in (
        {"access_token": stored[-1].access_token, "refresh_token": stored[-1].refresh_token},
        {"refresh_token": stored[-1].refresh_token},
    ):
        assert connect(app.url, **tokens).get("/api/v3/profile").status_code == 200

    assert app.requests(3) == Counter([REFRESH, PROFILE, PROFILE])


def test_tokens_of_another_app_lead_to_a_login(app: ExampleApp, connect: Connect) -> None:
    client = connect(app.url, access_token="a.b.c", refresh_token="d.e.f", **app.credentials)

    assert client.get("/api/v3/profile").status_code == 200

    assert app.requests(4) == Counter([REJECTED, EXPIRED, LOGIN, PROFILE])


def test_401_of_a_route_for_fresh_tokens_causes_no_login(app: ExampleApp, connect: Connect) -> None:
    client = connect(app.url, **app.credentials)
    client.refresh()

    response = client.get("/api/v3/secrets")

    assert response.status_code == 401
    assert app.requests(5)[LOGIN] == 1


def test_threads_cause_one_refresh(app: ExampleApp) -> None:
    with CoreClient(app.url, **app.credentials) as first:
        refresh_token = first.tokens().refresh_token
    with (
        CoreClient(app.url, refresh_token=refresh_token, timeout=PATIENCE) as client,
        ThreadPoolExecutor(50) as pool,
    ):
        responses = list(pool.map(lambda _: client.get("/api/v3/profile"), range(50)))

    assert {response.status_code for response in responses} == {200}
    assert app.requests(52) == Counter({LOGIN: 1, REFRESH: 1, PROFILE: 50})


def test_tasks_cause_one_refresh(app: ExampleApp) -> None:
    async def scenario() -> set[int]:
        async with AsyncCoreClient(app.url, **app.credentials) as first:
            refresh_token = first.tokens().refresh_token
        async with AsyncCoreClient(app.url, refresh_token=refresh_token, timeout=PATIENCE) as client:
            responses = await asyncio.gather(*(client.get("/api/v3/profile") for _ in range(1000)))
            return {response.status_code for response in responses}

    assert asyncio.run(scenario()) == {200}
    assert app.requests(1002) == Counter({LOGIN: 1, REFRESH: 1, PROFILE: 1000})


def test_tasks_cause_one_login_if_both_tokens_are_rejected(app: ExampleApp) -> None:
    async def scenario() -> set[int]:
        stale = {"access_token": "a.b.c", "refresh_token": "d.e.f"}
        async with AsyncCoreClient(app.url, **stale, **app.credentials, timeout=PATIENCE) as client:
            responses = await asyncio.gather(*(client.get("/api/v3/profile") for _ in range(100)))
            return {response.status_code for response in responses}

    assert asyncio.run(scenario()) == {200}
    assert app.requests(202)[LOGIN] == 1


@pytest.mark.parametrize("module", ["example_app.client", "example_app.client_async"])
def test_example_clients_log_in_once(app: ExampleApp, tmp_path: Path, module: str) -> None:
    root = Path(__file__).parents[2]

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", module, app.url, *arguments]
        environ = os.environ | {"PYTHONPATH": str(root)}
        return subprocess.run(
            command, cwd=tmp_path, env=environ, check=True, capture_output=True, text=True
        ).stdout

    first = run(*app.credentials.values())
    assert "'subject': 'admin'" in first
    assert run() == first

    assert app.requests(3)[LOGIN] == 1
    assert (tmp_path / "instance" / "client-tokens.json").stat().st_mode & 0o777 == 0o600

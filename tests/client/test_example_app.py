"""The client and the blueprint, together: the example app on gunicorn with two workers."""

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

from .app import ExampleApp
from .conftest import Connect

LOGIN, REFRESH = "POST /api/login 200", "GET /api/login/refresh 200"
PROFILE, REFUSED = "GET /api/v3/profile 200", "GET /api/v3/profile 401"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[ExampleApp]:
    running = ExampleApp(tmp_path_factory.mktemp("app"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def hasty_app(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[ExampleApp]:
    """Its access tokens live for one second, its refresh tokens for two."""
    running = ExampleApp(tmp_path_factory.mktemp("hasty"), JWT_ACCESS_EXPIRES="1", JWT_REFRESH_EXPIRES="2")
    yield running
    running.close()


def credentials(app: ExampleApp) -> dict[str, str]:
    app.requests(0)
    return {"username": app.username, "password": app.password}


def test_log_in_and_call(app: ExampleApp, connect: Connect) -> None:
    client = connect(app.url, **credentials(app))

    assert client.get("/api/v3/profile").json()["subject"] == "admin"
    assert client.get("/api/v3/secrets").status_code == 200
    assert client.get("/api/v3/admin").status_code == 200
    assert client.get("/api").json()["id"]
    assert app.requests(5)[LOGIN] == 1


def test_wrong_password(app: ExampleApp, connect: Connect) -> None:
    with pytest.raises(LoginError) as caught:
        connect(app.url, username="admin", password="wrong")

    assert caught.value.status == 403
    assert caught.value.details


def test_too_many_wrong_passwords(app: ExampleApp, connect: Connect) -> None:
    for _ in range(25):
        with pytest.raises(LoginError) as caught:
            connect(app.url, username="somebody", password="wrong")
        if caught.value.status == 429:
            break

    assert caught.value.status == 429
    assert caught.value.retry_after is not None
    assert 0 <= caught.value.retry_after <= 60


def test_wrong_prefix(app: ExampleApp, connect: Connect) -> None:
    with pytest.raises(LoginError) as caught:
        connect(app.url, prefix="/nowhere", **credentials(app))

    assert caught.value.status == 404


def test_access_token_expires(hasty_app: ExampleApp, connect: Connect) -> None:
    client = connect(hasty_app.url, **credentials(hasty_app))
    time.sleep(1.05)

    assert client.get("/api/v3/profile").status_code == 200

    # The time of issue is cut to whole seconds: one second may be over at once, and take another refresh.
    requests = hasty_app.requests(3)
    assert (requests[LOGIN], requests[PROFILE]) == (1, 1)
    assert 1 <= requests[REFRESH] <= 2


def test_refresh_token_expires(hasty_app: ExampleApp, connect: Connect) -> None:
    client = connect(hasty_app.url, **credentials(hasty_app))
    time.sleep(2.05)

    assert client.get("/api/v3/profile").status_code == 200

    requests = hasty_app.requests(4)
    assert (requests[LOGIN], requests["GET /api/login/refresh 401"], requests[PROFILE]) == (2, 1, 1)


def test_resuming_makes_no_login(app: ExampleApp, connect: Connect) -> None:
    stored: list[TokenPair] = []
    connect(app.url, on_tokens=stored.append, **credentials(app))
    app.requests(1)

    for tokens in (
        {"access_token": stored[-1].access_token, "refresh_token": stored[-1].refresh_token},
        {"refresh_token": stored[-1].refresh_token},
    ):
        assert connect(app.url, **tokens).get("/api/v3/profile").status_code == 200

    assert app.requests(3) == Counter([REFRESH, PROFILE, PROFILE])


def test_foreign_tokens_lead_to_a_login(app: ExampleApp, connect: Connect) -> None:
    client = connect(app.url, access_token="a.b.c", refresh_token="d.e.f", **credentials(app))

    assert client.get("/api/v3/profile").status_code == 200

    assert app.requests(4) == Counter([REFUSED, "GET /api/login/refresh 401", LOGIN, PROFILE])


def test_route_for_fresh_tokens_only(app: ExampleApp, connect: Connect) -> None:
    client = connect(app.url, **credentials(app))
    client.refresh()

    response = client.get("/api/v3/secrets")

    assert response.status_code == 401
    assert app.requests(5)[LOGIN] == 1


def test_threads_cause_one_refresh(app: ExampleApp) -> None:
    with CoreClient(app.url, **credentials(app)) as first:
        refresh_token = first.tokens().refresh_token
    with CoreClient(app.url, refresh_token=refresh_token) as client, ThreadPoolExecutor(50) as pool:
        responses = list(pool.map(lambda _: client.get("/api/v3/profile"), range(50)))

    assert {response.status_code for response in responses} == {200}
    assert app.requests(52) == Counter({LOGIN: 1, REFRESH: 1, PROFILE: 50})


def test_tasks_cause_one_refresh(app: ExampleApp) -> None:
    async def scenario() -> set[int]:
        async with AsyncCoreClient(app.url, **credentials(app)) as first:
            refresh_token = first.tokens().refresh_token
        async with AsyncCoreClient(app.url, refresh_token=refresh_token) as client:
            responses = await asyncio.gather(*(client.get("/api/v3/profile") for _ in range(1000)))
            return {response.status_code for response in responses}

    assert asyncio.run(scenario()) == {200}
    assert app.requests(1002) == Counter({LOGIN: 1, REFRESH: 1, PROFILE: 1000})


def test_tasks_cause_one_login_when_both_tokens_are_refused(app: ExampleApp) -> None:
    async def scenario() -> set[int]:
        stale = {"access_token": "a.b.c", "refresh_token": "d.e.f"}
        async with AsyncCoreClient(app.url, **stale, **credentials(app)) as client:
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

    first = run(*credentials(app).values())
    assert "'subject': 'admin'" in first
    assert run() == first

    assert app.requests(3)[LOGIN] == 1
    assert (tmp_path / "instance" / "client-tokens.json").stat().st_mode & 0o777 == 0o600

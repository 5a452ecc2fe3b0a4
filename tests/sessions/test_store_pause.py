"""A session store that times out is left alone for a second."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
from flask import Flask

from flask_core_auth.sessions import sql

from ..apps import Clock, at_once, bearer, log_in, post_login
from ..limits import EXTENDED_SECONDS, restore_limits
from ..stores import BlackHole
from .servers import RedisServer

MakeApp = Callable[..., Flask]


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{}", "postgresql+psycopg://test@127.0.0.1:{}/test"])
def test_store_that_never_responds_is_asked_once_a_second(
    make_app: MakeApp, black_hole: BlackHole, pauses: Clock, url: str
) -> None:
    restore_limits()
    app = make_app(url.format(black_hole.port))
    assert post_login(app).status_code == 503
    black_hole.connections()
    pauses.move(0.9)
    for _ in range(20):
        response = post_login(app)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        assert response.json["details"] == ["The session store is down"]
    assert black_hole.connections() == 0
    for _ in range(2):
        pauses.move(1)
        assert at_once(8, lambda: post_login(app).status_code) == [503] * 8
        assert black_hole.connections() <= 1  # none if the machine is slow


def test_protected_request_gets_503_in_the_pause_and_its_session_is_kept(
    make_app: MakeApp, store_url: str, pauses: Clock
) -> None:
    client = make_app(store_url, SESSION_CHECK="always").test_client()
    tokens = log_in(client)
    client.application.extensions["core_auth"].sessions._breaker.fail()
    for _ in range(3):
        assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 503
    pauses.move(1)
    for _ in range(3):
        assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200


def test_store_that_rejects_connections_has_no_pause(
    make_app: MakeApp, redis_server: RedisServer, redis_url: str, pauses: Clock
) -> None:
    app = make_app(redis_url)
    redis_server.kill()
    try:
        assert post_login(app).status_code == 503
    finally:
        redis_server.start()
    assert post_login(app).status_code == 200


def test_locked_database_has_no_pause(
    make_app: MakeApp, sqlite_url: str, pauses: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(sqlite_url)
    log_in(app)
    lock = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(sql, "CALL_TIMEOUT_SECONDS", 0.05)
    assert post_login(app).status_code == 503
    lock.close()
    monkeypatch.setattr(sql, "CALL_TIMEOUT_SECONDS", EXTENDED_SECONDS)
    assert post_login(app).status_code == 200

from __future__ import annotations

import os
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from flask_core_auth.sessions import SessionStore, open_store

from .app import make_session_app
from .limits import LIMITS, take_time
from .servers import MissingServerError, PostgresServer, RedisServer, Server

ServerT = t.TypeVar("ServerT", bound=Server)


@pytest.fixture(autouse=True)
def hurry() -> Iterator[Callable[[], None]]:
    """Give stores back their limits of time, for as long as the test lasts.

    Until a test calls this they have plenty: it must not fail because the machine is slow.
    """
    limits = [(module, name, getattr(module, name)) for module, name in LIMITS]
    take_time()

    def give_back() -> None:
        for module, name, limit in limits:
            setattr(module, name, limit)

    yield give_back
    give_back()


def started(make: Callable[[], ServerT]) -> Iterator[ServerT]:
    try:
        server = make()
    except MissingServerError as missing:
        if os.environ.get("CI"):
            pytest.fail(f"not on this machine: {missing}")
        pytest.skip(f"not on this machine: {missing}")
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    yield from started(RedisServer)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    yield from started(PostgresServer)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    from redis import Redis

    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    engine = create_engine(postgres_server.url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS core_auth_sessions"))
    engine.dispose()
    return postgres_server.url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'sessions.db'}"


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty store, of each kind in turn."""
    return t.cast(str, request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def open_sessions() -> Iterator[Callable[..., SessionStore]]:
    """Opens stores, and closes their connections after the test."""
    stores: list[SessionStore] = []

    def opened(url: str, directory: str = "/") -> SessionStore:
        stores.append(open_store(url, directory=directory))
        return stores[-1]

    yield opened
    for store in stores:
        close(store)


@pytest.fixture
def store(open_sessions: Callable[..., SessionStore], store_url: str) -> SessionStore:
    return open_sessions(store_url)


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Makes apps with sessions, and closes their connections after the test."""
    apps: list[Flask] = []

    def made(sessions: str, **config: object) -> Flask:
        apps.append(make_session_app(sessions, instance_path=str(tmp_path / "instance"), **config))
        return apps[-1]

    yield made
    for app in apps:
        close(app.extensions["core_auth"].sessions._store)


def close(store: t.Any) -> None:
    # A connection that is left to the garbage collector is a ResourceWarning, and so an error.
    if hasattr(store, "_engine"):
        # A call that was given up still has one.
        deadline = time.monotonic() + 5
        while store._engine.pool.checkedout() and time.monotonic() < deadline:
            time.sleep(0.01)
        store._engine.dispose()
    else:
        store._client.close()


class Clock:
    """A clock that stands still until it is moved, in seconds."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock

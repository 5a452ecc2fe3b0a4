"""Session stores of every kind, and the servers that they need."""

from __future__ import annotations

import contextlib
import os
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from flask_core_auth.sessions import SessionStore, open_store

from ..apps import Clock as Clock
from .app import close, make_session_app
from .limits import LIMITS, extend_limits
from .servers import MissingServerError, PostgresServer, RedisServer, Server

ServerT = t.TypeVar("ServerT", bound=Server)


@pytest.fixture(autouse=True)
def restore_limits() -> Iterator[Callable[[], None]]:
    """Extend the time limits of stores during a test.

    A test whose subject is the limits calls this fixture: stores that it opens afterwards have the limits
    of production.
    """
    limits = [(module, name, getattr(module, name)) for module, name in LIMITS]
    extend_limits()

    def restore() -> None:
        for module, name, limit in limits:
            setattr(module, name, limit)

    yield restore
    restore()


@contextlib.contextmanager
def skip_without_server() -> Iterator[None]:
    """Skip a test if the program of a server is missing; in CI, fail it."""
    try:
        yield
    except MissingServerError as missing:
        if os.environ.get("CI"):
            pytest.fail(f"not on this machine: {missing}")
        pytest.skip(f"not on this machine: {missing}")


def started(make: Callable[[], ServerT]) -> Iterator[ServerT]:
    """Run a server for a fixture."""
    with skip_without_server():
        server = make()
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
    """Open stores, and close their connections after the test."""
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
    """Make apps with sessions, and close their connections after the test."""
    apps: list[Flask] = []

    def made(sessions: str, **config: object) -> Flask:
        apps.append(make_session_app(sessions, instance_path=str(tmp_path / "instance"), **config))
        return apps[-1]

    yield made
    for app in apps:
        close(app.extensions["core_auth"].sessions._store)

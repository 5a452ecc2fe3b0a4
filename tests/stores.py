"""Real servers for session stores and limit storages, and the URLs of empty session stores.

``conftest.py`` imports them.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import create_engine, text

from .sessions.servers import MissingServerError, PostgresServer, RedisServer, Server

ServerT = t.TypeVar("ServerT", bound=Server)


def started(make: Callable[[], ServerT]) -> Iterator[ServerT]:
    """Start a server, and close it when the iterator ends.

    A missing server skips the test; in CI, where every server is installed, it fails.
    """
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


def close_store(store: t.Any) -> None:
    """Close the connections of a session store: one that is left open is a ResourceWarning, so an error."""
    if not hasattr(store, "_engine"):
        store._client.close()
        return
    # A call that ran into its time limit still holds its connection.
    deadline = time.monotonic() + 60
    while store._engine.pool.checkedout() and time.monotonic() < deadline:
        time.sleep(0.01)
    store._engine.dispose()


class MemcachedServer(Server):
    """memcached, for limit storages."""

    def __init__(self) -> None:
        program = shutil.which("memcached")
        if program is None:
            raise MissingServerError("memcached")
        self.program = program
        super().__init__()

    @property
    def url(self) -> str:
        return f"memcached://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        # Without -U 0 it listens on UDP, too; as root it demands a user.
        return [self.program, "-p", str(self.port), "-l", "127.0.0.1", "-U", "0", "-u", getpass.getuser()]

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"version\r\n")
                return connection.recv(100).startswith(b"VERSION")
        except OSError:
            return False


class BlackHole:
    """A server that accepts connections and never responds."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]

    def connections(self) -> int:
        """The number of connections that were made since the last call."""
        for count in range(100):
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                return count
        pytest.fail("too many connections")

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def black_hole() -> Iterator[BlackHole]:
    with contextlib.closing(BlackHole()) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    yield from started(RedisServer)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    yield from started(PostgresServer)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
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

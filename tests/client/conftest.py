from __future__ import annotations

import typing as t

import pytest

from .server import CoreServer


@pytest.fixture
def server() -> t.Iterator[CoreServer]:
    core = CoreServer()
    yield core
    core.close()


@pytest.fixture
def elsewhere() -> t.Iterator[CoreServer]:
    """A server at another origin, which must never see a credential."""
    core = CoreServer()
    yield core
    for seen in core.seen:
        assert seen.bearer is None
        assert CoreServer.password.encode() not in seen.body
    core.close()


@pytest.fixture
def login(server: CoreServer) -> dict[str, str]:
    return {"username": server.username, "password": server.password}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

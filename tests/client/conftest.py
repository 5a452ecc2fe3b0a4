from __future__ import annotations

import typing as t
from functools import partial
from types import SimpleNamespace

import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from flask_core_auth.client import AsyncCoreClient, CoreClient, TokenPair
from flask_core_auth.client import auth as auth_module
from flask_core_auth.client import exchange as exchange_module

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
    core.close()
    for seen in core.seen:
        assert "Authorization" not in seen.headers
        assert CoreServer.password.encode() not in seen.body


@pytest.fixture
def login(server: CoreServer) -> dict[str, str]:
    return {"username": server.username, "password": server.password}


class Caller(t.Protocol):
    """A client whose calls wait for their result, whichever kind it is."""

    def get(self, url: str, **options: t.Any) -> httpx2.Response: ...
    def post(self, url: str, **options: t.Any) -> httpx2.Response: ...
    def tokens(self) -> TokenPair: ...
    def refresh(self) -> TokenPair: ...


class _AsyncCaller:
    def __init__(self, portal: BlockingPortal, client: AsyncCoreClient) -> None:
        self._portal = portal
        self._client = client

    def get(self, url: str, **options: t.Any) -> httpx2.Response:
        return self._portal.call(partial(self._client.get, url, **options))

    def post(self, url: str, **options: t.Any) -> httpx2.Response:
        return self._portal.call(partial(self._client.post, url, **options))

    def tokens(self) -> TokenPair:
        return self._client.tokens()

    def refresh(self) -> TokenPair:
        return self._portal.call(self._client.refresh)


Connect = t.Callable[..., Caller]


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> t.Iterator[Connect]:
    """Makes clients, closed afterwards. What is tested with it holds for CoreClient and AsyncCoreClient.

    No address here is an https one, and loading certificates for each client would take half of the time.
    """
    if request.param == "sync":
        clients: list[CoreClient] = []

        def connect_sync(url: str, **options: t.Any) -> Caller:
            clients.append(CoreClient(url, verify=False, **options))
            return clients[-1]

        yield connect_sync
        for client in clients:
            client.close()
        return

    with start_blocking_portal() as portal:
        async_clients: list[AsyncCoreClient] = []

        def connect_async(url: str, **options: t.Any) -> Caller:
            async_clients.append(
                portal.call(partial(AsyncCoreClient.connect, url, verify=False, **options))
            )
            return _AsyncCaller(portal, async_clients[-1])

        yield connect_async
        for async_client in async_clients:
            portal.call(async_client.aclose)


class Clock:
    """The client's clocks, under the test's control."""

    def __init__(self) -> None:
        self._time = auth_module.time
        self.passed = 0.0

    def monotonic(self) -> float:
        return self._time.monotonic() + self.passed

    def time(self) -> float:
        return self._time.time() + self.passed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    fake = SimpleNamespace(monotonic=clock.monotonic, time=clock.time)
    monkeypatch.setattr(auth_module, "time", fake)
    monkeypatch.setattr(exchange_module, "time", fake)
    return clock

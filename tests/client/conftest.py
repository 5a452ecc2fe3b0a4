from __future__ import annotations

import typing as t
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from flask_core_auth.client import AsyncCoreClient, CoreClient, TokenPair
from flask_core_auth.client import auth as auth_module
from flask_core_auth.client import exchange as exchange_module

from ..apps import Clock
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
        assert "Cookie" not in seen.headers
        assert CoreServer.password.encode() not in seen.body


@pytest.fixture
def credentials(server: CoreServer) -> dict[str, str]:
    return server.credentials


class Caller(t.Protocol):
    """A CoreClient, or an AsyncCoreClient whose methods wait for their result."""

    cookies: t.Any

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

    @property
    def cookies(self) -> httpx2.Cookies:
        return self._client.cookies

    @cookies.setter
    def cookies(self, cookies: t.Any) -> None:
        self._client.cookies = cookies

    def tokens(self) -> TokenPair:
        return self._client.tokens()

    def refresh(self) -> TokenPair:
        return self._portal.call(self._client.refresh)


Connect = t.Callable[..., Caller]


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> t.Iterator[Connect]:
    """Make clients, in each test with CoreClient and with AsyncCoreClient, and close them after it."""
    with connecting(request.param) as connect:
        yield connect


@contextmanager
def connecting(kind: str) -> t.Iterator[Connect]:
    """Make clients, ``"sync"`` or ``"async"``, and close them at the end.

    The clients load no certificates: no server here speaks https, and loading would take half of the time.
    """
    if kind == "sync":
        clients: list[CoreClient] = []

        def connect_sync(url: str, **options: t.Any) -> Caller:
            clients.append(CoreClient(url, verify=False, **options))
            return clients[-1]

        try:
            yield connect_sync
        finally:
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

        try:
            yield connect_async
        finally:
            for async_client in async_clients:
                portal.call(async_client.aclose)


class ClientClocks:
    """The client's monotonic clock and its wall clock, which stand still until a test moves them."""

    def __init__(self) -> None:
        self._wall = Clock()
        self._started = self._wall.now

    def monotonic(self) -> float:
        return 1000.0 + self._wall.now - self._started

    def time(self) -> float:
        return self._wall.now

    def move(self, seconds: float) -> None:
        self._wall.move(seconds)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> ClientClocks:
    clocks = ClientClocks()
    fake = SimpleNamespace(monotonic=clocks.monotonic, time=clocks.time)
    monkeypatch.setattr(auth_module, "time", fake)
    monkeypatch.setattr(exchange_module, "time", fake)
    return clocks


TimePasses = t.Callable[[float], None]


@pytest.fixture
def time_passes(clocks: ClientClocks, server: CoreServer) -> TimePasses:
    """Move the clocks of client and server, in seconds."""

    def move(seconds: float) -> None:
        clocks.move(seconds)
        server.clock.move(seconds)

    return move

"""The timeout limits a login or a refresh as a whole, however slowly the response arrives."""

from __future__ import annotations

import asyncio
import json
import threading
import typing as t
from types import SimpleNamespace

import httpx2
import pytest

from flask_core_auth.client import AsyncCoreClient, CoreClient, CoreTokenAuth
from flask_core_auth.client import deadline as deadline_module
from flask_core_auth.client.deadline import ShrinkingTimeout, token_timeouts

from .conftest import Connect
from .server import LOGIN, PATIENCE, PROCESS, REFRESH, CoreServer, Fault, Handler, responds

#: Seconds that a dripping response takes, at one byte per second.
LENGTH = 1000


class Passing:
    """The clock of the deadlines, which stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 5000.0
        self.asked = threading.Event()

    def monotonic(self) -> float:
        self.asked.set()
        return self.now


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Passing:
    clock = Passing()
    monkeypatch.setattr(deadline_module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def drips(passing: Passing, *, headers: bool = False) -> Fault:
    """Log in, with a response that arrives at one byte per second: its body, or a header before it."""

    def fault(handler: Handler) -> None:
        tokens = {"access_token": handler.core.issue("access")}
        body = json.dumps(tokens).encode().rjust(LENGTH)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % LENGTH
        slow, fast = (b"X-Slow: " + b"x" * LENGTH, b"\r\n\r\n" + body) if headers else (body, b"")
        handler.wfile.write(head if headers else head + b"\r\n")
        for byte in slow:
            handler.wfile.write(bytes([byte]))
            passing.now += 1
        handler.wfile.write(fast)

    return fault


def core_client(server: CoreServer, **options: t.Any) -> None:
    with CoreClient(server.url, **server.credentials, **options) as client:
        assert client.get(PROCESS).status_code == 200


def async_core_client(server: CoreServer, **options: t.Any) -> None:
    async def scenario() -> None:
        async with AsyncCoreClient(server.url, **server.credentials, **options) as client:
            assert (await client.get(PROCESS)).status_code == 200

    asyncio.run(scenario())


def plain_client(server: CoreServer, **options: t.Any) -> None:
    auth = CoreTokenAuth(server.url, **server.credentials, **options)
    with httpx2.Client(auth=auth, timeout=PATIENCE) as client:
        assert client.get(server.url + PROCESS).status_code == 200


def plain_async_client(server: CoreServer, **options: t.Any) -> None:
    async def scenario() -> None:
        auth = CoreTokenAuth(server.url, **server.credentials, **options)
        async with httpx2.AsyncClient(auth=auth, timeout=PATIENCE) as client:
            assert (await client.get(server.url + PROCESS)).status_code == 200

    asyncio.run(scenario())


LogIn = t.Callable[..., None]


@pytest.mark.parametrize("headers", [False, True], ids=["body", "headers"])
@pytest.mark.parametrize("log_in", [core_client, async_core_client, plain_client, plain_async_client])
class TestDrippingLogin:
    @pytest.mark.parametrize("timeout", [15.0, 15], ids=repr)
    def test_login_ends_when_the_timeout_is_over(
        self, server: CoreServer, passing: Passing, log_in: LogIn, headers: bool, timeout: t.Any
    ) -> None:
        server.faults[LOGIN] = drips(passing, headers=headers)

        with pytest.raises(httpx2.ReadTimeout) as caught:
            log_in(server, timeout=timeout)

        assert caught.value.request.url.path == LOGIN
        assert server.paths == [LOGIN]

    @pytest.mark.parametrize("timeout", [None, httpx2.Timeout(15.0, read=None), 2.0 * LENGTH], ids=repr)
    def test_login_may_take_as_long_as_the_timeout_allows(
        self, server: CoreServer, passing: Passing, log_in: LogIn, headers: bool, timeout: t.Any
    ) -> None:
        server.faults[LOGIN] = drips(passing, headers=headers)

        log_in(server, timeout=timeout)

        assert passing.now >= 5000 + LENGTH
        assert server.paths == [LOGIN, PROCESS]


@pytest.mark.parametrize("log_in", [core_client, async_core_client])
def test_part_of_a_timeout_limits_its_whole_phase(
    server: CoreServer, passing: Passing, log_in: LogIn
) -> None:
    def drips_once_the_client_reads(handler: Handler) -> None:
        passing.asked.clear()
        handler.wfile.write(b"HTTP/1.1")
        passing.asked.wait(PATIENCE)
        passing.now += 16
        handler.wfile.write(b" 200 OK\r\n")
        handler.close_connection = True

    server.faults[LOGIN] = drips_once_the_client_reads

    with pytest.raises(httpx2.ReadTimeout):
        log_in(server, timeout=httpx2.Timeout(PATIENCE, read=15.0))


def test_dripping_refresh_keeps_the_tokens(
    server: CoreServer, connect: Connect, credentials: dict[str, str], passing: Passing
) -> None:
    client = connect(server.url, **credentials)
    before = client.tokens()
    server.access_secret = server.new_secret()
    server.faults[REFRESH] = drips(passing)

    for refresh in (client.refresh, lambda: client.get(PROCESS)):
        with pytest.raises(httpx2.ReadTimeout):
            refresh()

    assert client.tokens() == before
    server.faults.clear()
    assert client.get(PROCESS).status_code == 200
    assert server.logins == 1


def test_login_after_a_refresh_has_its_own_deadline(
    server: CoreServer, connect: Connect, credentials: dict[str, str], passing: Passing
) -> None:
    client = connect(server.url, **credentials)

    def slowly(then: Fault) -> Fault:
        def fault(handler: Handler) -> None:
            passing.now += 10
            then(handler)

        return fault

    server.faults = {REFRESH: slowly(responds(401)), LOGIN: slowly(Handler.route)}

    client.refresh()

    assert server.paths == [LOGIN, REFRESH, LOGIN]


def test_deadline_holds_for_a_transport_that_knows_no_timeout(
    connect: Connect, credentials: dict[str, str], passing: Passing
) -> None:
    class Drips(httpx2.SyncByteStream, httpx2.AsyncByteStream):
        def __iter__(self) -> t.Iterator[bytes]:
            for _ in range(LENGTH):
                passing.now += 1
                yield b" "

        async def __aiter__(self) -> t.AsyncIterator[bytes]:
            for part in self:
                yield part

    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, stream=Drips()))

    with pytest.raises(httpx2.ReadTimeout):
        connect("http://core", transport=transport, **credentials)

    assert passing.now < 5000 + LENGTH


def test_dripping_401_is_limited_like_any_response(
    server: CoreServer, connect: Connect, credentials: dict[str, str], passing: Passing
) -> None:
    """The timeout of the request applies, not that of the refresh."""
    client = connect(server.url, **credentials)
    first = client.tokens().access_token

    def rejects(handler: Handler) -> None:
        if handler.bearer == first:
            passing.now += LENGTH
            handler.unauthorized()
        else:
            handler.route()

    server.faults[PROCESS] = rejects

    assert client.get(PROCESS).status_code == 200


class TestDeadline:
    def test_timeout_becomes_shorter_from_its_first_use_on(self, passing: Passing) -> None:
        deadline = ShrinkingTimeout(15.0)
        passing.now += 100

        assert deadline.remaining() == 15.0
        passing.now += 12.5
        assert deadline.remaining() == 2.5
        assert float(deadline) == 2.5
        assert 1000.0 + deadline == 1002.5
        assert deadline < 3
        assert not deadline < 0

    def test_integer_is_rounded_up_and_times_out(self, passing: Passing) -> None:
        deadline = ShrinkingTimeout(15.0)
        assert range(20)[deadline] == 15

        passing.now += 14.5
        assert range(20)[deadline] == 1
        passing.now += 0.5
        with pytest.raises(TimeoutError):
            range(20)[deadline]
        assert deadline.remaining() == 0.0

    def test_seconds_are_one_deadline_for_all_phases(self, passing: Passing) -> None:
        timeouts = token_timeouts(15.0)

        passing.now += 5
        assert [float(timeouts[phase]) for phase in ("connect", "write", "read")] == [10.0, 10.0, 10.0]
        assert timeouts["pool"] == 15.0

    def test_parts_of_a_timeout_are_deadlines_of_their_phases(self, passing: Passing) -> None:
        timeouts = token_timeouts(httpx2.Timeout(5.0, read=60.0, write=None))

        assert float(timeouts["connect"]) == 5.0
        passing.now += 5
        assert float(timeouts["read"]) == 60.0
        assert (timeouts["write"], timeouts["pool"]) == (None, 5.0)

    def test_none_is_no_deadline(self) -> None:
        assert set(token_timeouts(None).values()) == {None}

"""The size of the responses that the client reads: logins, refreshes and rejected requests."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import typing as t
import zlib
from functools import cache

import httpx2
import pytest

from flask_core_auth.client import CoreClient, LoginError, RefreshError
from flask_core_auth.client.body import MAX_BODY, bounded

from .conftest import Connect
from .server import LOGIN, PROCESS, REFRESH, CoreServer, Fault, Handler, responds

MEBIBYTE = 1024 * 1024


@cache
def bomb() -> bytes:
    """Return 0.1 MB that unpack to 128 MiB: a body that no client asked for."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    zeros = bytes(MEBIBYTE)
    return b"".join([packer.compress(zeros) for _ in range(128)]) + packer.flush()


def explodes(status: int, **headers: str) -> Fault:
    return responds(status, bomb(), Content_Encoding="gzip", **headers)


def explodes_twice(status: int) -> Fault:
    return responds(status, gzip.compress(bomb()), Content_Encoding="gzip, gzip")


@pytest.fixture
def little_memory() -> t.Iterator[None]:
    """Fail if the test takes more than 16 MiB at any time."""
    bomb()
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * MEBIBYTE


def tokens_of(server: CoreServer, size: int = 0) -> bytes:
    """Return the response to a login, with spaces up to ``size`` bytes."""
    tokens = {"access_token": server.issue("access"), "refresh_token": server.issue("refresh")}
    return json.dumps(tokens).encode().ljust(size)


@pytest.mark.usefixtures("little_memory")
class TestBomb:
    @pytest.mark.parametrize("fault", [explodes(200), explodes(403), explodes_twice(200)])
    def test_login_is_not_unpacked(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str], fault: Fault
    ) -> None:
        server.faults[LOGIN] = fault

        with pytest.raises(LoginError, match="more than 65536 bytes"):
            connect(server.url, **credentials)

    @pytest.mark.parametrize("by_hand", [True, False])
    def test_refresh_is_not_unpacked(self, server: CoreServer, connect: Connect, by_hand: bool) -> None:
        client = connect(server.url, refresh_token=server.issue("refresh"))
        server.faults[REFRESH] = explodes(200)

        with pytest.raises(RefreshError, match="more than 65536 bytes") as caught:
            client.refresh() if by_hand else client.get(PROCESS)

        assert caught.value.status == 200

    def test_redirect_of_a_refresh_is_not_unpacked(self, server: CoreServer, connect: Connect) -> None:
        """httpx2 reads the body of a redirect that it follows."""
        client = connect(server.url, refresh_token=server.issue("refresh"), follow_redirects=True)
        server.faults[REFRESH] = explodes(302, Location="/elsewhere")

        with pytest.raises(RefreshError, match="redirected"):
            client.get(PROCESS)

        assert server.paths == [REFRESH]

    def test_rejected_request_is_not_unpacked(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str]
    ) -> None:
        client = connect(server.url, **credentials)
        first = client.tokens().access_token
        server.faults[PROCESS] = lambda handler: (
            explodes(401)(handler) if handler.bearer == first else handler.route()
        )

        assert client.get(PROCESS).status_code == 200
        assert server.paths == [LOGIN, PROCESS, REFRESH, PROCESS]


@pytest.mark.parametrize(("size", "accepted"), [(MAX_BODY, True), (MAX_BODY + 1, False)])
@pytest.mark.parametrize("packed", [True, False])
def test_login_may_have_64_kibibytes(
    server: CoreServer,
    connect: Connect,
    credentials: dict[str, str],
    size: int,
    accepted: bool,
    packed: bool,
) -> None:
    body = tokens_of(server, size)
    server.faults[LOGIN] = (
        responds(200, gzip.compress(body), Content_Encoding="gzip") if packed else responds(200, body)
    )

    if accepted:
        assert connect(server.url, **credentials).get(PROCESS).status_code == 200
    else:
        with pytest.raises(LoginError, match="more than 65536 bytes"):
            connect(server.url, **credentials)


def test_logins_and_refreshes_ask_for_a_body_that_is_not_packed(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, headers={"Accept-Encoding": "gzip"}, **credentials)
    client.refresh()
    client.get(PROCESS)

    assert [seen.headers["Accept-Encoding"] for seen in server.seen] == ["identity", "identity", "gzip"]


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip, gzip, gzip, gzip, gzip", "unknown"])
def test_body_that_cannot_be_unpacked_is_a_login_error(
    server: CoreServer, connect: Connect, credentials: dict[str, str], encoding: str
) -> None:
    server.faults[LOGIN] = responds(200, b"neither gzip nor JSON", Content_Encoding=encoding)

    with pytest.raises(LoginError, match="no JSON"):
        connect(server.url, **credentials)


@pytest.mark.parametrize(
    "body", [b"x" * MEBIBYTE, b"neither gzip nor JSON", gzip.compress(b"x" * MEBIBYTE)]
)
def test_rejected_request_is_repeated_whatever_its_response_contains(
    server: CoreServer, connect: Connect, credentials: dict[str, str], body: bytes
) -> None:
    client = connect(server.url, **credentials)
    first = client.tokens().access_token
    packed = {} if body.startswith(b"x") else {"Content_Encoding": "gzip"}
    server.faults[PROCESS] = lambda handler: (
        responds(401, body, **packed)(handler) if handler.bearer == first else handler.route()
    )

    response = client.get(PROCESS)

    assert response.status_code == 200
    assert len(response.history[0].content) <= MAX_BODY + 1
    assert response.history[0].elapsed


def test_401_that_unpacks_to_nothing_is_not_read_for_good(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)
    first = client.tokens().access_token

    def reject(handler: Handler) -> None:
        handler.send_response(401)
        handler.send_header("Content-Encoding", "deflate")
        handler.send_header("Content-Length", str(64 * MEBIBYTE))
        handler.end_headers()
        for _ in range(64):
            handler.wfile.write(b"\x00\x00\x00\xff\xff" * 10_000)  # empty blocks (RFC 1951, 3.2.4)
        handler.close_connection = True

    server.faults[PROCESS] = lambda handler: reject(handler) if handler.bearer == first else handler.route()

    assert client.get(PROCESS).status_code == 200


def test_long_401_that_the_caller_gets_is_complete(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)
    server.faults[PROCESS] = responds(401, {"details": ["x" * MEBIBYTE]})

    response = client.get(PROCESS)

    assert response.json() == {"details": ["x" * MEBIBYTE]}
    assert len(response.history[0].content) == MAX_BODY + 1


def test_packed_401_in_the_history_is_as_the_server_sent_it(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)
    server.faults[PROCESS] = responds(401, gzip.compress(b'{"code": 401}'), Content_Encoding="gzip")

    rejected = client.get(PROCESS).history[0]

    assert rejected.json() == {"code": 401}
    assert rejected.headers["Content-Encoding"] == "gzip"


def test_long_401_does_not_keep_the_only_connection(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    limits = httpx2.Limits(max_connections=1)
    with CoreClient(server.url, limits=limits, **credentials) as client:
        first = client.tokens().access_token
        server.faults[PROCESS] = lambda handler: (
            responds(401, b"x" * MEBIBYTE)(handler) if handler.bearer == first else handler.route()
        )

        assert client.get(PROCESS).status_code == 200


def test_closing_a_bounded_response_closes_its_connection() -> None:
    closed: list[str] = []

    class Stream(httpx2.SyncByteStream, httpx2.AsyncByteStream):
        def close(self) -> None:
            closed.append("sync")

        async def aclose(self) -> None:
            closed.append("async")

    for close in (httpx2.Response.close, lambda response: asyncio.run(response.aclose())):
        response = httpx2.Response(401, stream=Stream(), request=httpx2.Request("GET", "http://core"))
        with bounded(response):
            close(response)

    assert closed == ["sync", "async"]

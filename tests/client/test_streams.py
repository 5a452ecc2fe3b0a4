"""Downloads and uploads that are streams."""

from __future__ import annotations

import asyncio
import io
import typing as t

import httpx2
import pytest

from flask_core_auth.client import AsyncCoreClient, CoreClient, CoreClientError

from .conftest import Connect, TimePasses
from .server import DOWNLOAD, PROCESS, CoreServer


def test_download_arrives_while_the_server_still_writes(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    with CoreClient(server.url, **credentials) as client, client.stream("GET", DOWNLOAD) as response:
        chunks = response.iter_raw()
        assert next(chunks) == b"first"
        server.proceed.set()
        assert b"".join(chunks) == b"-last"


def test_async_download_arrives_while_the_server_still_writes(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    async def scenario() -> None:
        async with (
            AsyncCoreClient(server.url, **credentials) as client,
            client.stream("GET", DOWNLOAD) as response,
        ):
            chunks = response.aiter_raw()
            assert await anext(chunks) == b"first"
            server.proceed.set()
            assert b"".join([chunk async for chunk in chunks]) == b"-last"

    asyncio.run(scenario())


def test_download_is_a_stream_after_a_refresh(server: CoreServer, credentials: dict[str, str]) -> None:
    with CoreClient(server.url, **credentials) as client:
        server.access_secret = server.new_secret()
        with client.stream("GET", DOWNLOAD) as response:
            assert not response.is_stream_consumed
            assert next(response.iter_raw()) == b"first"
            server.proceed.set()


def test_401_is_not_read_without_refresh_token_and_credentials(server: CoreServer) -> None:
    with (
        CoreClient(server.url, access_token="opaque") as client,
        client.stream("GET", PROCESS) as response,
    ):
        assert response.status_code == 401
        assert not response.is_stream_consumed
        assert response.read()


def upload(connect: Connect) -> t.Any:
    """Return a body that can be read once, sync or async as the client needs."""

    async def agenerate() -> t.AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    def generate() -> t.Iterator[bytes]:
        yield b"one "
        yield b"two"

    return generate() if connect.__name__ == "connect_sync" else agenerate()


def test_expired_token_is_refreshed_before_an_upload(
    server: CoreServer, connect: Connect, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    client = connect(server.url, **credentials)
    time_passes(590)

    response = client.post(PROCESS, content=upload(connect))

    assert response.json()["body"] == "one two"
    assert (server.refreshes, server.count(PROCESS)) == (1, 1)


def test_rejected_upload_is_not_sent_again_but_the_next_one_succeeds(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)
    server.access_secret = server.new_secret()

    with pytest.raises(CoreClientError, match="not sent again") as caught:
        client.post(PROCESS, content=upload(connect))

    assert caught.value.status == 401
    assert (server.refreshes, server.count(PROCESS)) == (1, 1)
    assert client.post(PROCESS, content=upload(connect)).json()["body"] == "one two"


def test_rejected_file_is_not_sent_again(server: CoreServer, credentials: dict[str, str]) -> None:
    with CoreClient(server.url, **credentials) as client:
        server.access_secret = server.new_secret()
        with pytest.raises(CoreClientError, match="not sent again"):
            client.post(PROCESS, content=io.BytesIO(b"a file"))

        assert server.count(PROCESS) == 1


def test_rejected_stream_that_was_read_before_is_sent_again(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    with CoreClient(server.url, **credentials) as client:
        server.access_secret = server.new_secret()
        request = client.build_request("POST", PROCESS, content=iter([b"a", b"b"]))
        request.read()

        assert client.send(request).json()["body"] == "ab"


@pytest.mark.parametrize("options", [{"json": {"a": 1}}, {"data": {"a": "1"}}, {"content": "text"}, {}])
def test_rejected_request_with_a_plain_body_is_sent_again(
    server: CoreServer, connect: Connect, credentials: dict[str, str], options: dict[str, t.Any]
) -> None:
    client = connect(server.url, **credentials)
    server.access_secret = server.new_secret()

    response = client.post(PROCESS, **options)

    assert response.status_code == 200
    first, second = (seen.body for seen in server.seen if seen.path == PROCESS)
    assert first == second
    assert isinstance(response, httpx2.Response)

"""The clients as httpx2 clients, and the auth in a client of the caller's own."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import httpx2
import pytest

from flask_core_auth.client import AsyncCoreClient, CoreClient, CoreTokenAuth, LoginError

from .server import CoreServer, unauthorized

PROCESS = "/api/v3/process"


def test_importing_the_client_imports_no_server_side() -> None:
    code = (
        "import sys, flask_core_auth.client\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))\n"
        "print(sorted(name for name in sys.modules if name.startswith('flask_core_auth')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded, ours = done.stdout.splitlines()
    for name in ("flask", "werkzeug", "flask_jwt_extended", "jwt", "authlib", "joserfc", "limits"):
        assert f"'{name}'" not in loaded
    for name in ("blueprint", "config", "errors", "identity", "compact"):
        assert f"'flask_core_auth.{name}'" not in ours


def test_client_is_an_httpx2_client(server: CoreServer, login: dict[str, str]) -> None:
    with CoreClient(server.url, headers={"X-Mine": "1"}, follow_redirects=True, **login) as client:
        assert isinstance(client, httpx2.Client)
        assert client.follow_redirects
        client.get(PROCESS)

    assert client.is_closed
    assert server.seen[-1].headers["X-Mine"] == "1"
    with pytest.raises(RuntimeError, match="closed"):
        client.get(PROCESS)
    with pytest.raises(RuntimeError, match="closed"):
        client.__enter__()


def test_client_without_a_with_block(server: CoreServer, login: dict[str, str]) -> None:
    client = CoreClient(server.url, **login)
    assert client.get(PROCESS).status_code == 200
    client.close()

    assert client.is_closed


def test_async_client_logs_in_when_it_is_entered(server: CoreServer, login: dict[str, str]) -> None:
    async def scenario() -> None:
        client = AsyncCoreClient(server.url, **login)
        assert server.seen == []
        async with client as entered:
            assert entered is client
            assert server.logins == 1
            assert (await client.get(PROCESS)).status_code == 200
        assert client.is_closed
        with pytest.raises(RuntimeError, match="closed"):
            await client.__aenter__()

    asyncio.run(scenario())


def test_async_client_connects(server: CoreServer, login: dict[str, str]) -> None:
    async def scenario() -> None:
        client = await AsyncCoreClient.connect(server.url, **login)
        assert server.logins == 1
        async with client:
            assert (await client.get(PROCESS)).status_code == 200
        assert client.is_closed
        assert server.logins == 1

    asyncio.run(scenario())


def test_async_client_that_was_never_entered_logs_in_with_its_first_request(
    server: CoreServer, login: dict[str, str]
) -> None:
    async def scenario() -> None:
        client = AsyncCoreClient(server.url, **login)
        assert (await client.get(PROCESS)).status_code == 200
        await client.aclose()

    asyncio.run(scenario())

    assert server.logins == 1


def test_async_client_is_closed_when_the_login_fails(server: CoreServer) -> None:
    async def scenario() -> None:
        client = AsyncCoreClient(server.url, username="admin", password="wrong")
        with pytest.raises(LoginError):
            await client.__aenter__()
        assert client.is_closed

    asyncio.run(scenario())


def test_auth_in_a_client_of_the_callers_own(server: CoreServer, login: dict[str, str]) -> None:
    auth = CoreTokenAuth(server.url, **login)
    assert auth.tokens().access_token == ""

    with httpx2.Client(auth=auth) as client:
        assert client.get(server.url + PROCESS).status_code == 200
        with pytest.raises(httpx2.UnsupportedProtocol):
            client.get("/relative")

    assert server.logins == 1
    assert server.seen[0].headers["User-Agent"].startswith("flask-core-auth/")
    assert auth.tokens().access_token == server.seen[-1].bearer


def test_auth_for_single_calls(server: CoreServer, login: dict[str, str]) -> None:
    auth = CoreTokenAuth(server.url, **login)

    assert httpx2.get(server.url + PROCESS, auth=auth).status_code == 200
    assert httpx2.get(server.url + PROCESS, auth=auth).status_code == 200

    assert server.logins == 1


def test_auth_can_be_switched_off_for_a_request(server: CoreServer, login: dict[str, str]) -> None:
    with CoreClient(server.url, **login) as client:
        assert client.get(PROCESS, auth=None).status_code == 401

    assert server.refreshes == 0


def test_hooks_see_the_requests_for_tokens(server: CoreServer, login: dict[str, str]) -> None:
    asked: list[str] = []
    hooks = {"request": [lambda request: asked.append(request.url.path)]}
    with CoreClient(server.url, event_hooks=hooks, **login) as client:
        server.access_secret = server.new_secret()
        client.get(PROCESS)

    assert asked == ["/api/login", PROCESS, "/api/login/refresh", PROCESS]


def test_history_of_a_repeated_request(server: CoreServer, login: dict[str, str]) -> None:
    with CoreClient(server.url, **login) as client:
        server.access_secret = server.new_secret()
        response = client.get(PROCESS)

    assert [past.status_code for past in response.history] == [401, 200]


def test_proxied_transports(login: dict[str, str]) -> None:
    """A transport without a network, as tests of other projects use it."""

    def serve(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/api/login":
            return httpx2.Response(200, json={"access_token": "a", "refresh_token": "r"})
        return httpx2.Response(200, json={"bearer": request.headers["Authorization"]})

    with CoreClient("http://core", transport=httpx2.MockTransport(serve), **login) as client:
        assert client.get(PROCESS).json() == {"bearer": "Bearer a"}


def test_nothing_is_sent_by_a_client_with_tokens(server: CoreServer) -> None:
    for path in ("/api/login", "/api/login/refresh"):
        server.faults[path] = unauthorized

    with CoreClient(server.url, access_token="a", refresh_token="r"):
        pass

    assert server.seen == []

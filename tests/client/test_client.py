"""CoreClient and AsyncCoreClient: when they log in, what stored tokens save, and the rest of httpx2."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import httpx2
import pytest

from flask_core_auth.client import (
    AsyncCoreClient,
    CoreClient,
    CoreClientError,
    LoginError,
    RefreshError,
    TokenPair,
)

from .conftest import ClientClocks, Connect, TimePasses
from .server import DAY, LOGIN, PATIENCE, PROCESS, REFRESH, CoreServer, held, slow, unauthorized


def test_importing_the_client_imports_no_server_module() -> None:
    code = (
        "import sys, flask_core_auth.client\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))\n"
        "print(sorted(name for name in sys.modules if name.startswith('flask_core_auth')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded, modules = done.stdout.splitlines()
    for name in ("flask", "werkzeug", "flask_jwt_extended", "jwt", "authlib", "joserfc", "limits"):
        assert f"'{name}'" not in loaded
    for name in ("blueprint", "config", "errors", "identity", "jws"):
        assert f"'flask_core_auth.{name}'" not in modules


def test_client_is_an_httpx2_client(server: CoreServer, credentials: dict[str, str]) -> None:
    with CoreClient(server.url, headers={"X-Mine": "1"}, follow_redirects=True, **credentials) as client:
        assert isinstance(client, httpx2.Client)
        assert client.follow_redirects
        client.get(PROCESS)

    assert client.is_closed
    assert server.seen[-1].headers["X-Mine"] == "1"
    with pytest.raises(RuntimeError, match="closed"):
        client.get(PROCESS)
    with pytest.raises(RuntimeError, match="closed"):
        client.__enter__()


def test_client_works_without_a_with_block(server: CoreServer, credentials: dict[str, str]) -> None:
    client = CoreClient(server.url, **credentials)
    assert client.get(PROCESS).status_code == 200
    client.close()

    assert client.is_closed


def test_making_a_client_logs_in(server: CoreServer, connect: Connect, credentials: dict[str, str]) -> None:
    client = connect(server.url, **credentials)

    assert server.logins == 1
    assert json.loads(server.seen[0].body) == credentials
    assert server.seen[0].headers["Content-Type"] == "application/json"
    assert server.seen[0].bearer is None

    assert client.get(PROCESS).json()["user"] == "admin"
    assert client.post(PROCESS, content="hello").json()["body"] == "hello"
    assert server.logins == 1


def test_wrong_password_is_a_login_error_of_the_constructor(server: CoreServer, connect: Connect) -> None:
    with pytest.raises(LoginError) as caught:
        connect(server.url, username="admin", password="wrong")

    assert caught.value.status == 403
    assert caught.value.details == ("Invalid username or password",)
    assert "403 Forbidden: Invalid username or password" in str(caught.value)
    assert isinstance(caught.value, CoreClientError)
    assert server.logins == 1


def test_client_is_closed_if_the_login_fails(server: CoreServer) -> None:
    closed = []

    class Transport(httpx2.HTTPTransport):
        def close(self) -> None:
            closed.append(True)
            super().close()

    with pytest.raises(LoginError):
        CoreClient(server.url, username="admin", password="wrong", transport=Transport())

    assert closed == [True]


def test_async_client_logs_in_when_it_is_entered(server: CoreServer, credentials: dict[str, str]) -> None:
    async def scenario() -> None:
        client = AsyncCoreClient(server.url, **credentials)
        assert server.seen == []
        async with client as entered:
            assert entered is client
            assert server.logins == 1
            assert (await client.get(PROCESS)).status_code == 200
        assert client.is_closed
        with pytest.raises(RuntimeError, match="closed"):
            await client.__aenter__()

    asyncio.run(scenario())


def test_async_client_logs_in_at_connect(server: CoreServer, credentials: dict[str, str]) -> None:
    async def scenario() -> None:
        client = await AsyncCoreClient.connect(server.url, **credentials)
        assert server.logins == 1
        async with client:
            assert (await client.get(PROCESS)).status_code == 200
        assert client.is_closed
        assert server.logins == 1

    asyncio.run(scenario())


def test_async_client_that_was_never_entered_logs_in_at_its_first_request(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    async def scenario() -> None:
        client = AsyncCoreClient(server.url, **credentials)
        assert (await client.get(PROCESS)).status_code == 200
        await client.aclose()

    asyncio.run(scenario())

    assert server.logins == 1


def test_async_client_is_closed_if_the_login_fails(server: CoreServer) -> None:
    async def scenario() -> None:
        client = AsyncCoreClient(server.url, username="admin", password="wrong")
        with pytest.raises(LoginError):
            await client.__aenter__()
        assert client.is_closed

    asyncio.run(scenario())


def test_client_waits_for_a_slow_rejection(server: CoreServer, connect: Connect) -> None:
    server.faults[LOGIN] = slow(1.2, unauthorized)

    with pytest.raises(LoginError) as caught:
        connect(server.url, username="admin", password="wrong")

    assert caught.value.status == 401


def test_default_timeout_is_longer_than_a_core_takes_to_reject(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    with CoreClient(server.url, **credentials) as client:
        assert client.timeout == httpx2.Timeout(15.0)


def test_slow_login_is_a_timeout_of_httpx2(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    server.faults[LOGIN] = held(server.proceed)

    with pytest.raises(httpx2.ReadTimeout):
        connect(server.url, timeout=httpx2.Timeout(PATIENCE, read=0.2), **credentials)


def test_unreachable_server_is_a_connect_error_of_httpx2(
    connect: Connect, credentials: dict[str, str]
) -> None:
    stopped = CoreServer()
    stopped.close()

    with pytest.raises(httpx2.ConnectError):
        connect(stopped.url, **credentials)


def test_client_accepts_no_other_auth(server: CoreServer, credentials: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="auth"):
        CoreClient(server.url, auth=("a", "b"), **credentials)


def test_event_hooks_see_logins_and_refreshes(server: CoreServer, credentials: dict[str, str]) -> None:
    asked: list[str] = []
    hooks = {"request": [lambda request: asked.append(request.url.path)]}
    with CoreClient(server.url, event_hooks=hooks, **credentials) as client:
        server.access_secret = server.new_secret()
        client.get(PROCESS)

    assert asked == [LOGIN, PROCESS, REFRESH, PROCESS]


def test_history_of_a_repeated_request_has_the_401_and_the_refresh(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    with CoreClient(server.url, **credentials) as client:
        server.access_secret = server.new_secret()
        response = client.get(PROCESS)

    assert [past.status_code for past in response.history] == [401, 200]


def test_client_works_with_a_mock_transport(credentials: dict[str, str]) -> None:
    """A transport without a network, as tests of other projects use it."""

    def serve(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == LOGIN:
            return httpx2.Response(200, json={"access_token": "a", "refresh_token": "r"})
        return httpx2.Response(200, json={"bearer": request.headers["Authorization"]})

    with CoreClient("http://core", transport=httpx2.MockTransport(serve), **credentials) as client:
        assert client.get(PROCESS).json() == {"bearer": "Bearer a"}


def test_refresh_returns_the_new_tokens(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)

    tokens = client.refresh()

    assert isinstance(tokens, TokenPair)
    client.get(PROCESS)
    assert server.paths == [LOGIN, REFRESH, PROCESS]
    assert server.seen[-1].bearer == tokens.access_token


def test_refresh_without_refresh_token_and_credentials_is_an_error(
    server: CoreServer, connect: Connect
) -> None:
    client = connect(server.url, access_token=server.issue("access"))

    with pytest.raises(RefreshError, match="nothing to log in with"):
        client.refresh()


def test_making_a_client_with_tokens_sends_nothing(server: CoreServer) -> None:
    for path in (LOGIN, REFRESH):
        server.faults[path] = unauthorized

    with CoreClient(server.url, access_token="a", refresh_token="r"):
        pass

    assert server.seen == []


class TestStoredTokens:
    def test_stored_tokens_save_the_login(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str]
    ) -> None:
        stored = connect(server.url, **credentials).tokens()

        client = connect(
            server.url, access_token=stored.access_token, refresh_token=stored.refresh_token, **credentials
        )
        assert server.paths == [LOGIN]
        assert client.tokens() == stored

        assert client.get(PROCESS).status_code == 200
        assert server.paths == [LOGIN, PROCESS]

    def test_stored_refresh_token_is_used_at_the_first_request(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str]
    ) -> None:
        stored = connect(server.url, **credentials).tokens()

        client = connect(server.url, refresh_token=stored.refresh_token, **credentials)
        assert server.paths == [LOGIN]
        assert client.tokens() == TokenPair("", stored.refresh_token)

        assert client.get(PROCESS).status_code == 200
        assert server.paths == [LOGIN, REFRESH, PROCESS]

    def test_stored_access_token_alone_is_used_until_it_is_rejected(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str], clocks: ClientClocks
    ) -> None:
        client = connect(server.url, access_token=server.issue("access"), **credentials)
        clocks.move(DAY)

        assert client.get(PROCESS).status_code == 200
        server.access_secret = server.new_secret()
        assert client.get(PROCESS).status_code == 200

        assert server.paths == [PROCESS, PROCESS, LOGIN, PROCESS]

    def test_stored_expired_access_token_is_refreshed_at_the_first_request(
        self, server: CoreServer, connect: Connect, time_passes: TimePasses
    ) -> None:
        access_token, refresh_token = server.issue("access"), server.issue("refresh")
        time_passes(700)

        client = connect(server.url, access_token=access_token, refresh_token=refresh_token)
        assert server.seen == []

        assert client.get(PROCESS).status_code == 200
        assert server.paths == [REFRESH, PROCESS]

    def test_stored_access_token_is_refreshed_before_it_expires(
        self, server: CoreServer, connect: Connect, time_passes: TimePasses
    ) -> None:
        client = connect(
            server.url, access_token=server.issue("access"), refresh_token=server.issue("refresh")
        )
        client.get(PROCESS)
        time_passes(590)

        client.get(PROCESS)

        assert server.paths == [PROCESS, REFRESH, PROCESS]

    def test_making_a_client_logs_in_if_both_stored_tokens_have_expired(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str], time_passes: TimePasses
    ) -> None:
        access_token, refresh_token = server.issue("access"), server.issue("refresh")
        time_passes(2 * DAY)

        connect(server.url, access_token=access_token, refresh_token=refresh_token, **credentials)

        assert server.paths == [REFRESH, LOGIN]

    def test_making_a_client_with_expired_tokens_and_no_credentials_is_an_error(
        self, server: CoreServer, connect: Connect, time_passes: TimePasses
    ) -> None:
        access_token, refresh_token = server.issue("access"), server.issue("refresh")
        time_passes(2 * DAY)

        with pytest.raises(RefreshError):
            connect(server.url, access_token=access_token, refresh_token=refresh_token)

    def test_stored_opaque_tokens_are_used(self, server: CoreServer, connect: Connect) -> None:
        server.opaque = True
        client = connect(
            server.url, access_token=server.issue("access"), refresh_token=server.issue("refresh")
        )

        assert client.get(PROCESS).status_code == 200
        assert server.paths == [PROCESS]

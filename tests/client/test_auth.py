"""CoreTokenAuth: when it gets new tokens, which 401 it handles, and ``on_tokens``."""

from __future__ import annotations

import httpx2
import pytest

from flask_core_auth.client import AsyncCoreClient, CoreClient, CoreTokenAuth, LoginError, TokenPair

from .conftest import Connect, TimePasses
from .server import DAY, FRESH, LOGIN, PROCESS, REFRESH, CoreServer, responds, unauthorized


def test_auth_works_in_a_plain_httpx2_client(server: CoreServer, credentials: dict[str, str]) -> None:
    auth = CoreTokenAuth(server.url, **credentials)
    assert auth.tokens().access_token == ""

    with httpx2.Client(auth=auth) as client:
        assert client.get(server.url + PROCESS).status_code == 200
        with pytest.raises(httpx2.UnsupportedProtocol):
            client.get("/relative")

    assert server.logins == 1
    assert server.seen[0].headers["User-Agent"].startswith("flask-core-auth/")
    assert auth.tokens().access_token == server.seen[-1].bearer


def test_auth_logs_in_once_for_several_single_calls(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    auth = CoreTokenAuth(server.url, **credentials)

    assert httpx2.get(server.url + PROCESS, auth=auth).status_code == 200
    assert httpx2.get(server.url + PROCESS, auth=auth).status_code == 200

    assert server.logins == 1


def test_auth_can_be_switched_off_for_one_request(server: CoreServer, credentials: dict[str, str]) -> None:
    with CoreClient(server.url, **credentials) as client:
        assert client.get(PROCESS, auth=None).status_code == 401

    assert server.refreshes == 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"access_token": "a b"},
        {"refresh_token": "a\r\nX-Header: b"},
        {"access_token": "", "refresh_token": ""},
    ],
    ids=str,
)
def test_missing_or_invalid_tokens_are_rejected_before_a_request(
    server: CoreServer, options: dict[str, str]
) -> None:
    for kind in (CoreTokenAuth, CoreClient, AsyncCoreClient):
        with pytest.raises(ValueError, match=r"token|username and password") as caught:
            kind(server.url, **options)
        assert "X-Header" not in str(caught.value)
    assert server.seen == []


@pytest.mark.parametrize(
    "base_url",
    [
        "core.example.com",
        "/api",
        "ftp://core.example.com",
        "http://admin:secret@core.example.com",
        "https://core.example.com/?a=b",
        "https://core.example.com/#a",
        "",
    ],
)
def test_invalid_base_url_is_rejected(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        CoreTokenAuth(base_url, username="admin", password="x")

    assert "secret" not in str(caught.value)


def test_coroutine_functions_are_rejected(server: CoreServer, credentials: dict[str, str]) -> None:
    async def coroutine(*args: object) -> str:
        return ""

    with pytest.raises(TypeError, match="coroutine"):
        AsyncCoreClient(server.url, auth0_token=coroutine)
    with pytest.raises(TypeError, match="coroutine"):
        AsyncCoreClient(server.url, on_tokens=coroutine, **credentials)


def test_access_token_is_refreshed_before_it_expires(
    server: CoreServer, connect: Connect, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    client = connect(server.url, **credentials)
    first = client.tokens()

    assert client.get(PROCESS).status_code == 200
    time_passes(600)
    assert client.get(PROCESS).status_code == 200

    # No request got a 401.
    assert server.paths == [LOGIN, PROCESS, REFRESH, PROCESS]
    assert client.tokens().access_token != first.access_token
    assert client.tokens().refresh_token == first.refresh_token


@pytest.mark.parametrize(("passed", "refreshes"), [(560.0, 0), (575.0, 1)])
def test_refresh_is_due_thirty_seconds_before_the_access_token_expires(
    server: CoreServer,
    connect: Connect,
    credentials: dict[str, str],
    time_passes: TimePasses,
    passed: float,
    refreshes: int,
) -> None:
    client = connect(server.url, **credentials)

    time_passes(passed)
    client.get(PROCESS)

    assert server.refreshes == refreshes


def test_rejected_access_token_is_refreshed_once(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)
    server.access_secret = server.new_secret()

    response = client.post(PROCESS, content=b"a body")

    assert response.json() == {"user": "admin", "body": "a body"}
    assert server.paths == [LOGIN, PROCESS, REFRESH, PROCESS]


def test_rejected_refresh_token_leads_to_a_login(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)
    first = client.tokens()
    server.access_secret, server.refresh_secret = server.new_secret(), server.new_secret()

    assert client.get(PROCESS).status_code == 200

    assert server.paths == [LOGIN, PROCESS, REFRESH, LOGIN, PROCESS]
    assert client.tokens().refresh_token != first.refresh_token


def test_opaque_tokens_are_refreshed_only_after_a_rejection(
    server: CoreServer, connect: Connect, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    server.opaque = True
    client = connect(server.url, **credentials)
    time_passes(365 * DAY)
    assert client.get(PROCESS).status_code == 200
    assert server.refreshes == 0

    rejections = [True]
    server.faults[PROCESS] = lambda handler: (
        handler.unauthorized() if rejections and rejections.pop() else handler.route()
    )

    assert client.get(PROCESS).status_code == 200
    assert server.refreshes == 1


def test_client_without_a_refresh_token_logs_in_again(
    server: CoreServer, connect: Connect, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    server.faults[LOGIN] = lambda handler: handler.respond(200, {"access_token": server.issue("access")})
    client = connect(server.url, **credentials)
    assert client.tokens().refresh_token == ""

    time_passes(700)
    assert client.get(PROCESS).status_code == 200

    assert server.paths == [LOGIN, LOGIN, PROCESS]


class TestRejectedRequest:
    def test_second_401_of_a_request_is_returned(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str]
    ) -> None:
        client = connect(server.url, **credentials)
        server.faults[PROCESS] = unauthorized

        response = client.get(PROCESS)

        assert response.status_code == 401
        assert response.json()["details"] == ["Missing or invalid JWT token"]
        with pytest.raises(httpx2.HTTPStatusError):
            response.raise_for_status()
        assert server.paths == [LOGIN, PROCESS, REFRESH, PROCESS]

    def test_server_that_rejects_everything_is_a_login_error(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str]
    ) -> None:
        client = connect(server.url, **credentials)
        for path in (LOGIN, REFRESH, PROCESS):
            server.faults[path] = unauthorized

        with pytest.raises(LoginError) as caught:
            client.get(PROCESS)

        assert caught.value.status == 401
        assert server.paths == [LOGIN, PROCESS, REFRESH, LOGIN]

    def test_new_token_that_is_rejected_is_refreshed_once_more(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str], time_passes: TimePasses
    ) -> None:
        """Servers cut the time of issue to whole seconds: a token of one second may expire at once."""
        client = connect(server.url, **credentials)
        server.faults[PROCESS] = unauthorized
        time_passes(700)

        assert client.get(PROCESS).status_code == 401
        assert server.paths == [LOGIN, REFRESH, PROCESS, REFRESH, PROCESS]

    def test_401_of_a_route_for_fresh_tokens_is_returned_without_a_login(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str]
    ) -> None:
        client = connect(server.url, **credentials)
        assert client.get(FRESH).status_code == 200

        client.refresh()

        assert client.get(FRESH).status_code == 401
        assert client.get(FRESH).status_code == 401
        assert server.logins == 1
        assert server.count(FRESH) == 5

    def test_first_401_is_returned_without_refresh_token_and_credentials(
        self, server: CoreServer, connect: Connect
    ) -> None:
        server.faults[PROCESS] = unauthorized
        client = connect(server.url, access_token=server.issue("access"))

        assert client.get(PROCESS).status_code == 401
        assert server.paths == [PROCESS]

    def test_403_causes_no_refresh(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str]
    ) -> None:
        client = connect(server.url, **credentials)
        server.faults[PROCESS] = responds(403)

        assert client.get(PROCESS).status_code == 403
        assert server.refreshes == 0


@pytest.mark.parametrize("skew", [-DAY, DAY], ids=["server behind", "server ahead"])
class TestWrongClock:
    def test_refresh_is_due_by_the_lifetime_of_the_token(
        self,
        server: CoreServer,
        connect: Connect,
        credentials: dict[str, str],
        time_passes: TimePasses,
        skew: float,
    ) -> None:
        server.skew = skew
        client = connect(server.url, **credentials)

        assert client.get(PROCESS).status_code == 200
        time_passes(300)
        assert client.get(PROCESS).status_code == 200
        assert server.paths == [LOGIN, PROCESS, PROCESS]

        time_passes(400)
        assert client.get(PROCESS).status_code == 200
        assert server.paths[3:] == [REFRESH, PROCESS]

    def test_stored_tokens_need_no_login(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str], skew: float
    ) -> None:
        server.skew = skew
        stored = connect(server.url, **credentials).tokens()

        client = connect(
            server.url, access_token=stored.access_token, refresh_token=stored.refresh_token, **credentials
        )

        for _ in range(3):
            assert client.get(PROCESS).status_code == 200
        assert server.logins == 1
        assert server.refreshes <= 1

    def test_stored_expired_access_token_leads_to_a_refresh(
        self,
        server: CoreServer,
        connect: Connect,
        credentials: dict[str, str],
        time_passes: TimePasses,
        skew: float,
    ) -> None:
        server.skew = skew
        stored = connect(server.url, **credentials).tokens()
        time_passes(700)

        client = connect(
            server.url, access_token=stored.access_token, refresh_token=stored.refresh_token, **credentials
        )

        assert client.get(PROCESS).status_code == 200
        assert (server.logins, server.refreshes) == (1, 1)


class TestOnTokens:
    def test_on_tokens_is_called_with_each_new_pair(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str]
    ) -> None:
        stored: list[TokenPair] = []

        client = connect(server.url, on_tokens=stored.append, **credentials)
        assert stored == [client.tokens()]

        client.get(PROCESS)
        client.refresh()
        assert len(stored) == 2
        assert stored[1] == client.tokens()

    def test_on_tokens_is_not_called_with_stored_tokens(self, server: CoreServer, connect: Connect) -> None:
        stored: list[TokenPair] = []

        client = connect(server.url, access_token=server.issue("access"), on_tokens=stored.append)
        client.get(PROCESS)

        assert stored == []

    def test_error_in_on_tokens_is_raised_but_the_tokens_are_used(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str], time_passes: TimePasses
    ) -> None:
        def full(pair: TokenPair) -> None:
            raise OSError("No space left on device")

        before = connect(server.url, **credentials).tokens()
        client = connect(server.url, refresh_token=before.refresh_token, on_tokens=full)

        with pytest.raises(OSError, match="No space"):
            client.get(PROCESS)

        assert client.tokens().access_token
        assert client.get(PROCESS).status_code == 200
        assert server.refreshes == 1

    def test_on_tokens_may_use_the_client(self, server: CoreServer, credentials: dict[str, str]) -> None:
        clients: list[CoreClient] = []
        order: list[TokenPair] = []

        def use(pair: TokenPair) -> None:
            order.append(pair)
            if clients and len(order) < 3:
                clients[0].refresh()

        with CoreClient(server.url, on_tokens=use, **credentials) as client:
            clients.append(client)
            client.refresh()

            assert len(order) == 3
            assert order[-1] == client.tokens()

"""The clients keep no cookie of a response, and send the cookies that the caller sets."""

from __future__ import annotations

import asyncio
import typing as t
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
import pytest

from flask_core_auth.client import CoreTokenAuth

from .conftest import Connect
from .server import LOGIN, PROCESS, REDIRECT, REFRESH, CoreServer, Fault, Handler

COOKIE = "token=SECRET; Path=/; HttpOnly"


def sets_cookie(cookie: str = COOKIE) -> Fault:
    """Respond as a Core does, and set a cookie."""

    def fault(handler: Handler) -> None:
        respond = handler.respond
        handler.respond = lambda status, body, headers=None, **options: respond(  # type: ignore[method-assign]
            status, body, {**(headers or {}), "Set-Cookie": cookie}, **options
        )
        handler.route()

    return fault


@pytest.fixture
def baking(server: CoreServer) -> CoreServer:
    """A server that sets a cookie with each response."""
    server.faults.update(dict.fromkeys((LOGIN, REFRESH, PROCESS, REDIRECT), sets_cookie()))
    return server


def cookies_seen(server: CoreServer) -> list[str | None]:
    return [seen.headers.get("Cookie") for seen in server.seen]


def test_cookies_of_responses_are_not_kept(
    baking: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(baking.url, **credentials)

    client.refresh()
    baking.access_secret = baking.new_secret()
    response = client.get(PROCESS)
    client.get(PROCESS)

    assert response.cookies["token"] == "SECRET"
    assert dict(client.cookies) == {}
    assert baking.paths == [LOGIN, REFRESH, PROCESS, REFRESH, PROCESS, PROCESS]
    assert set(cookies_seen(baking)) == {None}


def test_cookies_of_the_server_are_not_sent_to_another_port(
    baking: CoreServer, elsewhere: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(baking.url, follow_redirects=True, **credentials)

    client.get(elsewhere.url + PROCESS)
    client.get(REDIRECT, params={"to": elsewhere.url + PROCESS, "status": 307})

    assert elsewhere.count(PROCESS) == 2


class Resolver(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Sends requests to the servers of a test, by scheme and host of their URL."""

    def __init__(self, servers: dict[str, CoreServer]) -> None:
        self._servers = servers
        self._sync = httpx2.HTTPTransport(verify=False)
        self._async = httpx2.AsyncHTTPTransport(verify=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._sync.handle_request(self._resolved(request))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._async.handle_async_request(self._resolved(request))

    def _resolved(self, request: httpx2.Request) -> httpx2.Request:
        server = self._servers[f"{request.url.scheme}://{request.url.host}"]
        return httpx2.Request(
            request.method,
            server.url + request.url.raw_path.decode(),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()


def test_cookies_of_a_domain_are_not_sent_to_a_sibling_host(
    server: CoreServer, elsewhere: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    cookie = sets_cookie(f"{COOKIE}; Domain=example.com")
    server.faults.update(dict.fromkeys((LOGIN, PROCESS, REDIRECT), cookie))
    hosts = {"http://core.example.com": server, "http://blog.example.com": elsewhere}
    client = connect(
        "http://core.example.com", transport=Resolver(hosts), follow_redirects=True, **credentials
    )

    client.get(PROCESS)
    client.get("http://blog.example.com" + PROCESS)
    client.get(REDIRECT, params={"to": "http://blog.example.com" + PROCESS, "status": 302})

    assert elsewhere.count(PROCESS) == 2
    assert set(cookies_seen(server)) == {None}


def test_redirect_to_https_on_the_same_host_has_no_token(
    server: CoreServer, elsewhere: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    hosts = {"http://core.example.com": server, "https://core.example.com": elsewhere}
    client = connect(
        "http://core.example.com", transport=Resolver(hosts), follow_redirects=True, **credentials
    )

    response = client.get(REDIRECT, params={"to": "https://core.example.com" + PROCESS, "status": 307})

    assert response.status_code == 401
    assert elsewhere.count(PROCESS) == 1


def test_cookies_of_the_caller_are_sent(
    baking: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(baking.url, cookies={"a": "1"}, **credentials)

    client.get(PROCESS)
    client.get(PROCESS, headers={"Cookie": "b=2"})
    client.cookies = {"c": "3"}
    client.get(PROCESS)
    client.cookies.set("d", "4")
    client.get(PROCESS)
    client.cookies = httpx2.Cookies({"e": "5"})
    client.get(PROCESS)
    client.cookies = None
    client.get(PROCESS)

    # A login needs no cookie.
    assert cookies_seen(baking) == [None, "a=1", "b=2", "c=3", "c=3; d=4", "e=5", None]


def test_cookie_jar_of_the_caller_is_used_but_not_filled(
    baking: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    jar = CookieJar()
    client = connect(baking.url, cookies=jar, **credentials)
    jar.set_cookie(next(iter(httpx2.Cookies({"a": "1"}).jar)))

    client.get(PROCESS)
    client.get(PROCESS)

    assert cookies_seen(baking) == [None, "a=1", "a=1"]
    assert [cookie.name for cookie in jar] == ["a"]


class TestPlainClient:
    def test_login_and_refresh_have_no_cookies(
        self, baking: CoreServer, credentials: dict[str, str]
    ) -> None:
        auth = CoreTokenAuth(baking.url, **credentials)
        with httpx2.Client(auth=auth, base_url=baking.url, cookies={"a": "1"}) as client:
            client.get(PROCESS)
            baking.access_secret = baking.new_secret()
            client.get(PROCESS)

        for seen in baking.seen:
            assert seen.path == PROCESS or "Cookie" not in seen.headers

    @pytest.mark.parametrize("kind", [httpx2.Client, httpx2.AsyncClient])
    def test_jar_without_allowed_domains_keeps_no_cookies(
        self, baking: CoreServer, elsewhere: CoreServer, credentials: dict[str, str], kind: t.Any
    ) -> None:
        """The advice of docs/client.md for a plain client."""
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        auth = CoreTokenAuth(baking.url, **credentials)
        if kind is httpx2.Client:
            with httpx2.Client(auth=auth, cookies=jar) as client:
                client.get(baking.url + PROCESS)
                client.get(elsewhere.url + PROCESS)
        else:

            async def scenario() -> None:
                async with httpx2.AsyncClient(auth=auth, cookies=jar) as client:
                    await client.get(baking.url + PROCESS)
                    await client.get(elsewhere.url + PROCESS)

            asyncio.run(scenario())

        assert elsewhere.count(PROCESS) == 1
        assert list(jar) == []

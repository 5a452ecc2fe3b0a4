"""Making a client logs in."""

from __future__ import annotations

import json
import typing as t

import httpx2
import pytest

from flask_core_auth.client import AsyncCoreClient, CoreClient, CoreClientError, CoreTokenAuth, LoginError

from .conftest import Connect
from .server import CoreServer, answers, cut_short, drop, html, slow, unauthorized


def test_making_a_client_logs_in(server: CoreServer, connect: Connect, login: dict[str, str]) -> None:
    client = connect(server.url, **login)

    assert server.logins == 1
    assert json.loads(server.seen[0].body) == login
    assert server.seen[0].headers["Content-Type"] == "application/json"
    assert server.seen[0].bearer is None

    assert client.get("/api/v3/process").json()["user"] == "admin"
    assert client.post("/api/v3/process", content="hello").json()["body"] == "hello"
    assert server.logins == 1


def test_wrong_password_makes_the_constructor_fail(server: CoreServer, connect: Connect) -> None:
    with pytest.raises(LoginError) as caught:
        connect(server.url, username="admin", password="wrong")

    assert caught.value.status == 403
    assert caught.value.details == ("Invalid username or password",)
    assert "403 Forbidden: Invalid username or password" in str(caught.value)
    assert isinstance(caught.value, CoreClientError)
    assert server.logins == 1


def test_core_that_refuses_a_login_after_some_seconds(server: CoreServer, connect: Connect) -> None:
    server.faults["/api/login"] = slow(1.2, unauthorized)

    with pytest.raises(LoginError) as caught:
        connect(server.url, username="admin", password="wrong")

    assert caught.value.status == 401


def test_default_timeout_is_longer_than_a_core_takes_to_refuse(
    server: CoreServer, login: dict[str, str]
) -> None:
    with CoreClient(server.url, **login) as client:
        assert client.timeout == httpx2.Timeout(15.0)


def test_slow_login_ends_in_httpx2s_own_timeout(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    server.faults["/api/login"] = slow(1.0)

    with pytest.raises(httpx2.ReadTimeout):
        connect(server.url, timeout=0.2, **login)


def test_wrong_address(server: CoreServer, connect: Connect, login: dict[str, str]) -> None:
    with pytest.raises(LoginError, match="404 Not Found") as caught:
        connect(server.url + "/somewhere", **login)

    assert caught.value.status == 404
    assert server.count("/somewhere/api/login") == 1


def test_nobody_at_the_address(connect: Connect, login: dict[str, str]) -> None:
    gone = CoreServer()
    gone.close()

    with pytest.raises(httpx2.ConnectError):
        connect(gone.url, **login)


@pytest.mark.parametrize("fault", [drop, cut_short])
def test_server_that_hangs_up(
    server: CoreServer, connect: Connect, login: dict[str, str], fault: t.Any
) -> None:
    server.faults["/api/login"] = fault

    with pytest.raises(httpx2.RemoteProtocolError):
        connect(server.url, **login)


@pytest.mark.parametrize("status", [200, 401, 404, 502])
def test_html_instead_of_json(
    server: CoreServer, connect: Connect, login: dict[str, str], status: int
) -> None:
    server.faults["/api/login"] = html(status)

    with pytest.raises(LoginError, match=f"{status} .*: no JSON") as caught:
        connect(server.url, **login)

    assert caught.value.status == status
    assert caught.value.details == ()


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"text"',
        b"\xff\xfe\xff",
        b"[" * 100_000,
        {},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 1},
        {"access_token": "two\r\nlines"},
    ],
    ids=["array", "string", "bytes", "nested", "empty", "null", "blank", "number", "lines"],
)
def test_answer_without_an_access_token(
    server: CoreServer, connect: Connect, login: dict[str, str], body: t.Any
) -> None:
    server.faults["/api/login"] = answers(200, body)

    with pytest.raises(LoginError) as caught:
        connect(server.url, **login)

    assert caught.value.status == 200


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"message": "Nope"}, ("Nope",)),
        ({"message": "Nope", "details": []}, ("Nope",)),
        ({"message": "Nope", "details": ["a", 1, "b"]}, ("a", "b")),
        ({"message": 5, "details": "text"}, ()),
    ],
)
def test_error_bodies(
    server: CoreServer, connect: Connect, login: dict[str, str], body: t.Any, details: tuple[str, ...]
) -> None:
    server.faults["/api/login"] = answers(400, body)

    with pytest.raises(LoginError) as caught:
        connect(server.url, **login)

    assert caught.value.details == details


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"Retry_After": "17"}, 17.0),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
)
def test_too_many_logins(
    server: CoreServer,
    connect: Connect,
    login: dict[str, str],
    header: dict[str, str],
    seconds: float | None,
) -> None:
    server.faults["/api/login"] = answers(429, {"code": 429, "message": "Too Many Requests"}, **header)

    with pytest.raises(LoginError) as caught:
        connect(server.url, **login)

    assert caught.value.status == 429
    assert caught.value.retry_after == seconds


def test_retry_after_as_a_date_counts_from_the_servers_clock(server: CoreServer, connect: Connect) -> None:
    server.skew = 5 * 86400.0

    def busy(handler: t.Any) -> None:
        when = handler.date_time_string(server.now() + 30)
        handler.answer(503, {"message": "Service Unavailable"}, {"Retry-After": when})

    server.faults["/api/login"] = busy
    with pytest.raises(LoginError) as caught:
        connect(server.url, username="admin", password="x")

    assert caught.value.retry_after == pytest.approx(30, abs=2)


def test_login_with_an_auth0_token(server: CoreServer, connect: Connect) -> None:
    server.auth0_tokens.add("aaa.bbb.ccc")

    client = connect(server.url, auth0_token="aaa.bbb.ccc")

    assert server.seen[0].bearer == "aaa.bbb.ccc"
    assert server.seen[0].body == b""
    assert client.get("/api/v3/process").status_code == 200


def test_auth0_token_from_a_function_is_asked_for_at_each_login(
    server: CoreServer, connect: Connect
) -> None:
    current = ["first", "second"]
    server.auth0_tokens.add("first")
    client = connect(server.url, auth0_token=lambda: current.pop(0))

    server.auth0_tokens = {"second"}
    server.access_secret, server.refresh_secret = server.new_secret(), server.new_secret()

    assert client.get("/api/v3/process").status_code == 200
    assert [seen.bearer for seen in server.seen if seen.path == "/api/login"] == ["first", "second"]


def test_function_that_returns_no_auth0_token(server: CoreServer, connect: Connect) -> None:
    with pytest.raises(ValueError, match="auth0_token"):
        connect(server.url, auth0_token=lambda: "with a line break\n")


@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_slashes_after_the_base_url_do_not_matter(
    server: CoreServer, connect: Connect, login: dict[str, str], slashes: str
) -> None:
    connect(server.url + slashes, **login)

    assert server.logins == 1


@pytest.mark.parametrize(
    ("path", "prefix", "asked"),
    [
        ("/core", "/api", "/core/api/login"),
        ("/core/", "api/", "/core/api/login"),
        ("/a%2Fb", "/api", "/a%2Fb/api/login"),
        ("", "/v1/auth", "/v1/auth/login"),
        ("", "", "/login"),
    ],
)
def test_path_of_the_base_url_and_prefix(
    server: CoreServer, connect: Connect, login: dict[str, str], path: str, prefix: str, asked: str
) -> None:
    server.faults[asked] = answers(200, {"access_token": "a", "refresh_token": "r"})
    server.faults[asked + "/refresh"] = answers(200, {"access_token": "b"})

    client = connect(server.url + path, prefix=prefix, **login)
    client.refresh()

    assert [seen.path for seen in server.seen] == [asked, asked + "/refresh"]


def test_headers_of_the_client_go_with_the_login_too(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    headers = {"X-Gateway-Key": "17", "Content-Type": "text/plain", "Authorization": "Basic eDp5"}

    connect(server.url, headers=headers, **login)

    assert server.seen[0].headers["X-Gateway-Key"] == "17"
    assert server.seen[0].headers["Content-Type"] == "application/json"
    assert "Authorization" not in server.seen[0].headers


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"username": "admin"},
        {"password": "x"},
        {"username": "admin", "password": ""},
        {"username": "admin", "password": "x", "auth0_token": "a.b.c"},
        {"auth0_token": ""},
        {"auth0_token": "a.b.c\n"},
        {"access_token": "a b"},
        {"refresh_token": "a\r\nX-Header: b"},
        {"access_token": "", "refresh_token": ""},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
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
def test_base_url_has_to_be_one(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        CoreTokenAuth(base_url, username="admin", password="x")

    assert "secret" not in str(caught.value)


def test_functions_have_to_be_plain_ones(server: CoreServer, login: dict[str, str]) -> None:
    async def coroutine(*args: object) -> str:
        return ""

    with pytest.raises(TypeError, match="coroutine"):
        AsyncCoreClient(server.url, auth0_token=coroutine)
    with pytest.raises(TypeError, match="coroutine"):
        AsyncCoreClient(server.url, on_tokens=coroutine, **login)


def test_auth_is_the_clients_own(server: CoreServer, login: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="auth"):
        CoreClient(server.url, auth=("a", "b"), **login)


def test_client_is_closed_when_the_login_fails(server: CoreServer) -> None:
    closed = []

    class Transport(httpx2.HTTPTransport):
        def close(self) -> None:
            closed.append(True)
            super().close()

    with pytest.raises(LoginError):
        CoreClient(server.url, username="admin", password="wrong", transport=Transport())

    assert closed == [True]

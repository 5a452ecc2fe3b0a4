"""Logins and refreshes: the requests that are sent, and the responses that count."""

from __future__ import annotations

import typing as t

import httpx2
import pytest

from flask_core_auth.client import LoginError, RefreshError

from .conftest import Connect, TimePasses
from .server import (
    LOGIN,
    PATIENCE,
    PROCESS,
    REFRESH,
    CoreServer,
    cut_short,
    drop,
    held,
    html,
    responds,
    unauthorized,
)


@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_slashes_after_the_base_url_do_not_matter(
    server: CoreServer, connect: Connect, credentials: dict[str, str], slashes: str
) -> None:
    connect(server.url + slashes, **credentials)

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
def test_login_url_joins_the_path_of_the_base_url_and_the_prefix(
    server: CoreServer, connect: Connect, credentials: dict[str, str], path: str, prefix: str, asked: str
) -> None:
    server.faults[asked] = responds(200, {"access_token": "a", "refresh_token": "r"})
    server.faults[asked + "/refresh"] = responds(200, {"access_token": "b"})

    client = connect(server.url + path, prefix=prefix, **credentials)
    client.refresh()

    assert [seen.path for seen in server.seen] == [asked, asked + "/refresh"]


def test_headers_of_the_client_are_sent_with_the_login(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    headers = {"X-Gateway-Key": "17", "Content-Type": "text/plain", "Authorization": "Basic eDp5"}

    connect(server.url, headers=headers, **credentials)

    assert server.seen[0].headers["X-Gateway-Key"] == "17"
    assert server.seen[0].headers["Content-Type"] == "application/json"
    assert "Authorization" not in server.seen[0].headers


def test_wrong_address_is_a_login_error(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    with pytest.raises(LoginError, match="404 Not Found") as caught:
        connect(server.url + "/somewhere", **credentials)

    assert caught.value.status == 404
    assert server.count("/somewhere/api/login") == 1


@pytest.mark.parametrize("fault", [drop, cut_short])
def test_connection_closed_during_the_login_is_a_network_error(
    server: CoreServer, connect: Connect, credentials: dict[str, str], fault: t.Any
) -> None:
    server.faults[LOGIN] = fault

    with pytest.raises(httpx2.RemoteProtocolError):
        connect(server.url, **credentials)


@pytest.mark.parametrize("status", [200, 401, 404, 502])
def test_html_response_is_a_login_error(
    server: CoreServer, connect: Connect, credentials: dict[str, str], status: int
) -> None:
    server.faults[LOGIN] = html(status)

    with pytest.raises(LoginError, match=f"{status} .*: no JSON") as caught:
        connect(server.url, **credentials)

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
def test_response_without_an_access_token_is_a_login_error(
    server: CoreServer, connect: Connect, credentials: dict[str, str], body: t.Any
) -> None:
    server.faults[LOGIN] = responds(200, body)

    with pytest.raises(LoginError) as caught:
        connect(server.url, **credentials)

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
def test_login_error_has_the_details_of_the_response(
    server: CoreServer, connect: Connect, credentials: dict[str, str], body: t.Any, details: tuple[str, ...]
) -> None:
    server.faults[LOGIN] = responds(400, body)

    with pytest.raises(LoginError) as caught:
        connect(server.url, **credentials)

    assert caught.value.details == details


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"Retry_After": "17"}, 17.0),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry_After": "86400"}, 86400.0),
        ({"Retry_After": "86401"}, None),
        ({"Retry_After": "9" * 400}, None),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "inf"}, None),
        ({"Retry_After": "NaN"}, None),
        ({"Retry_After": "1e3"}, None),
        ({"Retry_After": "\xb2"}, None),
        ({"Retry_After": "Wed, 21 Oct 9015 07:28:00 GMT"}, None),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:00 +9999999999999999999"}, None),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
)
def test_login_error_has_the_retry_after_of_the_response(
    server: CoreServer,
    connect: Connect,
    credentials: dict[str, str],
    header: dict[str, str],
    seconds: float | None,
) -> None:
    server.faults[LOGIN] = responds(429, {"code": 429, "message": "Too Many Requests"}, **header)

    with pytest.raises(LoginError) as caught:
        connect(server.url, **credentials)

    assert caught.value.status == 429
    assert caught.value.retry_after == seconds


def test_retry_after_date_counts_from_the_servers_clock(server: CoreServer, connect: Connect) -> None:
    server.skew = 5 * 86400.0

    def busy(handler: t.Any) -> None:
        when = handler.date_time_string(server.now() + 30)
        handler.respond(503, {"message": "Service Unavailable"}, {"Retry-After": when})

    server.faults[LOGIN] = busy
    with pytest.raises(LoginError) as caught:
        connect(server.url, username="admin", password="x")

    assert caught.value.retry_after == 30


def test_rotated_refresh_token_replaces_the_old_one(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    server.rotation = True
    client = connect(server.url, **credentials)
    old = client.tokens()

    new = client.refresh()

    assert new == client.tokens()
    assert new.refresh_token != old.refresh_token
    client.refresh()
    assert [seen.bearer for seen in server.seen if seen.path == REFRESH] == [
        old.refresh_token,
        new.refresh_token,
    ]


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_refresh_is_an_error_without_credentials(
    server: CoreServer, connect: Connect, credentials: dict[str, str], status: int
) -> None:
    stored = connect(server.url, **credentials).tokens()
    client = connect(server.url, refresh_token=stored.refresh_token)
    server.faults[REFRESH] = responds(status, {"details": ["Gone"]})

    with pytest.raises(RefreshError) as caught:
        client.get(PROCESS)

    assert (caught.value.status, caught.value.details) == (status, ("Gone",))
    assert server.logins == 1
    assert client.tokens().refresh_token == stored.refresh_token


class TestFailedRefresh:
    @pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
    def test_failed_refresh_keeps_the_tokens(
        self,
        server: CoreServer,
        connect: Connect,
        credentials: dict[str, str],
        time_passes: TimePasses,
        status: int,
    ) -> None:
        client = connect(server.url, **credentials)
        before = client.tokens()
        server.faults[REFRESH] = responds(status, {"message": "Later"}, Retry_After="3")
        time_passes(700)

        with pytest.raises(RefreshError) as caught:
            client.get(PROCESS)

        assert caught.value.status == status
        assert caught.value.details == ("Later",)
        assert caught.value.retry_after == 3
        assert client.tokens() == before
        assert server.logins == 1

        server.faults.clear()
        assert client.get(PROCESS).status_code == 200
        assert server.logins == 1

    @pytest.mark.parametrize("fault", [html(200), html(502), responds(200, {}), responds(200, b"[]")])
    def test_response_without_a_token_is_a_refresh_error(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str], fault: t.Any
    ) -> None:
        client = connect(server.url, **credentials)
        server.faults[REFRESH] = fault

        with pytest.raises(RefreshError):
            client.refresh()

        assert server.logins == 1

    @pytest.mark.parametrize("fault", [drop, cut_short])
    def test_network_errors_are_errors_of_httpx2_and_keep_the_tokens(
        self,
        server: CoreServer,
        connect: Connect,
        credentials: dict[str, str],
        time_passes: TimePasses,
        fault: t.Any,
    ) -> None:
        client = connect(server.url, **credentials)
        before = client.tokens()
        server.faults[REFRESH] = fault
        time_passes(700)

        with pytest.raises(httpx2.RemoteProtocolError):
            client.get(PROCESS)
        with pytest.raises(httpx2.RemoteProtocolError):
            client.refresh()

        assert client.tokens() == before
        server.faults.clear()
        assert client.get(PROCESS).status_code == 200
        assert server.logins == 1

    def test_refresh_has_the_timeout_of_the_client_not_of_the_request(
        self, server: CoreServer, connect: Connect
    ) -> None:
        stored = {"access_token": server.issue("access"), "refresh_token": server.issue("refresh")}
        client = connect(server.url, timeout=httpx2.Timeout(PATIENCE, read=0.3), **stored)
        server.access_secret = server.new_secret()
        server.faults[REFRESH] = held(server.proceed)

        with pytest.raises(httpx2.ReadTimeout):
            client.get(PROCESS, timeout=None)

    def test_failed_login_keeps_the_tokens(
        self, server: CoreServer, connect: Connect, credentials: dict[str, str]
    ) -> None:
        client = connect(server.url, **credentials)
        before = client.tokens()
        server.access_secret = server.new_secret()
        server.faults[REFRESH] = unauthorized
        server.faults[LOGIN] = drop

        with pytest.raises(httpx2.RemoteProtocolError):
            client.get(PROCESS)

        assert client.tokens() == before
        server.faults.clear()
        assert client.get(PROCESS).status_code == 200
        assert server.logins == 2

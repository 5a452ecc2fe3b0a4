"""Credentials are sent to the origin of the base URL only."""

from __future__ import annotations

import pytest

from flask_core_auth.client import CoreClient, LoginError, RefreshError

from .conftest import Connect
from .server import LOGIN, PROCESS, REDIRECT, REFRESH, CoreServer, responds, unauthorized

REDIRECTS = [301, 302, 303, 307, 308]


def test_request_to_another_origin_has_no_token(
    server: CoreServer, elsewhere: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)

    assert client.get(elsewhere.url + PROCESS).status_code == 401
    assert client.post(elsewhere.url + PROCESS, content=b"a").status_code == 401

    assert elsewhere.count(PROCESS) == 2
    assert (server.logins, server.refreshes) == (1, 0)


def test_absolute_url_of_the_same_origin_has_the_token(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)

    assert client.get(server.url + PROCESS).status_code == 200


def test_another_name_of_the_same_host_is_another_origin(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)

    assert client.get(server.url.replace("127.0.0.1", "localhost") + PROCESS).status_code == 401
    assert server.seen[-1].bearer is None


def test_authorization_header_of_the_caller_to_another_origin_is_kept(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)
    other = CoreServer()
    try:
        client.get(other.url + PROCESS, headers={"Authorization": "Bearer mine"})
    finally:
        other.close()

    assert [seen.bearer for seen in other.seen] == ["mine"]


@pytest.mark.parametrize("status", REDIRECTS)
def test_redirect_to_another_origin_has_no_token(
    server: CoreServer, elsewhere: CoreServer, connect: Connect, credentials: dict[str, str], status: int
) -> None:
    client = connect(server.url, follow_redirects=True, **credentials)

    response = client.get(REDIRECT, params={"to": elsewhere.url + PROCESS, "status": status})

    assert response.status_code == 401
    assert elsewhere.count(PROCESS) == 1
    assert (server.logins, server.refreshes) == (1, 0)


def test_401_after_a_redirect_through_another_origin_causes_no_refresh(
    server: CoreServer, elsewhere: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, follow_redirects=True, **credentials)
    elsewhere.faults["/back"] = responds(307, Location=server.url + PROCESS)

    response = client.get(REDIRECT, params={"to": elsewhere.url + "/back", "status": 307})

    # httpx2 drops the header at the other origin, so that the last request had no token.
    assert response.status_code == 401
    assert server.refreshes == 0


def test_redirect_within_the_origin_has_the_token(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, follow_redirects=True, **credentials)

    response = client.get(REDIRECT, params={"to": PROCESS, "status": 302})

    assert response.status_code == 200


def test_only_the_rejected_request_is_repeated_after_a_redirect(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, follow_redirects=True, **credentials)
    first = client.tokens().access_token
    server.faults[PROCESS] = lambda handler: (
        handler.unauthorized() if handler.bearer == first else handler.route()
    )

    response = client.post(REDIRECT, params={"to": PROCESS, "status": 303}, content=b"once")

    assert response.status_code == 200
    assert server.count(REDIRECT) == 1
    assert server.count(PROCESS) == 2


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("follow", [False, True])
def test_login_is_never_redirected(
    server: CoreServer,
    elsewhere: CoreServer,
    connect: Connect,
    credentials: dict[str, str],
    status: int,
    follow: bool,
) -> None:
    server.faults[LOGIN] = responds(status, Location=elsewhere.url + LOGIN)

    with pytest.raises(LoginError, match="redirected") as caught:
        connect(server.url, follow_redirects=follow, **credentials)

    assert elsewhere.url + LOGIN in str(caught.value)
    assert caught.value.status == status
    assert elsewhere.seen == []


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("kind", ["password", "auth0"])
def test_second_login_is_never_redirected(
    server: CoreServer,
    elsewhere: CoreServer,
    connect: Connect,
    credentials: dict[str, str],
    status: int,
    kind: str,
) -> None:
    server.auth0_tokens.add("a.b.c")
    options = credentials if kind == "password" else {"auth0_token": "a.b.c"}
    client = connect(server.url, follow_redirects=True, **options)
    server.access_secret, server.refresh_secret = server.new_secret(), server.new_secret()
    server.faults[LOGIN] = responds(status, Location=elsewhere.url + LOGIN)

    with pytest.raises(LoginError, match="redirected"):
        client.get(PROCESS)

    assert server.logins == 2


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_refresh_is_never_redirected(
    server: CoreServer,
    elsewhere: CoreServer,
    connect: Connect,
    credentials: dict[str, str],
    status: int,
    place: str,
) -> None:
    client = connect(server.url, follow_redirects=True, **credentials)
    before = client.tokens()
    server.access_secret = server.new_secret()
    target = (server if place == "here" else elsewhere).url + "/api/other"
    server.faults[REFRESH] = responds(status, Location=target)

    with pytest.raises(RefreshError, match="redirected"):
        client.get(PROCESS)

    assert client.tokens() == before
    assert server.logins == 1


def test_tokens_of_another_origin_are_rejected(
    server: CoreServer, elsewhere: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, follow_redirects=True, **credentials)
    before = client.tokens()
    server.access_secret, server.refresh_secret = server.new_secret(), server.new_secret()
    server.faults[LOGIN] = responds(303, Location=elsewhere.url + "/catch")
    elsewhere.faults["/catch"] = responds(200, {"access_token": "a", "refresh_token": "b"})

    with pytest.raises(LoginError, match="redirected to " + elsewhere.url):
        client.get(PROCESS)

    assert client.tokens() == before


def test_changed_base_url_gets_no_credentials(
    server: CoreServer, elsewhere: CoreServer, credentials: dict[str, str]
) -> None:
    elsewhere.faults[PROCESS] = unauthorized
    with CoreClient(server.url, **credentials) as client:
        client.base_url = elsewhere.url

        assert client.get(PROCESS).status_code == 401

    assert server.refreshes == 0

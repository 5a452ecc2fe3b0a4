"""Credentials go to the origin of the base URL and nowhere else."""

from __future__ import annotations

import pytest

from flask_core_auth.client import CoreClient, LoginError, RefreshError

from .conftest import Connect
from .server import CoreServer, answers, unauthorized

PROCESS, REDIRECT = "/api/v3/process", "/api/v3/redirect"
REDIRECTS = [301, 302, 303, 307, 308]


def test_absolute_url_to_another_origin(
    server: CoreServer, elsewhere: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    client = connect(server.url, **login)

    assert client.get(elsewhere.url + PROCESS).status_code == 401
    assert client.post(elsewhere.url + PROCESS, content=b"a").status_code == 401

    assert elsewhere.count(PROCESS) == 2
    assert (server.logins, server.refreshes) == (1, 0)


def test_absolute_url_to_the_own_origin(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    client = connect(server.url, **login)

    assert client.get(server.url + PROCESS).status_code == 200


def test_other_name_of_the_same_host_is_another_origin(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    client = connect(server.url, **login)

    assert client.get(server.url.replace("127.0.0.1", "localhost") + PROCESS).status_code == 401
    assert server.seen[-1].bearer is None


def test_callers_own_header_to_another_origin_is_left_alone(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    client = connect(server.url, **login)
    other = CoreServer()
    try:
        client.get(other.url + PROCESS, headers={"Authorization": "Bearer mine"})
    finally:
        other.close()

    assert [seen.bearer for seen in other.seen] == ["mine"]


@pytest.mark.parametrize("status", REDIRECTS)
def test_redirect_of_a_request_to_another_origin(
    server: CoreServer, elsewhere: CoreServer, connect: Connect, login: dict[str, str], status: int
) -> None:
    client = connect(server.url, follow_redirects=True, **login)

    response = client.get(REDIRECT, params={"to": elsewhere.url + PROCESS, "status": status})

    assert response.status_code == 401
    assert elsewhere.count(PROCESS) == 1
    assert (server.logins, server.refreshes) == (1, 0)


def test_redirect_there_and_back_is_not_a_refusal(
    server: CoreServer, elsewhere: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    client = connect(server.url, follow_redirects=True, **login)
    elsewhere.faults["/back"] = answers(307, Location=server.url + PROCESS)

    response = client.get(REDIRECT, params={"to": elsewhere.url + "/back", "status": 307})

    # httpx2 drops the header on the way out, so the server was never asked with a token.
    assert response.status_code == 401
    assert server.refreshes == 0


def test_redirect_within_the_origin_keeps_the_token(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    client = connect(server.url, follow_redirects=True, **login)

    response = client.get(REDIRECT, params={"to": PROCESS, "status": 302})

    assert response.status_code == 200


def test_what_is_repeated_after_a_redirect_is_what_was_refused(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    client = connect(server.url, follow_redirects=True, **login)
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
    login: dict[str, str],
    status: int,
    follow: bool,
) -> None:
    server.faults["/api/login"] = answers(status, Location=elsewhere.url + "/api/login")

    with pytest.raises(LoginError, match="redirected") as caught:
        connect(server.url, follow_redirects=follow, **login)

    assert elsewhere.url + "/api/login" in str(caught.value)
    assert caught.value.status == status
    assert elsewhere.seen == []


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("kind", ["password", "auth0"])
def test_login_in_the_middle_of_a_session_is_never_redirected(
    server: CoreServer,
    elsewhere: CoreServer,
    connect: Connect,
    login: dict[str, str],
    status: int,
    kind: str,
) -> None:
    server.auth0_tokens.add("a.b.c")
    credentials = login if kind == "password" else {"auth0_token": "a.b.c"}
    client = connect(server.url, follow_redirects=True, **credentials)
    server.access_secret, server.refresh_secret = server.new_secret(), server.new_secret()
    server.faults["/api/login"] = answers(status, Location=elsewhere.url + "/api/login")

    with pytest.raises(LoginError, match="redirected"):
        client.get(PROCESS)

    assert server.logins == 2


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_refresh_is_never_redirected(
    server: CoreServer,
    elsewhere: CoreServer,
    connect: Connect,
    login: dict[str, str],
    status: int,
    place: str,
) -> None:
    client = connect(server.url, follow_redirects=True, **login)
    before = client.tokens()
    server.access_secret = server.new_secret()
    target = (server if place == "here" else elsewhere).url + "/api/other"
    server.faults["/api/login/refresh"] = answers(status, Location=target)

    with pytest.raises(RefreshError, match="redirected"):
        client.get(PROCESS)

    assert client.tokens() == before
    assert server.logins == 1


def test_redirect_that_ends_in_tokens_is_not_believed(
    server: CoreServer, elsewhere: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    client = connect(server.url, follow_redirects=True, **login)
    before = client.tokens()
    server.access_secret, server.refresh_secret = server.new_secret(), server.new_secret()
    server.faults["/api/login"] = answers(303, Location=elsewhere.url + "/catch")
    elsewhere.faults["/catch"] = answers(200, {"access_token": "a", "refresh_token": "b"})

    with pytest.raises(LoginError, match="redirected to " + elsewhere.url):
        client.get(PROCESS)

    assert client.tokens() == before


def test_changing_the_base_url_takes_no_credentials_along(
    server: CoreServer, elsewhere: CoreServer, login: dict[str, str]
) -> None:
    elsewhere.faults[PROCESS] = unauthorized
    with CoreClient(server.url, **login) as client:
        client.base_url = elsewhere.url

        assert client.get(PROCESS).status_code == 401

    assert server.refreshes == 0

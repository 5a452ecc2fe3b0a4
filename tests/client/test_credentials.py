"""The credentials of a client: username and password, or an Auth0 token."""

from __future__ import annotations

import pytest

from flask_core_auth.client import AsyncCoreClient, CoreClient, CoreTokenAuth

from .conftest import Connect
from .server import LOGIN, PROCESS, CoreServer


@pytest.mark.parametrize(
    "options",
    [
        {"username": "admin"},
        {"password": "x"},
        {"username": "admin", "password": ""},
        {"username": "admin", "password": "x", "auth0_token": "a.b.c"},
        {"auth0_token": ""},
        {"auth0_token": "a.b.c\n"},
    ],
    ids=str,
)
def test_contradicting_or_incomplete_credentials_are_rejected_before_a_request(
    server: CoreServer, options: dict[str, str]
) -> None:
    for kind in (CoreTokenAuth, CoreClient, AsyncCoreClient):
        with pytest.raises(ValueError, match=r"token|username and password"):
            kind(server.url, **options)
    assert server.seen == []


def test_login_with_an_auth0_token(server: CoreServer, connect: Connect) -> None:
    server.auth0_tokens.add("aaa.bbb.ccc")

    client = connect(server.url, auth0_token="aaa.bbb.ccc")

    assert server.seen[0].bearer == "aaa.bbb.ccc"
    assert server.seen[0].body == b""
    assert client.get(PROCESS).status_code == 200


def test_auth0_token_function_is_called_for_each_login(server: CoreServer, connect: Connect) -> None:
    current = ["first", "second"]
    server.auth0_tokens.add("first")
    client = connect(server.url, auth0_token=lambda: current.pop(0))

    server.auth0_tokens = {"second"}
    server.access_secret, server.refresh_secret = server.new_secret(), server.new_secret()

    assert client.get(PROCESS).status_code == 200
    assert [seen.bearer for seen in server.seen if seen.path == LOGIN] == ["first", "second"]


def test_function_that_returns_no_bearer_token_is_an_error(server: CoreServer, connect: Connect) -> None:
    with pytest.raises(ValueError, match="auth0_token"):
        connect(server.url, auth0_token=lambda: "with a line break\n")

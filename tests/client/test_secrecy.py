"""Passwords and tokens are in no repr, no log line and no exception."""

from __future__ import annotations

import json
import logging
import traceback
import typing as t

import httpx2
import pytest

from flask_core_auth.client import CoreClient, CoreClientError, CoreTokenAuth, TokenPair
from flask_core_auth.client.credentials import Credentials
from flask_core_auth.client.tokens import ActiveTokens

from .conftest import Connect
from .server import CoreServer, answers, cut_short, drop, html, unauthorized

PROCESS = "/api/v3/process"


def everything_about(error: BaseException | None) -> str:
    """The texts of an exception, of its causes and contexts, and of the objects that they carry."""
    said = "".join(traceback.format_exception(error)) if error else ""
    while error is not None:
        said += f"{error!r} {error!s} {error.args!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__
    return said


def quote_the_request(status: int) -> t.Callable[[t.Any], None]:
    """A server that puts into its error what it was sent."""

    def fault(handler: t.Any) -> None:
        sent = handler.body.decode() + (handler.bearer or "")
        handler.answer(status, {"message": "Cannot take it", "details": [f"Cannot take {sent}"]})

    return fault


def test_objects(server: CoreServer, login: dict[str, str]) -> None:
    with CoreClient(server.url, **login) as client:
        pair = client.tokens()
        shown = repr(
            [
                client,
                client.auth,
                pair,
                ActiveTokens(pair.access_token, pair.refresh_token),
                Credentials(**login),
                Credentials(auth0_token="a.b.c"),
                client.get(PROCESS),
                client.get(PROCESS).request.headers,
            ]
        )

    for secret in (server.password, pair.access_token, pair.refresh_token, "a.b.c"):
        assert secret not in shown


def test_log(
    server: CoreServer, connect: Connect, login: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = {server.password}

    client = connect(server.url, on_tokens=lambda pair: secrets.update(vars_of(pair)), **login)
    server.access_secret = server.new_secret()
    client.get(PROCESS)
    server.access_secret, server.refresh_secret = server.new_secret(), server.new_secret()
    client.get(PROCESS)
    server.faults["/api/login/refresh"] = drop
    with pytest.raises(Exception, match="disconnected"):
        client.refresh()

    assert len(secrets) == 6
    assert "/api/login" in caplog.text
    for secret in secrets:
        assert secret not in caplog.text


def vars_of(pair: TokenPair) -> set[str]:
    return {pair.access_token, pair.refresh_token}


FAULTS = {
    "refused": answers(500),
    "broken JSON": answers(200, b'{"access_token": "tok'),
    "redirected": answers(307, Location="/elsewhere"),
    "HTML": html(500),
    "dropped": drop,
    "cut short": cut_short,
    "quoted": quote_the_request(400),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("what", ["login", "refresh", "login again"])
def test_failures(
    server: CoreServer, connect: Connect, login: dict[str, str], what: str, fault: t.Any
) -> None:
    client = connect(server.url, **login)
    secrets = [server.password, *vars_of(client.tokens())]
    if what != "login":
        server.faults["/api/login/refresh"] = fault if what == "refresh" else unauthorized
    if what != "refresh":
        server.faults["/api/login"] = fault

    with pytest.raises((CoreClientError, httpx2.TransportError)) as caught:
        connect(server.url, **login) if what == "login" else client.refresh()

    said = everything_about(caught.value)
    assert "/api/login" in said
    for secret in secrets:
        assert secret not in said


def test_answer_with_tokens_in_a_broken_document(server: CoreServer, connect: Connect) -> None:
    """A JSONDecodeError carries the document that it could not read."""
    server.faults["/api/login/refresh"] = answers(200, b'{"access_token": "SECRET", oops')
    client = connect(server.url, refresh_token="opaque")

    with pytest.raises(CoreClientError) as caught:
        client.get(PROCESS)

    error: BaseException | None = caught.value
    while error is not None:
        assert "SECRET" not in str(vars(error))
        assert not hasattr(error, "doc")
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("password", ["open sesame", 'with "quotes"', "sésame"])
def test_server_that_quotes_what_it_was_sent(server: CoreServer, connect: Connect, password: str) -> None:
    server.faults["/api/login"] = quote_the_request(400)

    with pytest.raises(CoreClientError, match=r"Cannot take .*\[secure\]") as caught:
        connect(server.url, username="admin", password=password)

    for part in (password, json.dumps(password), json.dumps(password, ensure_ascii=False)):
        assert part.strip('"') not in everything_about(caught.value)


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "auth0_token"])
def test_token_that_a_header_cannot_carry(name: str) -> None:
    """h11 quotes a header value that it refuses, so none may get there."""
    tokens = {name: "/".join("secret") + "\n"}

    with pytest.raises(ValueError, match=name) as caught:
        CoreTokenAuth("http://localhost", **tokens)

    assert "s/e/c/r/e/t" not in everything_about(caught.value)

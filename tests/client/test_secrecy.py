"""No repr, log line or exception contains a password or a token."""

from __future__ import annotations

import json
import logging
import traceback
import typing as t
from dataclasses import astuple

import httpx2
import pytest

from flask_core_auth.client import CoreClient, CoreClientError, CoreTokenAuth
from flask_core_auth.client.credentials import Credentials
from flask_core_auth.client.tokens import ActiveTokens

from .conftest import Connect
from .server import LOGIN, PROCESS, REFRESH, CoreServer, cut_short, drop, html, responds, unauthorized


def everything_about(error: BaseException | None) -> str:
    """Return the texts of an exception, of its causes and contexts, and of their attributes."""
    said = "".join(traceback.format_exception(error)) if error else ""
    while error is not None:
        said += f"{error!r} {error!s} {error.args!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__
    return said


def quote_the_request(status: int) -> t.Callable[[t.Any], None]:
    """Respond with an error that quotes the request."""

    def fault(handler: t.Any) -> None:
        sent = handler.body.decode() + (handler.bearer or "")
        handler.respond(status, {"message": "Cannot take it", "details": [f"Cannot take {sent}"]})

    return fault


def test_repr_contains_no_secret(server: CoreServer, credentials: dict[str, str]) -> None:
    with CoreClient(server.url, **credentials) as client:
        pair = client.tokens()
        shown = repr(
            [
                client,
                client.auth,
                pair,
                ActiveTokens(pair.access_token, pair.refresh_token),
                Credentials(**credentials),
                Credentials(auth0_token="a.b.c"),
                client.get(PROCESS),
                client.get(PROCESS).request.headers,
            ]
        )

    for secret in (server.password, pair.access_token, pair.refresh_token, "a.b.c"):
        assert secret not in shown


def test_log_contains_no_secret(
    server: CoreServer, connect: Connect, credentials: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = {server.password}

    client = connect(server.url, on_tokens=lambda pair: secrets.update(astuple(pair)), **credentials)
    server.access_secret = server.new_secret()
    client.get(PROCESS)
    server.access_secret, server.refresh_secret = server.new_secret(), server.new_secret()
    client.get(PROCESS)
    server.faults[REFRESH] = drop
    with pytest.raises(Exception, match="disconnected"):
        client.refresh()

    assert len(secrets) == 6
    assert LOGIN in caplog.text
    for secret in secrets:
        assert secret not in caplog.text


FAULTS = {
    "rejected": responds(500),
    "broken JSON": responds(200, b'{"access_token": "tok'),
    "redirected": responds(307, Location="/elsewhere"),
    "HTML": html(500),
    "dropped": drop,
    "cut short": cut_short,
    "quoted": quote_the_request(400),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("what", ["login", "refresh", "login again"])
def test_errors_contain_no_secret(
    server: CoreServer, connect: Connect, credentials: dict[str, str], what: str, fault: t.Any
) -> None:
    client = connect(server.url, **credentials)
    secrets = [server.password, *astuple(client.tokens())]
    if what != "login":
        server.faults[REFRESH] = fault if what == "refresh" else unauthorized
    if what != "refresh":
        server.faults[LOGIN] = fault

    with pytest.raises((CoreClientError, httpx2.TransportError)) as caught:
        connect(server.url, **credentials) if what == "login" else client.refresh()

    said = everything_about(caught.value)
    assert LOGIN in said
    for secret in secrets:
        assert secret not in said


def test_error_does_not_carry_a_broken_response_with_tokens(server: CoreServer, connect: Connect) -> None:
    """A JSONDecodeError carries the document that it could not parse."""
    server.faults[REFRESH] = responds(200, b'{"access_token": "SECRET", oops')
    client = connect(server.url, refresh_token="opaque")

    with pytest.raises(CoreClientError) as caught:
        client.get(PROCESS)

    error: BaseException | None = caught.value
    while error is not None:
        assert "SECRET" not in str(vars(error))
        assert not hasattr(error, "doc")
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("password", ["open sesame", 'with "quotes"', "sésame"])
def test_error_masks_a_password_that_the_server_quotes(
    server: CoreServer, connect: Connect, password: str
) -> None:
    server.faults[LOGIN] = quote_the_request(400)

    with pytest.raises(CoreClientError, match=r"Cannot take .*\[secure\]") as caught:
        connect(server.url, username="admin", password=password)

    for part in (password, json.dumps(password), json.dumps(password, ensure_ascii=False)):
        assert part.strip('"') not in everything_about(caught.value)


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "auth0_token"])
def test_error_does_not_quote_an_invalid_token(name: str) -> None:
    """h11 quotes a header value that it rejects, so that the client must reject it first."""
    tokens = {name: "/".join("secret") + "\n"}

    with pytest.raises(ValueError, match=name) as caught:
        CoreTokenAuth("http://localhost", **tokens)

    assert "s/e/c/r/e/t" not in everything_about(caught.value)

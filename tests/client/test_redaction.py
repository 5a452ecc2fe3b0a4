"""Texts of a server in the client's errors: no secret in any spelling, of a redirect only the target."""

from __future__ import annotations

import json
import typing as t
from urllib.parse import quote, quote_plus

import httpx2
import pytest

from flask_core_auth.client import CoreClientError, LoginError, RefreshError
from flask_core_auth.client.redaction import redacted, redacted_target

from .conftest import Connect
from .server import LOGIN, PROCESS, REFRESH, CoreServer, Handler, responds, unauthorized
from .test_secrecy import everything_about

PASSWORD = 'Correct/horse "é"+50%?&#@:\\x'

Spelling = t.Callable[[str], str]


def lowercase_hex(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


SPELLINGS: dict[str, Spelling] = {
    "percent": lambda text: quote(text, safe=""),
    "path": lambda text: quote(text, safe="/+&@:"),
    "form": quote_plus,
    "every byte": lowercase_hex,
    "latin-1": lambda text: quote(text, safe="", encoding="latin-1"),
    "twice": lambda text: quote(quote(text, safe=""), safe=""),
    "thrice": lambda text: quote(quote(quote(text, safe=""), safe=""), safe=""),
    "JSON": lambda text: quote(json.dumps(text), safe=""),
    "JSON in UTF-8": lambda text: quote(json.dumps(text, ensure_ascii=False), safe=""),
}
PLACES = {
    "path": "https://evil.example.com/a/{}/b",
    "query": "https://evil.example.com/a?q={}",
    "fragment": "https://evil.example.com/a#{}",
    "userinfo": "https://{}@evil.example.com/a",
    "user's password": "https://x:{}@evil.example.com/a",
    "relative": "/a/{}",
    "another scheme": "data:text/plain,{}",
}


def all_spellings(secret: str) -> list[str]:
    return [secret, *(spelling(secret) for spelling in SPELLINGS.values())]


def assert_absent(secret: str, error: BaseException) -> None:
    said = everything_about(error)
    for spelling in all_spellings(secret):
        assert spelling not in said
        assert repr(spelling)[1:-1] not in said


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_redirect_that_repeats_the_password_is_not_quoted(
    server: CoreServer, connect: Connect, place: str, spelling: Spelling
) -> None:
    server.faults[LOGIN] = responds(307, Location=place.format(spelling(PASSWORD)))

    with pytest.raises(LoginError, match="redirected to ") as caught:
        connect(server.url, username="admin", password=PASSWORD)

    assert_absent(PASSWORD, caught.value)
    assert "?" not in str(caught.value)


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("kind", ["refresh token", "access token", "auth0 token"])
def test_redirect_that_repeats_a_token_is_not_quoted(
    server: CoreServer, connect: Connect, kind: str, spelling: Spelling
) -> None:
    token = "Ab-._~+/cd=="
    if kind == "auth0 token":
        server.auth0_tokens.add(token)
        options = {"auth0_token": token}
    else:
        options = {"refresh_token": "r.e.f", kind.replace(" ", "_"): token}
    client = connect(server.url, **options)
    location = f"{server.url}/a/{spelling(token)}"
    server.faults = {LOGIN: responds(307, Location=location), REFRESH: responds(307, Location=location)}
    if kind == "auth0 token":
        server.faults[REFRESH] = unauthorized

    with pytest.raises(CoreClientError, match=r"redirected to \[secure\]") as caught:
        client.refresh()

    assert_absent(token, caught.value)


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("follow", [False, True])
def test_details_that_repeat_the_password_are_not_shown(
    server: CoreServer, connect: Connect, follow: bool, spelling: Spelling
) -> None:
    server.faults[LOGIN] = responds(400, {"details": [f"Cannot take {spelling(PASSWORD)}", "Sorry"]})

    with pytest.raises(LoginError, match="Sorry") as caught:
        connect(server.url, username="admin", password=PASSWORD, follow_redirects=follow)

    assert_absent(PASSWORD, caught.value)
    assert caught.value.details == ("[secure]", "Sorry")


def test_login_error_contains_no_refresh_token(
    server: CoreServer, connect: Connect, credentials: dict[str, str]
) -> None:
    client = connect(server.url, **credentials)
    tokens = client.tokens()
    server.faults[REFRESH] = unauthorized
    server.faults[LOGIN] = responds(
        500, {"details": [f"had {tokens.refresh_token} and {tokens.access_token}"]}
    )

    with pytest.raises(LoginError) as caught:
        client.refresh()

    assert caught.value.details == ("had [secure] and [secure]",)


BROKEN = {
    "status line": b"HTTP/1.1 %s\r\n\r\n",
    "header line": b"HTTP/1.1 200 OK\r\n%s\r\n\r\n",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("by_hand", [True, False])
def test_broken_response_is_not_quoted(
    server: CoreServer, connect: Connect, by_hand: bool, broken: bytes
) -> None:
    def repeat(handler: Handler) -> None:
        handler.wfile.write(broken % f"you sent {handler.bearer} {'x' * 5000}".encode())

    token = server.issue("refresh")
    client = connect(server.url, refresh_token=token)
    server.faults[REFRESH] = repeat

    with pytest.raises(httpx2.RemoteProtocolError, match=r"^illegal [a-z ]+$") as caught:
        client.refresh() if by_hand else client.get(PROCESS)

    assert token not in everything_about(caught.value)


def test_redirect_that_is_no_url_is_a_refresh_error(server: CoreServer, connect: Connect) -> None:
    token = server.issue("refresh")
    client = connect(server.url, refresh_token=token, follow_redirects=True)
    server.faults[REFRESH] = responds(302, Location=f"http://evil.example.com:{token}/")

    with pytest.raises(RefreshError, match="redirected to an invalid address") as caught:
        client.get(PROCESS)

    assert token not in everything_about(caught.value)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/other?a=b#c", "http://core:8080/other"),
        ("https://admin:secret@Core.example.com:444/a%20b?c", "https://core.example.com:444/a%20b"),
        ("//evil.example.com", "http://evil.example.com/"),
        ("http://SECRET.example.com/", "[secure]"),
        ("javascript:alert(1)", "an address that is not http"),
        ("http://core:port/", "an invalid address"),
        ("/\x1b[2J", "an invalid address"),
    ],
)
def test_target_of_a_redirect_is_scheme_host_port_and_path(location: str, target: str) -> None:
    shown = redacted_target(httpx2.URL("http://core:8080/api/login"), location, ["SECRET"])

    assert shown.replace("http://[secure].example.com/", "[secure]") == target


def test_text_without_a_secret_is_unchanged() -> None:
    text = '50 % of \\n %zz + \\u00zz are not "escaped" %41'

    assert redacted(text, ["secret", ""]) == text


def test_text_that_is_encoded_too_often_is_not_shown() -> None:
    assert redacted("%" + "25" * 6 + "41", ["secret"]) == "%" + "25" * 6 + "41"
    assert redacted("%" + "25" * 7 + "41", ["secret"]) == "[secure]"

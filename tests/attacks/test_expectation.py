"""The runner notices what no rejection may be like."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from .expectation import Expect, check, check_secrecy
from .wire import Response

SECRET = 'secret "wörd"/?'
DETAILS = ["Missing or invalid JWT token"]
BODY = {"code": 401, "message": "Unauthorized", "details": DETAILS}
TYPE = ("content-type", "application/json")
CHALLENGE = ("www-authenticate", 'Bearer realm="x", error="invalid_token"')
GOOD = Response(401, (TYPE, CHALLENGE), json.dumps(BODY).encode())


def with_body(**changes: object) -> Response:
    return replace(GOOD, body=json.dumps({**BODY, **changes}).encode())


def status(code: int, phrase: str, *headers: tuple[str, str]) -> Response:
    return replace(with_body(code=code, message=phrase), status=code, headers=(TYPE, *headers))


def test_right_rejections_pass() -> None:
    check(GOOD, Expect(401, details=DETAILS))
    check(status(403, "Forbidden"), Expect(403))
    check(status(429, "Too Many Requests", ("retry-after", "1")), Expect(429))
    check(replace(GOOD, body=b""), Expect(401), method="HEAD")
    check(replace(GOOD, status=404, headers=(), body=b"Not Found"), Expect(404))


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, status=500),
        replace(GOOD, status=200),
        replace(GOOD, headers=(CHALLENGE,)),
        replace(GOOD, headers=(("content-type", "text/html"), CHALLENGE)),
        replace(GOOD, headers=(TYPE,)),
        replace(GOOD, headers=(TYPE, CHALLENGE, CHALLENGE)),
        replace(GOOD, headers=(TYPE, ("www-authenticate", "Bearer"))),
        replace(GOOD, headers=(TYPE, ("www-authenticate", 'Bearer realm="a"b"'))),
        replace(GOOD, headers=(TYPE, CHALLENGE, ("retry-after", "1"))),
        replace(GOOD, body=b""),
        with_body(code=403),
        with_body(message="No"),
        with_body(details=[]),
        with_body(details=["Expired JWT token"]),
        with_body(trace="..."),
    ],
)
def test_wrong_401_is_found(wrong: Response) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(wrong, Expect(401, details=DETAILS))


def test_detail_with_line_break_is_found() -> None:
    with pytest.raises(AssertionError):
        check(with_body(details=["a\nb"]), Expect(401))


def test_challenge_of_a_plain_403_is_found() -> None:
    with pytest.raises(AssertionError):
        check(status(403, "Forbidden", CHALLENGE), Expect(403))


@pytest.mark.parametrize(
    "seconds", [None, "0", "-1", "1.5", "inf", "86401", "Fri, 01 Jan 2100 00:00:00 GMT"]
)
def test_odd_retry_after_is_found(seconds: str | None) -> None:
    headers = () if seconds is None else (("retry-after", seconds),)
    with pytest.raises(AssertionError):
        check(status(503, "Service Unavailable", *headers), Expect(503))


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote(SECRET, safe="").replace("%20", "+"),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode() + b"...").decode(),
    ],
)
def test_secret_is_found_in_body_and_headers(shown: str) -> None:
    for response in (
        replace(GOOD, body=f"x{shown}x".encode()),
        replace(GOOD, headers=(("x", f"a {shown}"),)),
    ):
        with pytest.raises(AssertionError):
            check_secrecy(response, [SECRET])
    check_secrecy(GOOD, [SECRET])

"""What a case expects of a response, and what every rejection must be like."""

from __future__ import annotations

import base64
import json
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from werkzeug.http import HTTP_STATUS_CODES

from .filling import raw
from .wire import Response

#: Statuses of which flask-core-auth makes the body; the app makes others, such as 404 and 405.
OWN_STATUSES = (400, 401, 403, 413, 429, 503)
MAX_RETRY_AFTER_SECONDS = 86400
#: Shorter values are found in any response by chance.
MIN_SECRET_LENGTH = 8
_CHALLENGE = re.compile(r'Bearer realm="[^"\\]*"(, (error|scope)="[ !#-\[\]-~]*")*')


@dataclass(frozen=True)
class Expect:
    """What a response must be like.

    :param status: its status.
    :param details: the details of its error object.
    :param headers: values of headers by name; null: the header is missing.
    :param json: members of its body, an object; further members are allowed.
    :param contains: texts that headers and body contain.
    :param lacks: texts that headers and body do not contain.
    :param cookies: the attributes of each cookie that is set, by its name; ``{}``: none is set.
    :param by: ``"server"`` if the server or the app makes the response of a rejection.
    """

    status: int
    details: Sequence[str] | None = None
    headers: Mapping[str, str | None] | None = None
    json: Mapping[str, t.Any] | None = None
    contains: Sequence[str] = ()
    lacks: Sequence[str] = ()
    cookies: Mapping[str, str] | None = None
    by: str = "flask-core-auth"

    @property
    def is_rejection(self) -> bool:
        return self.status >= 400


def check(response: Response, expect: Expect, *, method: str = "GET") -> None:
    """Check a response against what is expected of it, and a rejection against the wire contract."""
    everything = response.everything()
    assert response.status == expect.status, everything.decode(errors="replace")
    for name, value in (expect.headers or {}).items():
        assert response.header(name) == value, name
    if expect.json is not None:
        body = response.json()
        assert {name: body.get(name) for name in expect.json} == dict(expect.json), body
    if expect.cookies is not None:
        assert [_cookie(line) for line in response.all("set-cookie")] == list(expect.cookies.items())
    for text in expect.contains:
        assert raw(text) in everything, text
    for text in expect.lacks:
        assert raw(text) not in everything, text
    if expect.is_rejection and expect.by == "flask-core-auth" and expect.status in OWN_STATUSES:
        _check_rejection(response, expect, has_body=method != "HEAD")


def _cookie(line: str) -> tuple[str, str]:
    """The name of a cookie that is set, and its attributes."""
    name, _, value = line.partition("=")
    # The library writes both, and Max-Age wins (RFC 6265, 5.3). Only that one depends on no clock.
    return name, re.sub("Expires=[^;]+; (?=Max-Age=)", "", value.partition("; ")[2])


def _check_rejection(response: Response, expect: Expect, *, has_body: bool) -> None:
    assert response.all("content-type") == ["application/json"]
    if has_body:
        error = response.json()
        assert set(error) == {"code", "message", "details"}
        assert error["code"] == response.status
        assert error["message"] == HTTP_STATUS_CODES[response.status]
        assert error["details"]
        assert all(isinstance(detail, str) and detail.isprintable() for detail in error["details"])
        if expect.details is not None:
            assert error["details"] == list(expect.details)
    challenges = response.all("www-authenticate")
    if response.status == 401:
        assert len(challenges) == 1
        assert _CHALLENGE.fullmatch(challenges[0]), challenges[0]
    elif challenges:
        assert response.status == 403
        assert 'error="insufficient_scope"' in challenges[0]
    if response.status in (429, 503):
        seconds = response.header("retry-after") or ""
        assert seconds.isdecimal(), seconds
        assert 1 <= int(seconds) <= MAX_RETRY_AFTER_SECONDS
    else:
        assert response.header("retry-after") is None


def check_secrecy(response: Response, secrets: Iterable[str]) -> None:
    """Check that a response shows none of the secrets, in any form in which they could be sent."""
    everything = response.everything()
    for secret in secrets:
        if len(secret) >= MIN_SECRET_LENGTH:
            for form in spellings(secret):
                assert form not in everything, form


def spellings(secret: str) -> set[bytes]:
    """The forms in which a secret could be shown: raw, JSON-quoted, percent-encoded, in base64."""
    data = raw(secret)
    encoded = (base64.b64encode(data), base64.urlsafe_b64encode(data))
    percent = quote(data, safe="")
    return {
        data,
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode("utf-8", "surrogateescape"),
        percent.encode(),
        re.sub("%..", lambda code: code[0].lower(), percent).encode(),
        quote_plus(data, safe="").encode(),
        # The last letters depend on the bytes that follow.
        *(form.rstrip(b"=")[:-1] for form in encoded),
    }

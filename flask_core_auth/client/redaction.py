"""Texts from a server, without the secrets that the server knows."""

from __future__ import annotations

import json
import re
import typing as t
from contextlib import contextmanager
from urllib.parse import unquote

import httpx2

_MASK = "[secure]"
#: Times that a text is decoded in search of a secret. A text with more layers is not shown.
_LAYERS = 8
_JSON_ESCAPES = re.compile(r'(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))+')


def redacted(text: str, secrets: t.Iterable[str]) -> str:
    """Return ``text`` without ``secrets``, which some servers quote when they reject a request.

    If a secret is in the text in another spelling (percent-encoded, JSON), nothing of the text is returned.
    """
    secrets = [secret for secret in secrets if secret]
    for secret in secrets:
        text = text.replace(secret, _MASK).replace(json.dumps(secret)[1:-1], _MASK)
    return _MASK if _contains(text, secrets) else text


def redacted_target(url: httpx2.URL, location: str, secrets: t.Iterable[str]) -> str:
    """Return scheme, host, port and path that a redirect of ``url`` leads to, without ``secrets``."""
    try:
        target = url.join(location)
    except httpx2.InvalidURL:
        return "an invalid address"
    if target.scheme not in ("http", "https"):
        return "an address that is not http"
    path = target.raw_path.partition(b"?")[0]
    # A URL has its host in lowercase.
    spellings = [spelling for secret in secrets for spelling in (secret, secret.lower())]
    return redacted(f"{target.scheme}://{(target.netloc + path).decode('ascii')}", spellings)


@contextmanager
def without_quotation() -> t.Iterator[None]:
    """Cut the quotation off an error that is raised in the block because the server breaks HTTP.

    The HTTP library quotes the line that it cannot parse, of any length, and the server may repeat the
    request in it.
    """
    try:
        yield
    except httpx2.RemoteProtocolError as error:
        error.args = (re.split(r"bytearray|b?[\"']", str(error))[0].rstrip(" :("),)
        error.__cause__ = error.__context__ = None
        raise


def _contains(text: str, secrets: t.Sequence[str]) -> bool:
    sought = [_without_plus(secret) for secret in secrets]
    for _ in range(_LAYERS):
        for spelling in (text, unquote(text, "latin-1")):
            if any(secret in _without_plus(spelling) for secret in sought):
                return True
        decoded = unquote(_JSON_ESCAPES.sub(lambda escapes: json.loads(f'"{escapes[0]}"'), text))
        if decoded == text:
            return False
        text = decoded
    return True


def _without_plus(text: str) -> str:
    # In a query, a plus is a space.
    return text.replace("+", " ")

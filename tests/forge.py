"""Tokens to send: valid ones, and ones that no issuer would make."""

from __future__ import annotations

import base64
import hmac
import json
import time
import typing as t
import uuid
from collections.abc import Mapping

from flask import Flask

from .apps import SECRET, bearer

OTHER_SECRET = "the secret of somebody else: thirty-two bytes, too"
REALM = "flask-core-auth"
CORE_REALM = "datarhei-core"
CORE_SECRET = "admin" + "core-password" + "core-jwt-secret-of-many-bytes"


def forge(
    claims: Mapping[str, t.Any] | str | bytes,
    *,
    secret: str = SECRET,
    header: Mapping[str, t.Any] | str = '{"alg":"HS256","typ":"JWT"}',
    digest: str = "sha256",
) -> str:
    """Sign any payload under any header, as HS256 does or with another digest.

    A payload or header that is not a mapping is taken literally, so that it may be text that no JSON
    library writes.
    """
    message = b".".join(encode(part) for part in (header, claims))
    return b".".join((message, encode(hmac.digest(secret.encode(), message, digest)))).decode()


def encode(part: Mapping[str, t.Any] | str | bytes) -> bytes:
    """One part of a token."""
    if isinstance(part, Mapping):
        part = json.dumps(part)
    data = part.encode() if isinstance(part, str) else part
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def read(token: str, part: int = 1) -> dict[str, t.Any]:
    """The payload of a token, or its header (part 0), unverified."""
    segment = token.split(".")[part]
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def claims(use: str = "access", **changes: t.Any) -> dict[str, t.Any]:
    """The claims of a token that flask-core-auth accepts; ``...`` leaves a claim out.

    The access token is of the local user. The refresh token is one that the app issued itself, because a
    local user's refresh token carries a digest of the password.
    """
    now = int(time.time())
    values = {
        "iss": REALM,
        "sub": "admin",
        "usefor": use,
        "type": use,
        "iat": now,
        "exp": now + 600,
        "exi": 600,
        "jti": str(uuid.uuid4()),
        "fresh": False,
        "idp": "local" if use == "access" else "host",
        "scope": "*",
        **changes,
    }
    return {name: value for name, value in values.items() if value is not ...}


def core_claims(use: str = "access", **changes: t.Any) -> dict[str, t.Any]:
    """The claims of a datarhei Core's token, which has no ``type``, ``fresh``, ``idp`` and ``scope``."""
    return claims(
        use, **{"iss": CORE_REALM, "type": ..., "fresh": ..., "idp": ..., "scope": ..., **changes}
    )


def core_token(use: str = "access", **changes: t.Any) -> str:
    """A token that a datarhei Core signed with :data:`CORE_SECRET`."""
    return forge(core_claims(use, **changes), secret=CORE_SECRET)


def statuses(app: Flask, path: str, method: str = "GET") -> tuple[int, int]:
    """The statuses of a request without a token and with one."""
    found = []
    for headers in ({}, bearer(forge(claims()))):
        with app.test_client().open(path, method=method, headers=headers) as response:
            found.append(response.status_code)
    return found[0], found[1]

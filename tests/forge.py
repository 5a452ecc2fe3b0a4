"""Tokens to send: those that a good issuer makes, and those that none would."""

from __future__ import annotations

import base64
import hmac
import json
import time
import typing as t
import uuid
from collections.abc import Mapping

SECRET = "the secret of these tests: thirty-two bytes and more"
OTHER_SECRET = "the secret of somebody else: thirty-two bytes, too"
REALM = "flask-core-auth"
CORE_REALM = "datarhei-core"


def forge(
    claims: Mapping[str, t.Any] | str | bytes,
    *,
    secret: str = SECRET,
    header: Mapping[str, t.Any] | str = '{"alg":"HS256","typ":"JWT"}',
    digest: str = "sha256",
) -> str:
    """Sign any payload under any header, as HS256 does or with another digest.

    What is no mapping is taken as it is, so that it can say what no JSON library writes.
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
    """What is in a token of ours that is accepted; ``...`` leaves a claim out.

    An access token is the local user's; a refresh token, which would need its credential, is the app's own.
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
    """What is in a token of a datarhei Core: neither ``type`` nor ``fresh``, ``idp`` or ``scope``."""
    return claims(
        use, **{"iss": CORE_REALM, "type": ..., "fresh": ..., "idp": ..., "scope": ..., **changes}
    )


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}

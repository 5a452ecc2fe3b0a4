"""The tokens that a client uses, and the time at which to get new tokens."""

from __future__ import annotations

import base64
import json
import math
import re
import typing as t
from dataclasses import dataclass, field

#: Time before the end of an access token at which to get new tokens, in seconds. For tokens that live less
#: than 300 seconds, the margin is a tenth of their lifetime.
MARGIN_SECONDS = 30.0

# RFC 6750, 2.1. Any other value is rejected early: the error of the HTTP library would quote the token.
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)


def is_bearer(token: object) -> t.TypeGuard[str]:
    """Return whether ``token`` can be sent as a bearer token (RFC 6750, 2.1)."""
    return isinstance(token, str) and _BEARER.fullmatch(token) is not None


@dataclass(frozen=True, slots=True)
class ActiveTokens:
    """The tokens that a client uses. New tokens are a new object, so that an identity check shows a change.

    :param access_token: empty if the client has none yet.
    :param refresh_token: empty if the client has none.
    :param due_at: when to get new tokens, in seconds of the monotonic clock.
    """

    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    due_at: float = math.inf

    @classmethod
    def received(cls, access_token: str, refresh_token: str, *, now: float) -> ActiveTokens:
        """Make the tokens of a response that arrived at ``now``, in seconds of the monotonic clock.

        The lifetime that the access token states counts from ``now``, so that wrong wall clocks of the
        server or the client do not matter.
        """
        lifetime = _lifetime(_claims(access_token))
        due_at = math.inf if lifetime is None else now + lifetime - _margin(lifetime)
        return cls(access_token, refresh_token, due_at)

    @classmethod
    def resumed(cls, access_token: str, refresh_token: str, *, now: float, wall: float) -> ActiveTokens:
        """Make the tokens of an earlier run. Their time of arrival is unknown.

        The access token is due by the wall clock, which may be wrong. A wrong clock causes at most a
        refresh, never a login: an access token alone is used until the server rejects it.
        """
        claims = _claims(access_token)
        expires = _number(claims, "exp")
        if expires is None or not refresh_token:
            return cls(access_token, refresh_token)
        return cls(access_token, refresh_token, now + (expires - wall) - _margin(_lifetime(claims)))

    def due(self, now: float) -> bool:
        """Return whether to get new tokens before the next request."""
        return not self.access_token or now >= self.due_at

    def expired(self, now: float, wall: float) -> bool:
        """Return whether both tokens are missing or expired, by the clocks of the client."""
        expires = _number(_claims(self.refresh_token), "exp")
        return self.due(now) and (not self.refresh_token or (expires is not None and wall >= expires))


def _margin(lifetime: float | None) -> float:
    return MARGIN_SECONDS if lifetime is None else min(MARGIN_SECONDS, lifetime / 10)


def _lifetime(claims: t.Mapping[str, object]) -> float | None:
    lifetime = _number(claims, "exi")
    if lifetime is None:
        expires, issued = _number(claims, "exp"), _number(claims, "iat")
        lifetime = None if expires is None or issued is None else expires - issued
    return lifetime if lifetime is not None and lifetime > 0 else None


def _number(claims: t.Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    # From 2**53 on, a float cannot count single seconds, and float() fails on larger integers.
    return float(value) if type(value) in (int, float) and abs(value) < 2**53 else None  # type: ignore[arg-type]


def _claims(token: str) -> t.Mapping[str, object]:
    # Nothing is verified here: only the server can. A token that is not a JWT has no claims.
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}

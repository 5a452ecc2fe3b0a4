"""The tokens of a client, and the time of their next refresh."""

from __future__ import annotations

import base64
import json
import math
import re
import typing as t
from dataclasses import dataclass, field

#: Time between a refresh and the expiry of the access token; a tenth of the token's lifetime if that is
#: less.
MARGIN_SECONDS = 30.0

# RFC 6750, 2.1. Other strings must not get into a header: the HTTP library's error would quote them.
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)


def is_bearer(token: object) -> t.TypeGuard[str]:
    """Tell whether ``token`` can be sent as a bearer token (RFC 6750, 2.1)."""
    return isinstance(token, str) and _BEARER.fullmatch(token) is not None


@dataclass(frozen=True, slots=True)
class ActiveTokens:
    """The tokens in use. Each refresh makes a new object; comparing objects shows whether there was a
    refresh.

    :param access_token: the access token; empty before the first login.
    :param refresh_token: the refresh token; empty if there is none.
    :param renew_at: the time of the next refresh, in seconds of the monotonic clock.
    """

    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    renew_at: float = math.inf

    @classmethod
    def received(cls, access_token: str, refresh_token: str, *, now: float) -> ActiveTokens:
        """Make the tokens of a response. Their lifetime counts from ``now``.

        The wall clocks of server and client are not compared.
        """
        lifetime = _lifetime(_claims(access_token))
        return cls(
            access_token,
            refresh_token,
            math.inf if lifetime is None else now + lifetime - _margin(lifetime),
        )

    @classmethod
    def resumed(cls, access_token: str, refresh_token: str, *, now: float, wall: float) -> ActiveTokens:
        """Make the tokens of an earlier run. Their age is not known, so the wall clock decides.

        The wall clock may be wrong. So it only causes a refresh, never a login: an access token without a
        refresh token is used until the server rejects it.
        """
        claims = _claims(access_token)
        expires = _number(claims, "exp")
        if expires is None or not refresh_token:
            return cls(access_token, refresh_token)
        return cls(access_token, refresh_token, now + (expires - wall) - _margin(_lifetime(claims)))

    def due(self, now: float) -> bool:
        """Tell whether to refresh before the next request."""
        return not self.access_token or now >= self.renew_at

    def spent(self, now: float, wall: float) -> bool:
        """Tell whether neither token can be used any longer, as far as the clocks can tell."""
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
    # From 2**53 on, a float cannot represent each second, and an int may not fit into a float at all.
    return float(value) if type(value) in (int, float) and abs(value) < 2**53 else None  # type: ignore[arg-type]


def _claims(token: str) -> t.Mapping[str, object]:
    # Only the server verifies its tokens. A token that cannot be parsed has no claims here.
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}

"""The tokens of a client, and when to renew them."""

from __future__ import annotations

import base64
import json
import math
import re
import typing as t
from dataclasses import dataclass, field

#: Renewed this many seconds before the end, or a tenth of the token's life before it if that is less.
MARGIN = 30.0

# RFC 6750, 2.1. What cannot travel in a header must not get there: the HTTP library's error would quote it.
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)


def is_bearer(token: object) -> t.TypeGuard[str]:
    """Whether ``token`` can be sent as a bearer token (RFC 6750, 2.1)."""
    return isinstance(token, str) and _BEARER.fullmatch(token) is not None


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens in force. Each renewal makes a new object, so that it shows whether there was one.

    :param access_token: empty where there is none yet.
    :param refresh_token: empty where there is none.
    :param renew_at: when to renew, in seconds of the monotonic clock.
    """

    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    renew_at: float = math.inf

    @classmethod
    def received(cls, access_token: str, refresh_token: str, *, now: float) -> Tokens:
        """Tokens that the server has just sent: they live as long as they say, from ``now`` on.

        What the wall clocks of server and client show does not matter.
        """
        life = _life(_claims(access_token))
        return cls(access_token, refresh_token, math.inf if life is None else now + life - _margin(life))

    @classmethod
    def resumed(cls, access_token: str, refresh_token: str, *, now: float, wall: float) -> Tokens:
        """Tokens of an earlier run. When they were received is not known, so the wall clock has to do.

        It may be wrong. Hence it only ever leads to a refresh, never to a login: an access token that came
        alone is used until the server refuses it.
        """
        claims = _claims(access_token)
        expires = _number(claims, "exp")
        if expires is None or not refresh_token:
            return cls(access_token, refresh_token)
        return cls(access_token, refresh_token, now + (expires - wall) - _margin(_life(claims)))

    def due(self, now: float) -> bool:
        """Whether to renew before the next request."""
        return not self.access_token or now >= self.renew_at

    def spent(self, now: float, wall: float) -> bool:
        """Whether there is nothing left to go on with, as far as the clocks can tell."""
        expires = _number(_claims(self.refresh_token), "exp")
        return self.due(now) and (not self.refresh_token or (expires is not None and wall >= expires))


def _margin(life: float | None) -> float:
    return MARGIN if life is None else min(MARGIN, life / 10)


def _life(claims: t.Mapping[str, object]) -> float | None:
    life = _number(claims, "exi")
    if life is None:
        expires, issued = _number(claims, "exp"), _number(claims, "iat")
        life = None if expires is None or issued is None else expires - issued
    return life if life is not None and life > 0 else None


def _number(claims: t.Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    # Beyond 2**53 a float counts no more seconds, and an int may not fit into one at all.
    return float(value) if type(value) in (int, float) and abs(value) < 2**53 else None  # type: ignore[arg-type]


def _claims(token: str) -> t.Mapping[str, object]:
    # The token is the server's business: nothing is verified here, and what cannot be read says nothing.
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}

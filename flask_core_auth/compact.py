"""A signed token in compact serialization (RFC 7515, 7.1), and what is checked before its key."""

from __future__ import annotations

import functools
import json
import typing as t

from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jws import CompactSignature, JWSRegistry
from joserfc.util import urlsafe_b64decode

if t.TYPE_CHECKING:
    from joserfc.jwa import JWSAlgModel

#: Longer tokens are refused unread, in bytes.
MAX_TOKEN_BYTES = 8192
#: How far ahead the clock of the machine that issued a token may be, in seconds.
LEEWAY = 10


class MalformedTokenError(Exception):
    """Not a signed token in compact serialization; the message says what it is instead."""


def registry(algorithms: t.Iterable[str]) -> JWSRegistry:
    """What joserfc needs to verify a token under one of ``algorithms`` and no other.

    Header parameters that it does not know are ignored, as RFC 7515, 4 asks for.
    """
    return _Registry(algorithms=frozenset(algorithms), strict_check_header=False)


class _Registry(JWSRegistry):
    # joserfc's own takes an empty list for its defaults, HS256 among them, and warns at each token that is
    # signed with EdDSA (the name is deprecated by RFC 9864): no news to an app that allowed it by name.
    def get_alg(self, name: str) -> JWSAlgModel:
        if not self.allowed or name not in self.allowed or name not in self.algorithms:
            raise UnsupportedAlgorithmError(f"Algorithm {name} is not allowed")
        return self.algorithms[name]


def parse(token: str) -> CompactSignature:
    """Take a token apart: size, three parts, a header that is one JSON object and asks for no extension.

    :raises MalformedTokenError: otherwise.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise MalformedTokenError(f"The token is larger than {MAX_TOKEN_BYTES} bytes")
    parts = token.split(".")
    if len(parts) == 5:
        raise MalformedTokenError("The token is encrypted")
    if len(parts) != 3:
        raise MalformedTokenError("The token is opaque")
    try:
        header, payload, signature = (part.encode("ascii") for part in parts)
        signed = CompactSignature(dict(_header(header)), urlsafe_b64decode(payload))
    except (ValueError, RecursionError):
        raise MalformedTokenError("The token is malformed") from None
    # RFC 7515, 4.1.11: an extension that is not understood must not be skipped, and none is understood
    # here; with "b64" (RFC 7797) the payload that was signed is not the one that is read.
    if "crit" in signed.protected or "b64" in signed.protected:
        raise MalformedTokenError("The token asks for an extension")
    signed.segments = {"header": header, "payload": payload, "signature": signature}
    return signed


@functools.lru_cache(maxsize=64)
def _header(segment: bytes) -> dict[str, t.Any]:
    # An issuer's headers are all the same, or one for each of its keys: reading one again costs 5 of the 26
    # microseconds that verifying a token of ours takes.
    return load_object(urlsafe_b64decode(segment))


def load_object(data: bytes) -> dict[str, t.Any]:
    """Read one JSON object strictly: no repeated names (RFC 7515, 4), no NaN or Infinity.

    :raises ValueError: if it is anything else.
    :raises RecursionError: if it is nested too deeply.
    """
    value = _STRICT.decode(data.decode())
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _unique(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("repeated name")
    return members


def _no_constant(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is no JSON")


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def is_time(value: object) -> t.TypeGuard[int | float]:
    """Whether ``value`` is a NumericDate (RFC 7519, 2) that every JSON reader takes for the same number."""
    return type(value) in (int, float) and -(2**53) < value < 2**53  # type: ignore[operator]

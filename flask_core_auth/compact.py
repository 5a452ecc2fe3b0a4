"""A signed token in compact serialization (RFC 7515, 7.1), and what is checked before its key."""

from __future__ import annotations

import functools
import json
import typing as t

from joserfc.util import urlsafe_b64decode

#: Longer tokens are refused unread, in bytes.
MAX_TOKEN_BYTES = 8192
#: How far ahead the clock of the machine that issued a token may be, in seconds.
LEEWAY = 10


class MalformedTokenError(Exception):
    """Not a signed token in compact serialization; the message says what it is instead."""


class ParsedToken(t.NamedTuple):
    """A token taken apart; nothing of it is verified.

    :param header: its protected header, a copy.
    :param payload: what it signs.
    :param message: the bytes that its signature is of.
    :param signature: its signature, as it is encoded.
    """

    header: dict[str, t.Any]
    payload: bytes
    message: bytes
    signature: bytes


def parse(token: str) -> ParsedToken:
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
        message, signature = token.encode("ascii").rsplit(b".", 1)
        header, payload = message.split(b".")
        signed = ParsedToken(dict(_header(header)), urlsafe_b64decode(payload), message, signature)
    except (ValueError, RecursionError):
        raise MalformedTokenError("The token is malformed") from None
    # RFC 7515, 4.1.11: an extension that is not understood must not be skipped, and none is understood
    # here; with "b64" (RFC 7797) the payload that was signed is not the one that is read.
    if "crit" in signed.header or "b64" in signed.header:
        raise MalformedTokenError("The token asks for an extension")
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

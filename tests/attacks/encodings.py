"""Encodings of the parts of a token that careless decoders accept."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def canonical(data: bytes) -> str:
    """Base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _trailing_bits(data: bytes) -> str:
    text = canonical(data)
    assert len(data) % 3, "the last letter has no unused bits"
    return text[:-1] + _ALPHABET[_ALPHABET.index(text[-1]) + 1]


def _inserted(text: str) -> Callable[[bytes], str]:
    return lambda data: canonical(data)[:4] + text + canonical(data)[4:]


ENCODINGS: Mapping[str, Callable[[bytes], str]] = {
    "base64url": canonical,
    "padded": lambda data: base64.urlsafe_b64encode(data).decode(),
    "padded twice": lambda data: canonical(data) + "====",
    "one equals sign": lambda data: canonical(data) + "=",
    "base64": lambda data: base64.b64encode(data).rstrip(b"=").decode(),
    "hex": lambda data: data.hex(),
    "base32": lambda data: base64.b32encode(data).decode(),
    "base85": lambda data: base64.b85encode(data).decode(),
    "twice": lambda data: canonical(canonical(data).encode()),
    "plain": lambda data: data.decode(),
    "trailing bits": _trailing_bits,
    "letter more": lambda data: canonical(data) + "A",
    "newline inside": _inserted("\n"),
    "space inside": _inserted(" "),
    "tab inside": _inserted("\t"),
    "ignored character": _inserted("!"),
    "percent": lambda data: "%" + format(ord(canonical(data)[0]), "02X") + canonical(data)[1:],
    "fullwidth": lambda data: chr(ord(canonical(data)[0]) + 0xFEE0) + canonical(data)[1:],
    "NUL at the end": lambda data: canonical(data) + "\0",
}

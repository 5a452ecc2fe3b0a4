"""Changes of a signature: of its bytes, or of the two numbers in an ECDSA signature."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

#: FIPS 186-5 and SEC 2: the orders of the curves' groups, by the length of a signature in bytes.
ORDERS = {
    64: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    96: int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
        16,
    ),
    132: int("01" + "F" * 64 + "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409", 16),
}


def _numbers(change: Callable[[int, int, int], tuple[int, int]]) -> Callable[[bytes], bytes]:
    """Change r and s of a signature (RFC 7518, 3.4), given the order of the group."""

    def changed(signature: bytes) -> bytes:
        half = len(signature) // 2
        r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
        return b"".join(number.to_bytes(half) for number in change(r, s, ORDERS[len(signature)]))

    return changed


def _der(signature: bytes) -> bytes:
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))


def _s_plus_order(signature: bytes) -> bytes:
    # RFC 8032, 5.1: S is the second half of an Ed25519 signature, in little-endian order.
    order = 2**252 + 27742317777372353535851937790883648493
    number = int.from_bytes(signature[32:], "little") + order
    return signature[:32] + number.to_bytes(32, "little")


SIGNATURE_CHANGES: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda signature: b"",
    "zeros": lambda signature: bytes(len(signature)),
    "ones": lambda signature: b"\xff" * len(signature),
    "first bit": lambda signature: bytes([signature[0] ^ 0x80]) + signature[1:],
    "last bit": lambda signature: signature[:-1] + bytes([signature[-1] ^ 1]),
    "middle bit": lambda signature: _flip(signature, len(signature) // 2),
    "one byte": lambda signature: signature[:1],
    "half": lambda signature: signature[: len(signature) // 2],
    "last byte missing": lambda signature: signature[:-1],
    "first byte missing": lambda signature: signature[1:],
    "byte more": lambda signature: signature + b"\0",
    "byte before": lambda signature: b"\0" + signature,
    "twice": lambda signature: signature * 2,
    "reversed": lambda signature: signature[::-1],
    "in hex": lambda signature: signature.hex().encode(),
    "der": _der,
    "r and s swapped": _numbers(lambda r, s, n: (s, r)),
    "r zero": _numbers(lambda r, s, n: (0, s)),
    "s zero": _numbers(lambda r, s, n: (r, 0)),
    "r one, s zero": _numbers(lambda r, s, n: (1, 0)),
    "r and s one": _numbers(lambda r, s, n: (1, 1)),
    "r the order": _numbers(lambda r, s, n: (n, s)),
    "s the order": _numbers(lambda r, s, n: (r, n)),
    "r and s the order": _numbers(lambda r, s, n: (n, n)),
    "s negated": _numbers(lambda r, s, n: (r, n - s)),
    "S plus the order": _s_plus_order,
    "longer halves": lambda signature: _halves(signature, lambda half: b"\0" + half),
    "shorter halves": lambda signature: _halves(signature, lambda half: half[1:]),
}


def _flip(signature: bytes, index: int) -> bytes:
    changed = bytearray(signature)
    changed[index] ^= 1
    return bytes(changed)


def _halves(signature: bytes, change: Callable[[bytes], t.Any]) -> bytes:
    half = len(signature) // 2
    return b"".join((change(signature[:half]), change(signature[half:])))

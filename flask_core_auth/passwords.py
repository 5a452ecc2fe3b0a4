"""Configured passwords: in plain text or hashed, and the check of a password against them."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import re
from dataclasses import dataclass, field

from werkzeug.security import check_password_hash, generate_password_hash

_HASH_PREFIXES = ("scrypt:", "pbkdf2:", "$argon2")
# Hashes of crypt(3), bcrypt among them: taken as plain text, such a hash would be the password itself.
_CRYPT_HASH = re.compile(r"\$(?:1|2[abxy]?|5|6|7|y|apr1)\$.+")
_WERKZEUG_HASH = re.compile(r"(?P<method>(?:scrypt|pbkdf2):[^$]*)\$[^$]+\$[0-9a-f]+")
# Upper bounds of a check's cost: a typo in a cost must not exhaust the machine.
_MAX_BYTES = 2**30
_MAX_PBKDF2_ITERATIONS = 10_000_000
_MAX_ARGON2_PASSES = 100


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """A configured password.

    :param text: the password itself, or its hash.
    :param method: ``"plain"``, or the hash's algorithm with its cost, such as ``"scrypt:32768:8:1"``. Two
        stored passwords of one method take the same time to check.
    """

    text: str = field(repr=False)
    method: str

    @classmethod
    def parse(cls, text: str) -> StoredPassword:
        """Recognise a hash by its prefix (``scrypt:``, ``pbkdf2:``, ``$argon2``); any other text is plain.

        :raises ValueError: if a hash cannot be used; the message says why.
        """
        if _CRYPT_HASH.fullmatch(text):
            raise ValueError(
                "is a hash of a kind that cannot be checked here: hash the password with flask core-auth"
                " hash-password"
            )
        if not text.startswith(_HASH_PREFIXES):
            return cls(text, "plain")
        if text.startswith("$argon2"):
            return cls(text, _argon2_method(text))
        match = _WERKZEUG_HASH.fullmatch(text)
        if match is None:
            raise ValueError(
                "begins like a password hash but is not one (a password in plain text cannot begin"
                f" with {', '.join(_HASH_PREFIXES)})"
            )
        _check_cost(match["method"])
        return cls(text, match["method"])

    def matches(self, password: str) -> bool:
        """Tell whether ``password`` is this password, compared in constant time."""
        if self.method == "plain":
            return hmac.compare_digest(self.text.encode(), password.encode())
        if self.method.startswith("$argon2"):
            return _argon2_matches(self.text, password)
        return check_password_hash(self.text, password)


def hash_password(password: str, method: str) -> str:
    """Hash a password, at the default cost of the library.

    :param method: ``"scrypt"`` or ``"argon2"``.
    :raises ValueError: if argon2 is not installed.
    """
    if method == "scrypt":
        return generate_password_hash(password, method)
    _need_argon2()
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


def _need_argon2() -> None:
    if importlib.util.find_spec("argon2") is None:
        raise ValueError("argon2 needs the extra of that name: pip install 'flask-core-auth[argon2]'")


def _check_cost(method: str) -> None:
    algorithm, *cost = method.split(":")
    try:
        if algorithm == "scrypt":
            n, r, p = map(int, cost)
            memory = 132 * n * r * p  # the limit that Werkzeug gives to OpenSSL
            if n < 2 or n & (n - 1) or r < 1 or p < 1 or memory > _MAX_BYTES:
                raise ValueError
            # OpenSSL's own bounds: past them, each login would fail (RFC 7914, 6 has the first).
            if n.bit_length() > 16 * r or 128 * r * (n + p + 2) > memory:
                raise ValueError
        else:
            digest, iterations = cost
            if int(iterations) > _MAX_PBKDF2_ITERATIONS:
                raise ValueError
            # Some digests of hashlib cannot be used with PBKDF2.
            hashlib.pbkdf2_hmac(digest, b"", b"", min(int(iterations), 1))
    except ValueError:
        # The text is not shown: it may be a password in plain text after all.
        raise ValueError(
            "is a password hash with a cost that cannot be used: scrypt:N:r:p or pbkdf2:digest:iterations"
            " is expected before the first $"
        ) from None


def _argon2_method(text: str) -> str:
    _need_argon2()
    from argon2 import extract_parameters
    from argon2.exceptions import InvalidHashError

    try:
        cost = extract_parameters(text)
    except InvalidHashError:
        raise ValueError("begins like an argon2 hash but is not one") from None
    kibibytes, lanes = cost.memory_cost, cost.parallelism
    if (
        not 8 * lanes <= kibibytes <= _MAX_BYTES // 1024
        or lanes < 1
        or not 1 <= cost.time_cost <= _MAX_ARGON2_PASSES
    ):
        raise ValueError("is an argon2 hash with a cost that cannot be used")
    return text.rpartition("$")[0].rpartition("$")[0]


def _argon2_matches(text: str, password: str) -> bool:
    from argon2 import PasswordHasher
    from argon2.exceptions import VerificationError

    try:
        return PasswordHasher().verify(text, password)
    except VerificationError:
        return False

"""Validation of the usernames and passwords in the config, and of configured users at a refresh."""

from __future__ import annotations

import hmac
import typing as t

from ..identity import Admitted, Identity
from ..rejections import Reason

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..config import LocalUser


class LocalValidator:
    """Validates the credentials of configured users.

    :param users: the users by name.
    :param secrets: the app's secrets, the signing one first; they key the digests of credentials.
    """

    def __init__(self, users: Mapping[str, LocalUser], secrets: tuple[str, ...]) -> None:
        self._users = users
        self._identities = {name: Identity(name, "local", user.scopes) for name, user in users.items()}
        self._secrets = tuple(secret.encode() for secret in secrets)
        # One stored password of each method; checking it takes as long as any other of the method.
        self._samples = {user.password.method: user.password for user in users.values()}
        #: Whether a validation computes a hash.
        self.is_costly = any(method != "plain" for method in self._samples)
        #: The names of the users.
        self.names = frozenset(users)

    @property
    def is_empty(self) -> bool:
        """Whether no user is configured."""
        return not self._users

    def find(self, username: str) -> Identity | None:
        """Return the identity of a configured user; None if no user has this name."""
        return self._identities.get(username)

    def validate(self, username: str, password: str) -> Admitted | None:
        """Validate a password. An unknown username takes as long as a known one.

        :return: the user, or None if the username or the password is wrong.
        """
        user = self._users.get(username)
        matches = user is not None and user.password.matches(password)
        for method, sample in self._samples.items():
            if user is None or method != user.password.method:
                sample.matches(password)
        if user is None or not matches:
            return None
        return Admitted(self._identities[username], next(self._digests(user)))

    def validate_again(self, username: str, credential: object) -> Admitted | Reason:
        """Validate a user at a refresh.

        :param credential: the digest in the refresh token; None for a datarhei Core's token, which has none
            (it is signed with the password itself).
        :return: the user, or the reason: the user was removed, or has a new password.
        """
        user = self._users.get(username)
        if user is None:
            return Reason.NOT_ALLOWED
        digests = self._digests(user)
        current = next(digests)
        if credential is not None:
            if not isinstance(credential, str):
                return Reason.CREDENTIAL
            sent = credential.encode(errors="surrogatepass")  # JSON can spell lone surrogates
            # A token that an old secret signed has that secret's digest.
            if not hmac.compare_digest(sent, current.encode()) and not any(
                hmac.compare_digest(sent, digest.encode()) for digest in digests
            ):
                return Reason.CREDENTIAL
        return Admitted(self._identities[username], current)

    def _digests(self, user: LocalUser) -> Iterator[str]:
        """Yield a short digest of a user's password for each secret, the signing one first.

        It is keyed, so that nobody can test guesses of the password against a token.
        """
        stored = f"{user.name}\0{user.password.text}"
        message = b"flask-core-auth credential\0" + stored.encode()
        for secret in self._secrets:
            yield hmac.digest(secret, message, "sha256")[:12].hex()

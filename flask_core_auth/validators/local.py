"""Logging in as a configured user, and whether one is still admitted later."""

from __future__ import annotations

import hmac
import typing as t

from ..identity import Identity

if t.TYPE_CHECKING:
    from ..config import AuthConfig


class LocalValidator:
    """Decides logins with the user names and passwords of the config.

    :param config: the app's settings.
    """

    def __init__(self, config: AuthConfig) -> None:
        self._users = config.users
        self._secrets = tuple(secret.encode() for secret in config.secrets)
        # One stored password for each method in use; checking one costs what checking any of them does.
        self._samples = {user.password.method: user.password for user in config.users.values()}

    def knows(self, username: str) -> bool:
        """Whether ``username`` is configured."""
        return username in self._users

    def validate(self, username: str, password: str) -> Identity | None:
        """Check a password. It takes as long for a name that is not configured as for one that is.

        :return: the user, or None if the name or the password is wrong.
        """
        user = self._users.get(username)
        matches = user is not None and user.password.matches(password)
        for method, sample in self._samples.items():
            if user is None or method != user.password.method:
                sample.matches(password)
        if user is None or not matches:
            return None
        return Identity(user.name, "local", user.scopes)

    def credential(self, identity: Identity) -> str:
        """A short digest of a user's password as it is configured now, for the refresh token.

        It is keyed, so that a token gives nothing away to guess the password by.
        """
        return self._digest(t.cast(str, identity.subject), self._secrets[0])

    def _digest(self, username: str, secret: bytes) -> str:
        stored = f"{username}\0{self._users[username].password.text}"
        return hmac.digest(secret, b"flask-core-auth credential\0" + stored.encode(), "sha256")[:12].hex()

    def still_admits(self, username: str, credential: object) -> Identity | None:
        """Ask again at a refresh.

        :param credential: the digest that the refresh token carries; None for a datarhei Core's token,
            which carries none (it is signed with the password itself).
        :return: the user as configured now, or None if it is gone or its password has changed.
        """
        user = self._users.get(username)
        if user is None:
            return None
        if credential is not None and not (
            isinstance(credential, str)
            and any(
                hmac.compare_digest(credential.encode(), self._digest(username, secret).encode())
                for secret in self._secrets
            )
        ):
            return None
        return Identity(user.name, "local", user.scopes)

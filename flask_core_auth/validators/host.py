"""Validation of the app's own users, by the ``password_verifier`` that the app registers."""

from __future__ import annotations

from collections.abc import Callable

from flask import current_app

from ..callbacks import calling_host
from ..identity import Identity, is_subject

#: Takes a username and a password; returns the subject or the identity, or None to reject the login.
PasswordVerifier = Callable[[str, str], "str | Identity | None"]


class HostValidator:
    """Validates credentials by a call of the app. One validator serves each app of a :class:`.CoreAuth`."""

    def __init__(self) -> None:
        self.verifier: PasswordVerifier | None = None

    def validate(self, username: str, password: str) -> Identity | None:
        """Ask the app's verifier, if there is one.

        :raises ServiceUnavailableError: if it fails, or returns a value of another type.
        """
        if self.verifier is None:
            return None
        with calling_host("password_verifier"):
            result = current_app.ensure_sync(self.verifier)(username, password)
            if result is None:
                return None
            identity = result if isinstance(result, Identity) else Identity(subject=result)
            if not is_subject(identity.subject) or not identity.authenticated:
                # True, a user object or an empty name does not say who has logged in.
                raise TypeError(
                    "password_verifier must return a string that is not empty, an Identity or None, not"
                    f" {type(result).__name__}"
                )
            return Identity(identity.subject, scopes=identity.scopes)

"""Logging in as one of the app's own users, by a check that the app registers."""

from __future__ import annotations

from collections.abc import Callable

from flask import current_app

from ..host_code import host_code
from ..identity import Identity, is_subject

#: Takes a user name and a password; returns the subject or the identity, or None to refuse.
PasswordVerifier = Callable[[str, str], "str | Identity | None"]


class HostValidator:
    """Decides logins by asking the app."""

    def __init__(self) -> None:
        self.verifier: PasswordVerifier | None = None

    def validate(self, username: str, password: str) -> Identity | None:
        """Ask the app, if it registered a check.

        :raises ServiceUnavailableError: if its check fails or returns what is neither.
        """
        if self.verifier is None:
            return None
        with host_code("password_verifier"):
            answer = current_app.ensure_sync(self.verifier)(username, password)
            if answer is None:
                return None
            identity = answer if isinstance(answer, Identity) else Identity(subject=answer)
            if not is_subject(identity.subject) or not identity.authenticated:
                # True, a user object, an empty name: none of them says who has logged in.
                raise TypeError(
                    "password_verifier must return a string that is not empty, an Identity or None, not"
                    f" {answer!r}"
                )
            return Identity(identity.subject, scopes=identity.scopes)

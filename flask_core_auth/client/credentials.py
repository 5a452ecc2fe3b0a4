"""The credentials that a client logs in with."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .tokens import is_bearer


@dataclass(frozen=True, slots=True)
class Credentials:
    """A username and a password, or an Auth0 access token, or nothing.

    :param auth0_token: the token, or a function that returns a current token.
    :raises ValueError: if the arguments contradict each other, or the token cannot be sent in a header.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    auth0_token: str | t.Callable[[], str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if bool(self.username) != bool(self.password):
            raise ValueError("Pass both username and password, or neither")
        if self.username and self.auth0_token:
            raise ValueError("Pass either username and password or auth0_token, not both")
        if isinstance(self.auth0_token, str) and self.auth0_token:
            _check_auth0_token(self.auth0_token)

    def __bool__(self) -> bool:
        return bool(self.username or self.auth0_token)

    def current_auth0_token(self) -> str | None:
        """Return the Auth0 token to log in with, ``None`` to log in with a password or not at all.

        :raises ValueError: if the function returned a value that is not a bearer token.
        """
        if not callable(self.auth0_token):
            return self.auth0_token or None
        token = self.auth0_token()
        _check_auth0_token(token)
        return token


def _check_auth0_token(token: object) -> None:
    if not is_bearer(token):
        raise ValueError("auth0_token is not a bearer token: pass it without spaces and line breaks")

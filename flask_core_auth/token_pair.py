"""The access and the refresh token of a login. A module of its own, without Flask: the client imports
it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The two tokens of a login. ``repr()`` shows neither, so that no log contains them.

    :param access_token: the token for protected routes; short-lived.
    :param refresh_token: the token that can be exchanged for a new access token.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)

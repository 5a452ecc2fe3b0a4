"""The two tokens that a login gives."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The two tokens that a login gives. Neither is shown by ``repr()``, so neither reaches a log.

    :param access_token: what protected routes ask for; short-lived.
    :param refresh_token: what a new access token is had for.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)

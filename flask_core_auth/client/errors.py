"""What can go wrong with the tokens. What goes wrong on the network is told by httpx2's own exceptions."""

from __future__ import annotations


class CoreClientError(Exception):
    """The client cannot go on with its tokens.

    No password and no token is in its text.

    :ivar status: the HTTP status of the answer that is to blame, ``None`` if there is none.
    :ivar details: what the server said about it, as in the ``details`` of its error bodies.
    :ivar retry_after: seconds after which the server asks to try again, ``None`` if it named no time.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        details: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.details = details
        self.retry_after = retry_after


class LoginError(CoreClientError):
    """The server did not answer a login with tokens."""


class RefreshError(CoreClientError):
    """The server did not answer a refresh with a token. The refresh token is kept: it may serve later."""

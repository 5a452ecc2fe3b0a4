"""Errors of logins and refreshes. Errors of the network are httpx2's own exceptions."""

from __future__ import annotations


class CoreClientError(Exception):
    """The client cannot continue with its tokens.

    The message contains no password and no token.

    :ivar status: the HTTP status of the server's response; ``None`` without a response.
    :ivar details: the ``details`` in the body of the response.
    :ivar retry_after: seconds after which the server asks for the next attempt; ``None`` if it
        named no time.
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
    """The server did not return tokens for a login."""


class RefreshError(CoreClientError):
    """The server did not return a token for a refresh. The refresh token is kept, for a later attempt."""

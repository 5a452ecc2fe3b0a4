"""Errors of logins and refreshes. Errors of the network are httpx2's own exceptions."""

from __future__ import annotations


class CoreClientError(Exception):
    """The client cannot get new tokens, or cannot use them.

    The text of the error contains no password and no token.

    :ivar status: the HTTP status of the response that caused the error, ``None`` if there was no response.
    :ivar details: the ``details`` in the body of that response.
    :ivar retry_after: seconds to wait before the next try, ``None`` if the server named no time.
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
    """The response to a login contained no tokens."""


class RefreshError(CoreClientError):
    """The response to a refresh contained no token. The client keeps its refresh token for the next try."""

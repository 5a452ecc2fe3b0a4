"""Errors of logins and refreshes. Errors of the network are httpx2's own exceptions."""

from __future__ import annotations

import typing as t

#: Length of an error's text, and of all its details together, in characters.
MAX_TEXT = 1000


class CoreClientError(Exception):
    """The client cannot get new tokens, or cannot use them.

    The text of the error contains no password and no token. It has at most 1,000 characters, and so have
    the details together. All of these characters are printable.

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
        super().__init__(_printable(message))
        self.status = status
        self.details = tuple(_within(details))
        self.retry_after = retry_after


class LoginError(CoreClientError):
    """The response to a login contained no tokens."""


class RefreshError(CoreClientError):
    """The response to a refresh contained no token. The client keeps its refresh token for the next try."""


def _printable(text: str, length: int = MAX_TEXT) -> str:
    # Control characters and marks of direction can make a terminal or a log show another text.
    printable = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[: length + 1]
    )
    return printable if len(printable) <= length else printable[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _within(details: tuple[str, ...]) -> t.Iterator[str]:
    left = MAX_TEXT
    for detail in details:
        if left <= 0:
            return
        yield _printable(detail, left)
        left -= len(detail) + 1

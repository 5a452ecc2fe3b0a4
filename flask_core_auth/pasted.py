"""The input of ``flask core-auth explain``: exactly one token, as a person copies it from somewhere."""

from __future__ import annotations

import re
import typing as t

from . import jws
from .rejections import Reason

#: Maximum size of the input, in bytes: a token, and characters around it.
MAX_INPUT_BYTES = 2 * jws.MAX_TOKEN_BYTES
_QUOTES = "\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
_PREFIX = re.compile(r"(authorization:|bearer(?=\s|$))\s*", re.IGNORECASE)
_VALUE_ALONE = "Paste the value of access_token or refresh_token alone"


class UnusableInputError(Exception):
    """The input is not one signed token. The message names the right input, and quotes nothing."""


class Pasted(t.NamedTuple):
    """A token, and the words that were taken off around it.

    :param token: the token, not verified.
    :param removed: names of the parts that were taken off.
    """

    token: str
    removed: tuple[str, ...]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(removed={self.removed!r})"


def read_pasted(data: bytes) -> Pasted:
    """Find the token in an input.

    :param data: the input, of up to :data:`MAX_INPUT_BYTES`; a longer input is rejected.
    :raises UnusableInputError: if it is not one signed token in compact serialization.
    """
    if len(data) > MAX_INPUT_BYTES:
        raise _too_large()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableInputError("The input is not text in UTF-8. Paste one token") from None
    token, removed = _bare(text.strip())
    if not token:
        raise UnusableInputError(f"The input is empty: {Reason.NO_TOKEN.value}. {_VALUE_ALONE}")
    if token[0] in "{[" or '_token"' in token:
        raise UnusableInputError(f"The input is JSON, such as the response of a login. {_VALUE_ALONE}")
    words = token.split()
    if len(words) == 2 and re.fullmatch(r"[A-Za-z]{1,16}", words[0]):
        raise UnusableInputError(f"{Reason.SCHEME.value}. Paste one token, of the scheme Bearer")
    if len(words) > 1:
        raise UnusableInputError(
            f"The input has {len(words)} words, but {Reason.HEADER.value}. Paste one token, without blanks"
            " and line breaks"
        )
    if len(token) > jws.MAX_TOKEN_BYTES:
        raise _too_large()
    if token.count(".") == 4:
        raise UnusableInputError(f"The token is encrypted. {_SIGNED}")
    if token.count(".") != 2:
        raise UnusableInputError(f"The token is opaque: it is no signed JWT. {_SIGNED}")
    return Pasted(token, removed)


_SIGNED = (
    "Paste a signed token: three parts with two dots between. For an access token of an identity provider,"
    " request it with the audience of this API"
)


def _too_large() -> UnusableInputError:
    return UnusableInputError(
        f"The token is larger than {jws.MAX_TOKEN_BYTES} bytes, so each request with it is rejected. Paste"
        " a shorter token, with fewer scopes or claims"
    )


def _bare(text: str) -> tuple[str, tuple[str, ...]]:
    """Take quotes, ``Authorization:`` and ``Bearer`` off a text, in any order."""
    removed: list[str] = []
    while True:
        if text and (text[0] in _QUOTES or text[-1] in _QUOTES):
            text, name = text.strip(_QUOTES).strip(), "quotes"
        elif match := _PREFIX.match(text):
            text, name = text[match.end() :], '"Authorization:"' if match[0][0] in "aA" else '"Bearer"'
        else:
            return text, tuple(dict.fromkeys(removed))
        removed.append(name)

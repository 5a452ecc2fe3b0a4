"""What a request brings to say who it is: a bearer token, or a user name and a password."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from werkzeug.exceptions import RequestEntityTooLarge

from .errors import BadRequestError, ContentTooLargeError

if t.TYPE_CHECKING:
    from flask import Request

#: The largest body of a login, in bytes.
MAX_BODY_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class PasswordCredentials:
    """A user name and a password. Neither is empty, and both are text that any store can keep."""

    username: str
    password: str = field(repr=False)


class MalformedBearerError(ValueError):
    """The Authorization header asks for the scheme Bearer but holds no single token."""


def bearer_token(header: str | None) -> str | None:
    """The token in an ``Authorization`` header; none where there is no header or another scheme.

    :raises MalformedBearerError: if there is not exactly one token.
    """
    if header is None:
        return None
    scheme, *token = [part for part in header.split(" ") if part] or [""]
    if scheme.lower() != "bearer":
        return None
    if len(token) != 1 or not token[0].isascii():
        raise MalformedBearerError("The Authorization header must be: Bearer <token>")
    return token[0]


def read_body(request: Request) -> bytes:
    """The request's body.

    :raises ContentTooLargeError: if it is larger than :data:`MAX_BODY_BYTES`.
    :raises BadRequestError: if it ends early, or its chunks cannot be told apart.
    """
    # One byte more than is accepted: a limit cuts a chunked body short instead of refusing it.
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        body = request.get_data()
    except RequestEntityTooLarge:
        body = None
    except Exception:
        # Werkzeug's ClientDisconnected, or what the server's own parser raises at chunks that are none.
        raise BadRequestError("The body is incomplete or its chunks are malformed") from None
    if body is None or len(body) > MAX_BODY_BYTES:
        raise ContentTooLargeError(f"The body must not be larger than {MAX_BODY_BYTES} bytes") from None
    return body


def password_credentials(body: bytes, mimetype: str) -> PasswordCredentials:
    """Read the body of a login, where there is one.

    :raises BadRequestError: if it is not a JSON object with the two strings.
    """
    if mimetype != "application/json":
        raise BadRequestError("The Content-Type must be application/json")
    try:
        fields = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise BadRequestError("The body is not valid JSON") from None
    if not isinstance(fields, dict):
        raise BadRequestError("The body must be a JSON object with username and password")
    return PasswordCredentials(_text(fields, "username"), _text(fields, "password"))


def _text(fields: dict[str, t.Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise BadRequestError(f"The field {name} is missing")
    if not isinstance(value, str):
        raise BadRequestError(f"The field {name} must be a string")
    if not value:
        raise BadRequestError(f"The field {name} must not be empty")
    if "\0" in value:
        raise BadRequestError(f"The field {name} must not contain NUL")
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        raise BadRequestError(f"The field {name} is not valid Unicode") from None
    return value

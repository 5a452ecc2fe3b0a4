"""``POST <prefix>/login``: exchange credentials for an access and a refresh token.

If the app's code raises, an error tracker stores the local variables of each frame, and masks them by name
only. So while the app's code runs, no frame here has a token, or a password under another name than
``password``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import typing as t
from dataclasses import dataclass, field, replace
from functools import partial

from flask import request
from werkzeug.exceptions import HTTPException

from .. import jws
from ..errors import (
    AuthError,
    BadRequestError,
    ForbiddenError,
    ServiceUnavailableError,
    TooManyRequestsError,
)
from ..protection import mark_exempt
from ..signals import logged_in, logged_out, login_failed, send
from ..state import State
from ..transport import MalformedBearerError, bearer_token, read_body, tokens_response

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from ..identity import Admitted

logger = logging.getLogger("flask_core_auth")

#: The largest body of a login.
MAX_BODY_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class PasswordCredentials:
    """A username and a password. Neither is empty, and every store can hold them."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login: credentials that are not validated yet.

    :param name: the name that failures are counted by, with the client's address.
    :param username: the username that was sent; None for a bearer token.
    :param validate: validates the credentials.
    """

    name: str
    username: str | None
    validate: Callable[[], Admitted] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A login that was rejected for its credentials, logged and counted.

    :param username: the username that was sent; None for a bearer token.
    :param detail: the reason.
    :param error: the error for the client.
    """

    username: str | None
    detail: str | None
    error: HTTPException


@mark_exempt
def login() -> Response:
    """Exchange a username and a password, or a tenant's access token, for tokens."""
    state = State.current()
    outcome = _limited(state, _read_attempt(state))
    if isinstance(outcome, Rejection):
        send(login_failed, username=outcome.username, detail=outcome.detail)
        raise outcome.error
    grant = state.grants.issue(outcome, fresh=True)
    response = tokens_response(grant.tokens, cookies=state.config.cookies)
    grant = replace(grant, tokens={})
    identity = grant.identity
    logger.info("Login of %r (%s) from %s", identity.subject, identity.idp, request.remote_addr)
    for session in grant.displaced:
        send(logged_out, subject=identity.subject, idp=identity.idp, session=session)
    send(logged_in, subject=identity.subject, idp=identity.idp, session=grant.session)
    return response


def _read_attempt(state: State) -> Attempt:
    """Read the credentials of the current request."""
    try:
        return _read_credentials(state)
    except AuthError as error:
        # Its traceback has the frames that read the credentials, and the app's error handler may fail.
        raise error.with_traceback(None) from None


def _read_credentials(state: State) -> Attempt:
    """Read a bearer token of a tenant, or else the body."""
    body = read_body(request, max_bytes=MAX_BODY_BYTES)
    malformed = None
    try:
        bearer = bearer_token(request.environ.get("HTTP_AUTHORIZATION"))
    except MalformedBearerError as error:
        bearer, malformed = None, str(error)
    token = None if bearer is None else state.validators.find_tenant_token(bearer)
    if bearer is not None and token is not None:
        return Attempt(hashlib.sha256(bearer.encode()).hexdigest(), None, token.validate)
    if body:
        sent = parse_credentials(body, request.mimetype)
        return Attempt(sent.username, sent.username, partial(_validate_password, state, sent))
    if bearer is not None:
        raise _unclaimed_error(bearer)
    raise BadRequestError(
        malformed
        or "No credentials: send a JSON object with username and password, or an Auth0 access"
        " token as Authorization: Bearer <token>"
    )


def _validate_password(state: State, sent: PasswordCredentials) -> Admitted:
    if not state.validators.is_password_costly(sent.username):
        return state.validators.validate_password(sent.username, sent.password)
    with state.password_checks.one(request.remote_addr):
        return state.validators.validate_password(sent.username, sent.password)


def _limited(state: State, attempt: Attempt) -> Admitted | Rejection:
    """Validate credentials under the limit on failed logins."""
    address = request.remote_addr
    state.throttle.check(address, attempt.name)
    try:
        return attempt.validate()
    except ServiceUnavailableError:
        if attempt.username is None:
            # The tenant's keys cannot be fetched. Anybody can forge tokens that need them, so the limit
            # must hold for such logins, too. A failure of the app's password_verifier is not the client's.
            state.throttle.count_undecided(address)
        raise
    except HTTPException as error:
        # The app's password_verifier may reject with any 4xx: abort(400), first_or_404().
        if error.code is None or not 400 <= error.code < 500:
            raise
        # Its traceback has the frames that validated the credentials.
        rejected = error.with_traceback(None)
    detail = rejected.description
    logger.warning("Login from %s refused: %.500r", address, detail)
    try:
        # Before login() sends the signal, so that a failing receiver does not prevent it.
        state.throttle.count(address, attempt.name)
    except TooManyRequestsError as error:
        rejected = error.with_traceback(None)
    return Rejection(attempt.username, detail, rejected)


def _unclaimed_error(bearer: str) -> AuthError:
    """Make the error for a bearer token that no tenant matches."""
    try:
        jws.parse(bearer)
    except jws.MalformedTokenError as error:
        return BadRequestError(
            f"{error}. An access token that is requested with the audience of this API is a signed JWT"
        )
    return ForbiddenError("The token's issuer is none of the tenants that are configured here")


def parse_credentials(body: bytes, mimetype: str) -> PasswordCredentials:
    """Parse the body of a login.

    :raises BadRequestError: if it is not a JSON object with the two strings.
    """
    if mimetype != "application/json":
        raise BadRequestError("The Content-Type must be application/json")
    fields = _load_json(body)
    if fields is _NOT_JSON:
        raise BadRequestError("The body is not valid JSON")
    if not isinstance(fields, dict):
        raise BadRequestError("The body must be a JSON object with username and password")
    return PasswordCredentials(_text_field(fields, "username"), _text_field(fields, "password"))


_NOT_JSON = object()


def _load_json(body: bytes) -> object:
    """Parse JSON (RFC 8259), or return ``_NOT_JSON``."""
    # Not an exception: the parser's error has the body, and would be the context of another error.
    try:
        return json.loads(body.decode(), parse_constant=jws.reject_constant)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _text_field(fields: dict[str, t.Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise BadRequestError(f"The field {name} is missing")
    if not isinstance(value, str):
        raise BadRequestError(f"The field {name} must be a string")
    if not value:
        raise BadRequestError(f"The field {name} must not be empty")
    if "\0" in value:
        raise BadRequestError(f"The field {name} must not contain NUL")
    if value.encode(errors="replace").decode() != value:  # a lone surrogate, which JSON can spell
        raise BadRequestError(f"The field {name} is not valid Unicode")
    return value

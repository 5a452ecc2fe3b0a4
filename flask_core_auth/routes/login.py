"""``POST <prefix>/login``: exchange credentials for an access and a refresh token."""

from __future__ import annotations

import json
import logging
import typing as t
from dataclasses import dataclass, field

from flask import request
from werkzeug.exceptions import HTTPException

from .. import jws
from ..errors import AuthError, BadRequestError, ForbiddenError, ServiceUnavailableError
from ..protection import mark_exempt
from ..signals import logged_in, login_failed, send
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


@mark_exempt
def login() -> Response:
    """Exchange a username and a password, or a tenant's access token, for tokens."""
    state = State.current()
    grant = state.grants.issue(_validate(state), fresh=True)
    identity = grant.identity
    logger.info("Login of %r (%s) from %s", identity.subject, identity.idp, request.remote_addr)
    send(logged_in, subject=identity.subject, idp=identity.idp, session=grant.session)
    return tokens_response(grant.tokens, cookies=state.config.cookies)


def _validate(state: State) -> Admitted:
    """Validate the credentials of the current request: a bearer of a tenant first, then the body."""
    body = read_body(request, max_bytes=MAX_BODY_BYTES)
    malformed = None
    try:
        bearer = bearer_token(request.environ.get("HTTP_AUTHORIZATION"))
    except MalformedBearerError as error:
        bearer, malformed = None, str(error)
    token = None if bearer is None else state.validators.find_tenant_token(bearer)
    if bearer is not None and token is not None:
        return _limited(state, bearer, token.validate)
    if body:
        sent = parse_credentials(body, request.mimetype)
        return _limited(
            state, sent.username, lambda: _validate_password(state, sent), username=sent.username
        )
    if bearer is not None:
        raise _unclaimed_error(bearer)
    raise BadRequestError(
        malformed
        or "No credentials: send a JSON object with username and password, or an Auth0 access"
        " token as Authorization: Bearer <token>"
    )


def _validate_password(state: State, sent: PasswordCredentials) -> Admitted:
    if not state.validators.is_password_costly:
        return state.validators.validate_password(sent.username, sent.password)
    with state.password_checks.one(request.remote_addr):
        return state.validators.validate_password(sent.username, sent.password)


def _limited(
    state: State, name: str, validate: Callable[[], Admitted], *, username: str | None = None
) -> Admitted:
    """Validate credentials under the limit on failed logins.

    :param name: the name that failures are counted by, with the client's address.
    :param username: the username that was sent, if any.
    """
    address = request.remote_addr
    state.throttle.check(address, name)
    try:
        return validate()
    except ServiceUnavailableError:
        if username is None:
            # A tenant's keys cannot be fetched. Anybody can forge tokens that need them, so the limit must
            # hold for such logins, too. A failure of the app's password_verifier is not the client's.
            state.throttle.count_undecided(address)
        raise
    except HTTPException as rejected:
        # The app's password_verifier may reject with any 4xx: abort(400), first_or_404().
        if rejected.code is None or not 400 <= rejected.code < 500:
            raise
        logger.warning("Login from %s refused: %.500r", address, rejected.description)
        try:
            state.throttle.count(address, name)
        finally:  # after the count, so that a failing receiver does not prevent it
            send(login_failed, username=username, detail=rejected.description)
        raise


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
    try:
        fields = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise BadRequestError("The body is not valid JSON") from None
    if not isinstance(fields, dict):
        raise BadRequestError("The body must be a JSON object with username and password")
    return PasswordCredentials(_text_field(fields, "username"), _text_field(fields, "password"))


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
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        raise BadRequestError(f"The field {name} is not valid Unicode") from None
    return value

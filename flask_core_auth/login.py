"""The routes that give out tokens: ``POST <prefix>/login`` and ``GET <prefix>/login/refresh``."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace

from flask import has_request_context, jsonify, request
from werkzeug.exceptions import Forbidden, MethodNotAllowed, Unauthorized

from . import compact, cookies
from .credentials import (
    MalformedBearerError,
    PasswordCredentials,
    bearer_token,
    password_credentials,
    read_body,
)
from .decorators import auth_exempt
from .errors import AuthError, BadRequestError, ForbiddenError, UnauthorizedError
from .guard import sent_token
from .identity import Identity, narrow
from .signals import logged_in, login_failed, refresh_reused, send, token_refreshed
from .state import State

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Response

    from .sessions import Sessions
    from .token_pair import TokenPair

logger = logging.getLogger("flask_core_auth")


@auth_exempt
def login() -> Response:
    """Exchange credentials for an access and a refresh token."""
    state = State.of_app()
    identity = _log_in(state)
    credential = state.local.credential(identity) if identity.idp == "local" else None
    tokens, session = issue(state, identity, fresh=True, credential=credential)
    logger.info("Login of %r (%s) from %s", identity.subject, identity.idp, request.remote_addr)
    send(logged_in, subject=identity.subject, idp=identity.idp, session=session)
    return _tokens_answer(state, access_token=tokens.access_token, refresh_token=tokens.refresh_token)


def issue(
    state: State, identity: Identity, *, fresh: bool, credential: str | None = None
) -> tuple[TokenPair, str | None]:
    """Issue both tokens, and open the session that they belong to: its ID, if there are sessions."""
    if state.sessions is None:
        return state.tokens.issue(identity, fresh=fresh, credential=credential), None
    session = state.sessions.new(
        identity,
        address=request.remote_addr if has_request_context() else None,
        user_agent=request.user_agent.string if has_request_context() else None,
    )
    tokens = state.tokens.issue(
        identity,
        fresh=fresh,
        credential=credential,
        session=session.id,
        refresh_id=session.jti,
        not_after=session.expires_at,
    )
    # Last, so that no session is left that nobody has a token of.
    state.sessions.open(session)
    return tokens, session.id


def _log_in(state: State) -> Identity:
    body = read_body(request)
    malformed = None
    try:
        bearer = bearer_token(request.environ.get("HTTP_AUTHORIZATION"))
    except MalformedBearerError as error:
        bearer, malformed = None, str(error)
    validator = state.auth0.find(bearer) if bearer is not None and state.auth0 is not None else None
    if bearer is not None and validator is not None:
        return _decide(state, bearer, lambda: validator.validate(bearer))
    if body:
        credentials = password_credentials(body, request.mimetype)
        username = credentials.username
        return _decide(state, username, lambda: _by_password(state, credentials), username=username)
    if bearer is not None:
        raise _unclaimed(bearer)
    raise BadRequestError(
        malformed
        or "No credentials: send a JSON object with username and password, or an Auth0 access"
        " token as Authorization: Bearer <token>"
    )


def _decide(
    state: State, name: str, validate: Callable[[], Identity], *, username: str | None = None
) -> Identity:
    """Have a login decided, as often as the limit admits.

    :param name: what failures are counted by, besides the client's address.
    :param username: the user name that was sent, if one was.
    """
    address = request.remote_addr
    state.throttle.check(address, name)
    try:
        return validate()
    except (Forbidden, Unauthorized) as refused:  # the app's password_verifier may abort(), too
        logger.warning("Login from %s refused: %.500r", address, refused.description)
        try:
            state.throttle.count(address, name)
        finally:  # counted first, whatever a receiver does
            send(login_failed, username=username, detail=refused.description)
        raise


def _by_password(state: State, credentials: PasswordCredentials) -> Identity:
    username, password = credentials.username, credentials.password
    if state.local.knows(username) or state.host.verifier is None:
        identity = state.local.validate(username, password)
    else:
        identity = state.host.validate(username, password)
    if identity is None:
        raise ForbiddenError("Wrong username or password")
    return identity


def _unclaimed(bearer: str) -> AuthError:
    """Why a bearer that belongs to no tenant gets nobody in."""
    try:
        compact.parse(bearer)
    except compact.MalformedTokenError as error:
        return BadRequestError(
            f"{error}. An access token that is requested with the audience of this API is a signed JWT"
        )
    return ForbiddenError("The token's issuer is none of the tenants that are configured here")


@auth_exempt
def refresh() -> Response:
    """Exchange a refresh token for a new access token, and a new refresh token where they rotate."""
    if request.method == "HEAD":  # its answer, a token that rotation gives once, would be lost
        raise MethodNotAllowed(["GET", "OPTIONS"])
    state = State.of_app()
    realm = state.config.realm
    sent = sent_token(state, "refresh", request.environ)
    if sent is None:
        raise UnauthorizedError.missing(realm)
    token, _ = sent
    claims = token.claims()
    state.loaders.check(token.header, claims)
    identity = _still_admitted(state, token.identity, claims)
    if identity is None:
        raise UnauthorizedError.invalid(realm)
    if state.sessions is None:
        session = None
        answer = {"access_token": state.tokens.issue_access(identity, fresh=False)}
    else:
        session = claims.get("sid")
        answer = _use_session(state, state.sessions, identity, token.identity, claims)
    logger.info("Refresh of %r (%s) from %s", identity.subject, identity.idp, request.remote_addr)
    send(token_refreshed, subject=identity.subject, idp=identity.idp, session=session)
    return _tokens_answer(state, **answer)


def _use_session(
    state: State,
    sessions: Sessions,
    identity: Identity,
    original: Identity,
    claims: Mapping[str, t.Any],
) -> dict[str, str]:
    """The tokens that a refresh token of a session is exchanged for.

    :param identity: what the subject may do now.
    :param original: what it may do by its token, and so by the next.
    :param claims: of the token.
    """
    from .sessions import is_session_id  # not everybody's
    from .sessions.store import Verdict

    session, jti = claims.get("sid"), claims["jti"]
    if not is_session_id(session) or not isinstance(jti, str):
        raise UnauthorizedError.invalid(state.config.realm)
    # Before the store's step: it cannot be taken back, should the app's loaders fail.
    additions = state.tokens.additions(identity)
    verdict, in_force, expires_at = sessions.use(session, jti)
    if verdict is Verdict.REUSED:
        logger.warning(
            "A spent refresh token of %r came from %s, session %s is ended: it was stolen, or an answer"
            " never reached its client",
            identity.subject,
            request.remote_addr,
            session,
        )
        send(refresh_reused, subject=identity.subject, idp=identity.idp, session=session)
    if verdict is not Verdict.ACCEPTED:
        raise UnauthorizedError.invalid(state.config.realm)
    tokens = {
        "access_token": state.tokens.issue_access(
            identity, fresh=False, session=session, not_after=expires_at, additions=additions
        )
    }
    if sessions.rotate:
        tokens["refresh_token"] = state.tokens.issue_refresh(
            original,
            credential=state.local.credential(original) if original.idp == "local" else None,
            session=session,
            jti=in_force,
            not_after=expires_at,
            additions=additions,
        )
    return tokens


def _still_admitted(state: State, identity: Identity, claims: Mapping[str, t.Any]) -> Identity | None:
    """Ask again whether a subject is admitted, and with which scopes: never more than its token has."""
    subject, idp = t.cast(str, identity.subject), identity.idp
    ours = "idp" in claims
    if idp == "host":
        return identity if ours else None
    if idp == "local":
        # Only a Core's token may come without: in one of ours, none is as good as a wrong one.
        user = state.local.still_admits(subject, (claims.get("cred") or "") if ours else None)
        return user and replace(identity, scopes=narrow(identity.scopes, user.scopes))
    for tenant in state.config.tenants:
        if tenant.domain == idp and tenant.admits(subject):
            return replace(identity, scopes=narrow(identity.scopes, tenant.scopes))
    return None


def _tokens_answer(state: State, **tokens: str) -> Response:
    response = jsonify(tokens)
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, 5.1
    if state.config.cookies:
        cookies.give(response, tokens)
    return response

"""Logout, and the routes by which a user lists and ends the user's own sessions."""

from __future__ import annotations

import typing as t

from flask import Response, jsonify, request

from ..callbacks import REJECTIONS
from ..errors import NotFoundError, UnauthorizedError
from ..protection import mark_exempt, missing_session
from ..rejections import Reason, log_rejection
from ..state import State
from ..transport import missing_token, read_token, unset_cookies

if t.TYPE_CHECKING:
    from ..identity import Identity
    from ..sessions import Sessions
    from ..tokens import VerifiedToken


@mark_exempt
def logout() -> Response:
    """End the session of the access or refresh token that is sent, and delete the cookies.

    If the session has ended before, the logout succeeds too. Without sessions, or with a token that was
    issued before sessions were switched on, only the cookies are deleted. The app's callbacks are not
    asked: a token may always be given up.
    """
    state = State.current()
    try:
        token = _access_or_refresh_token(state)
        session = token.claims().get("sid")
        if session is None and state.sessions is not None and not state.config.cookies:
            raise UnauthorizedError.invalid(state.config.realm, Reason.NO_SESSION)
    except UnauthorizedError as error:
        log_rejection(error)
        raise
    response = Response(status=204)
    if session is not None and state.sessions is not None:
        state.sessions.end(session, token.identity, address=request.remote_addr)
    if state.config.cookies:
        unset_cookies(response)
    return response


@mark_exempt
def list_sessions() -> Response:
    """List the sessions of the access token's identity."""
    state = State.current()
    identity, current = _identity_and_session(state)
    listed = _sessions_of(state).list(identity)
    response = jsonify(
        sessions=[{**session.as_json(), "current": session.id == current} for session in listed]
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@mark_exempt
def end_session(session_id: str) -> Response:
    """End one session of the access token's identity."""
    state = State.current()
    identity, _ = _identity_and_session(state)
    if not _sessions_of(state).end(session_id, identity, address=request.remote_addr):
        raise NotFoundError("There is no such session")
    return Response(status=204)


@mark_exempt
def end_sessions() -> Response:
    """End every session of the access token's identity, its own included."""
    state = State.current()
    identity, _ = _identity_and_session(state)
    _sessions_of(state).end_all(identity)
    return Response(status=204)


def _sessions_of(state: State) -> Sessions:
    return t.cast("Sessions", state.sessions)  # these routes exist only with sessions


def _access_or_refresh_token(state: State) -> VerifiedToken:
    """Return the access token of the request or, without a valid one, its refresh token."""
    realm = state.config.realm
    missing = missing_token(realm, request.environ)
    try:
        sent = read_token(state.tokens, realm, "access", request.environ)
    except UnauthorizedError as error:
        sent, missing.reason = None, error.reason
    if sent is None:
        sent = read_token(state.tokens, realm, "refresh", request.environ)
    if sent is None:
        raise missing
    return sent[0]


def _identity_and_session(state: State) -> tuple[Identity, str]:
    """Return the identity and the session ID of the access token. The session must be live.

    The session is looked up with each value of ``API_AUTH_SESSION_CHECK``: a token whose session has ended
    must not end other sessions.
    """
    realm = state.config.realm
    try:
        sent = read_token(state.tokens, realm, "access", request.environ)
        if sent is None:
            raise missing_token(realm, request.environ)
        token, _ = sent
        claims = token.claims()
        if not _sessions_of(state).is_live(claims.get("sid"), token.identity):
            raise UnauthorizedError.invalid(realm, missing_session(claims))
        state.callbacks.check(token.header, claims)
    except REJECTIONS as error:
        log_rejection(error)
        raise
    return token.identity, claims["sid"]

"""The routes of sessions: logging out, and looking after one's own sessions."""

from __future__ import annotations

import logging
import typing as t
from datetime import UTC, datetime

from flask import Response, jsonify, request

from . import cookies
from .decorators import auth_exempt
from .errors import NotFoundError, UnauthorizedError
from .guard import sent_token
from .signals import logged_out, send
from .state import State

if t.TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState

    from .identity import Identity
    from .sessions import Sessions
    from .sessions.store import Session
    from .tokens import VerifiedToken

logger = logging.getLogger("flask_core_auth")


def add_to(setup: BlueprintSetupState) -> None:
    """Add these routes to an app, under the blueprint that is being registered on it."""
    setup.add_url_rule("/sessions", "sessions", list_sessions, methods=["GET"])
    setup.add_url_rule("/sessions", "end_sessions", end_sessions, methods=["DELETE"])
    setup.add_url_rule("/sessions/<session_id>", "end_session", end_session, methods=["DELETE"])


@auth_exempt
def logout() -> Response:
    """End the session of the access or refresh token that is sent.

    A session that has ended already is no error: its user wanted just that. Without sessions, or with a
    token from before there were any, only the cookies are taken back. The app's loaders are not asked:
    whoever holds a token may give it up.
    """
    state = State.of_app()
    token = _either_token(state)
    response = _no_content()
    if state.sessions is not None:
        session = token.claims().get("sid")
        if session is not None:
            _end(state.sessions, session, token.identity)
        elif not state.config.cookies:
            raise UnauthorizedError.invalid(state.config.realm)
    if state.config.cookies:
        cookies.take_back(response)
    return response


@auth_exempt
def list_sessions() -> Response:
    """List the sessions of whom the access token stands for."""
    state = State.of_app()
    identity, current = _identity_and_session(state)
    sessions = [
        {**describe(session), "current": session.id == current} for session in _sessions(state).of(identity)
    ]
    response = jsonify(sessions=sessions)
    response.headers["Cache-Control"] = "no-store"
    return response


@auth_exempt
def end_session(session_id: str) -> Response:
    """End one session of whom the access token stands for."""
    state = State.of_app()
    identity, _ = _identity_and_session(state)
    if not _end(_sessions(state), session_id, identity):
        raise NotFoundError("There is no such session")
    return _no_content()


@auth_exempt
def end_sessions() -> Response:
    """End every session of whom the access token stands for, the one that asks included."""
    state = State.of_app()
    identity, _ = _identity_and_session(state)
    end_all(_sessions(state), identity)
    return _no_content()


def end_all(sessions: Sessions, identity: Identity) -> int:
    """End every session of an identity, and tell how many there were."""
    ended = sessions.end_all(identity)
    logger.info("All sessions of %r (%s) ended: %d", identity.subject, identity.idp, len(ended))
    for session in ended:
        send(logged_out, subject=identity.subject, idp=identity.idp, session=session)
    return len(ended)


def _end(sessions: Sessions, session_id: str, identity: Identity) -> bool:
    ended = sessions.end(session_id, identity)
    if ended:
        logger.info(
            "Session %s of %r (%s) ended from %s",
            session_id,
            identity.subject,
            identity.idp,
            request.remote_addr,
        )
        send(logged_out, subject=identity.subject, idp=identity.idp, session=session_id)
    return ended


def _sessions(state: State) -> Sessions:
    return t.cast("Sessions", state.sessions)  # these routes exist only with sessions


def _either_token(state: State) -> VerifiedToken:
    """The access token or, failing that, the refresh token of the request."""
    try:
        sent = sent_token(state, "access", request.environ)
    except UnauthorizedError:
        sent = None
    if sent is None:
        sent = sent_token(state, "refresh", request.environ)
    if sent is None:
        raise UnauthorizedError.missing(state.config.realm)
    return sent[0]


def _identity_and_session(state: State) -> tuple[Identity, str]:
    """Whose access token was sent, and the ID of its session, which must be live.

    However rarely other routes ask for the session: a token of one that has ended must not end others.
    """
    realm = state.config.realm
    sent = sent_token(state, "access", request.environ)
    if sent is None:
        raise UnauthorizedError.missing(realm)
    token, _ = sent
    claims = token.claims()
    if not _sessions(state).is_live(claims.get("sid")):
        raise UnauthorizedError.invalid(realm)
    state.loaders.check(token.header, claims)
    return token.identity, claims["sid"]


def describe(session: Session) -> dict[str, t.Any]:
    """What is told of a session. The IDs of its tokens are not."""
    return {
        "id": session.id,
        "created_at": _rfc3339(session.created_at),
        "last_used_at": _rfc3339(session.last_used_at),
        "expires_at": _rfc3339(session.expires_at),
        "address": session.address,
        "user_agent": session.user_agent,
    }


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _no_content() -> Response:
    return Response(status=204)

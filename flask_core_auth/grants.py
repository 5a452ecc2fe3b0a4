"""Grants: tokens for an admitted identity, and new tokens for a refresh token."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from functools import partial

from flask import has_request_context, request

from .errors import UnauthorizedError
from .identity import Identity, intersect_scopes
from .rejections import Reason

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .callbacks import Additions, HostCallbacks
    from .identity import Admitted
    from .sessions import Session, Sessions
    from .tokens import Tokens, VerifiedToken
    from .validators import Validators


@dataclass(frozen=True, slots=True)
class Grant:
    """The result of a login or a refresh.

    :param identity: the identity that the tokens stand for.
    :param session: the ID of their session; None without sessions.
    :param tokens: the tokens, by their names in the response.
    :param displaced: the IDs of the sessions that ended because their owner had too many.
    """

    identity: Identity
    session: str | None
    tokens: Mapping[str, str] = field(repr=False)
    displaced: Sequence[str] = ()


class Grants:
    """Issues tokens for admitted identities, and exchanges refresh tokens.

    :param realm: the realm of the app, for challenges.
    """

    def __init__(
        self,
        realm: str,
        *,
        callbacks: HostCallbacks,
        validators: Validators,
        tokens: Tokens,
        sessions: Sessions | None,
    ) -> None:
        self._realm = realm
        self._callbacks = callbacks
        self._validators = validators
        self._tokens = tokens
        self._sessions = sessions

    def issue(self, admitted: Admitted, *, fresh: bool) -> Grant:
        """Issue both tokens for an identity, and open their session if there are sessions.

        The caller sends ``logged_out`` for each session that ends because of the new session. If this
        method sent the signal and a receiver failed, an error tracker would store the tokens in its frame.

        :param admitted: the identity, and the digest of its credential.
        :param fresh: whether a login has just succeeded.
        :raises ServiceUnavailableError: if a callback of the app fails, a token would be too long, or the
            session store is down.
        """
        identity = admitted.identity
        additions = self._callbacks.additions(identity)
        if self._sessions is None:
            return Grant(identity, None, self._pair(admitted, additions, fresh=fresh))
        session = self._sessions.new(
            identity,
            address=request.remote_addr if has_request_context() else None,
            user_agent=request.user_agent.string if has_request_context() else None,
        )
        grant = Grant(identity, session.id, self._pair(admitted, additions, fresh=fresh, session=session))
        try:
            # Last: if a token cannot be issued, no session is left without one.
            displaced = self._sessions.open(session)
        except BaseException:
            del grant  # an error tracker stores the variables of each frame that an exception leaves
            raise
        return replace(grant, displaced=displaced)

    def _pair(
        self, admitted: Admitted, additions: Additions, *, fresh: bool, session: Session | None = None
    ) -> dict[str, str]:
        session_id = None if session is None else session.id
        expires_at = None if session is None else session.expires_at
        return {
            "access_token": self._tokens.issue_access(
                admitted.identity, additions, fresh=fresh, session=session_id, not_after=expires_at
            ),
            "refresh_token": self._tokens.issue_refresh(
                admitted.identity,
                additions,
                credential=admitted.credential,
                session=session_id,
                jti=None if session is None else session.jti,
                not_after=expires_at,
            ),
        }

    def rejection(self, identity: Identity, claims: Mapping[str, t.Any]) -> Reason | None:
        """Return the reason for which :meth:`exchange` would reject a refresh token; None if it would not.

        Nothing changes: the token is not spent, and its session is not ended. The app's callbacks are not
        asked.

        :param identity: the identity of the token.
        :param claims: the claims of the token.
        :raises ServiceUnavailableError: if the session store is down.
        """
        admitted = self._validators.validate_again(identity, claims)
        if isinstance(admitted, Reason):
            return admitted
        sessions = self._sessions
        return (
            None if sessions is None else sessions.rejection(claims.get("sid"), claims.get("jti"), identity)
        )

    def exchange(self, token: VerifiedToken) -> Grant:
        """Exchange a refresh token for an access token, and with rotation for the next refresh token, too.

        The session store comes last, because its step cannot be undone. The app's callbacks, the validators
        and the app's additional claims may still reject the token or fail.

        :raises UnauthorizedError: if the token is no longer accepted.
        :raises ServiceUnavailableError: if a callback of the app fails, a token would be too long, or the
            session store is down.
        """
        claims = token.claims()
        self._callbacks.check(token.header, claims)
        admitted = self._validators.validate_again(token.identity, claims)
        if isinstance(admitted, Reason):
            raise UnauthorizedError.invalid(self._realm, admitted)
        # Scopes of both the token and the config: a refresh never adds a scope.
        scopes = intersect_scopes(token.identity.scopes, admitted.identity.scopes)
        identity, sessions = replace(admitted.identity, scopes=scopes), self._sessions
        session: t.Any = claims.get("sid")
        jti: t.Any = claims["jti"]
        if sessions is not None and not sessions.can_refresh(session, jti):
            raise UnauthorizedError.invalid(self._realm, Reason.NO_SESSION)
        additions = self._callbacks.additions(identity)
        if sessions is None:
            access_token = self._tokens.issue_access(identity, additions, fresh=False)
            return Grant(identity, None, {"access_token": access_token})

        refreshed = sessions.refresh(session, jti, identity, address=request.remote_addr)
        if isinstance(refreshed, Reason):
            raise UnauthorizedError.invalid(self._realm, refreshed)
        jti, expires_at = refreshed
        issue_access = partial(
            self._tokens.issue_access,
            identity,
            additions,
            fresh=False,
            session=session,
            not_after=expires_at,
        )
        if not sessions.rotate:
            return Grant(identity, session, {"access_token": issue_access()})
        # No variable has the one token while the other is issued: that calls code of the app, see issue().
        return Grant(
            identity,
            session,
            {
                "access_token": issue_access(),
                "refresh_token": self._tokens.issue_refresh(
                    # With the scopes of the old token: if the config removes a scope and restores it, it
                    # is back.
                    token.identity,
                    additions,
                    credential=admitted.credential,
                    session=session,
                    jti=jti,
                    not_after=expires_at,
                ),
            },
        )

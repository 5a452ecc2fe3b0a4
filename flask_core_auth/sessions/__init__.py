"""Sessions: logins that live in a store and can be ended."""

from __future__ import annotations

import logging
import math
import re
import secrets
import time
import typing as t
import uuid
from urllib.parse import quote

from ..circuit_breaker import CircuitBreaker
from ..errors import ServiceUnavailableError
from ..rejections import Reason
from ..signals import logged_out, refresh_repeated, refresh_reused, send
from .store import RefreshRequest, Session, SessionStore, StoreDownError, StoreTimeoutError, Verdict

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..identity import Identity

__all__ = ["Session", "SessionStore", "Sessions", "open_store"]

logger = logging.getLogger("flask_core_auth")

#: The Retry-After of a response while the store is down.
STORE_RETRY_AFTER_SECONDS = 5
#: Time for which a store is not asked after a timeout.
STORE_PAUSE_SECONDS = 1
#: Shortest interval between two log lines about a store that is down.
STORE_LOG_INTERVAL_SECONDS = 60
#: The longest part of a client's address and of its user agent that is kept, in characters.
MAX_ADDRESS = 64
MAX_USER_AGENT = 256
_ID = re.compile(r"[A-Za-z0-9_-]{22}")

T = t.TypeVar("T")


def open_store(url: str, *, directory: str) -> SessionStore:
    """Open the store that ``url`` names. Nothing is connected to.

    :param url: ``redis://``, ``rediss://``, ``unix://``, or a SQLAlchemy URL.
    :param directory: the directory that the path of an SQLite file is relative to.
    :raises ValueError: if the URL cannot be used, or a library is not installed. The message says why, and
        does not quote the URL.
    """
    if url.partition(":")[0] in ("redis", "rediss", "unix"):
        try:
            from .redis import RedisStore
        except ModuleNotFoundError:
            raise ValueError("needs the redis extra: pip install 'flask-core-auth[redis]'") from None
        return RedisStore(url)
    try:
        from .sql import SQLStore
    except ModuleNotFoundError:
        raise ValueError("needs the sql extra: pip install 'flask-core-auth[sql]'") from None
    return SQLStore(url, directory=directory)


class Sessions:
    """The sessions of one app.

    Ages are measured by the clock of the app's machine, as the expiry of its tokens is. If an app runs on
    several machines, their clocks must agree to within a small part of the grace.

    :param store: the store of the sessions.
    :param realm: the realm of the app. Apps with other realms may use the same store.
    :param lifetime: the lifetime of a refresh token, in seconds.
    :param max_age: the longest life of a session, in seconds.
    :param grace: the time for which a rotated refresh token is still accepted, in seconds.
    :param rotate: whether each refresh returns a new refresh token.
    :param limit: the maximum number of sessions of one owner, or None for any number.
    :param always: whether protected routes look up the session, too.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        realm: str,
        lifetime: int,
        max_age: int,
        grace: int,
        limit: int | None,
        rotate: bool,
        always: bool,
    ) -> None:
        self._store = store
        # Without slashes and spaces, which separate the parts of an owner.
        self._realm = quote(realm, safe="")
        self._limit = limit
        self._lifetime = lifetime
        self._max_age = max_age
        self._grace = grace
        self._breaker = CircuitBreaker(STORE_PAUSE_SECONDS)
        self._logged_at = -math.inf
        self.rotate = rotate
        self.always = always

    def new(
        self, identity: Identity, *, address: str | None = None, user_agent: str | None = None
    ) -> Session:
        """Make a session that :meth:`open` can put into the store.

        :param identity: the owner.
        :param address: the client's address.
        :param user_agent: the client's user agent.
        """
        now = int(time.time())
        return Session(
            id=secrets.token_urlsafe(16),
            owner=self._owner(identity),
            jti=str(uuid.uuid4()),
            previous_jti=None,
            rotated_at=None,
            created_at=now,
            last_used_at=now,
            expires_at=now + min(self._lifetime, self._max_age),
            address=_shorten(address, MAX_ADDRESS),
            user_agent=_shorten(user_agent, MAX_USER_AGENT),
        )

    def open(self, session: Session) -> Sequence[str]:
        """Put a new session into the store.

        If its owner has more sessions than the limit, the sessions that were unused longest are ended and
        logged.

        :return: the IDs of the sessions that were ended. The caller sends ``logged_out`` for them.
        :raises ServiceUnavailableError: if the store is down.
        """
        ended = self._ask(lambda: self._store.open(session, now=time.time(), limit=self._limit))
        for session_id in ended:
            logger.info(
                "Session %s of %r (%s) ended by a login over API_AUTH_SESSION_LIMIT",
                session_id,
                session.subject,
                session.idp,
            )
        return ended

    def refresh(
        self, session_id: str, jti: str, identity: Identity, *, address: str | None
    ) -> tuple[str, int] | Reason:
        """Use a refresh token: rotate it, or end its session if it was rotated before.

        :param session_id: the token's ``sid`` claim.
        :param jti: the token's ``jti`` claim.
        :param identity: the token's identity.
        :param address: the client's address, for the log.
        :return: the ``jti`` of the refresh token in force and the session's expiry, in seconds since the
            epoch; the reason, if the token is not accepted.
        :raises ServiceUnavailableError: if the store is down.
        """
        request = RefreshRequest(
            session=session_id,
            owner=self._owner(identity),
            jti=jti,
            successor=str(uuid.uuid4()) if self.rotate else None,
            now=time.time(),
            grace=self._grace,
            lifetime=self._lifetime,
            max_age=self._max_age,
        )
        decision = self._ask(lambda: self._store.refresh(request))
        if decision.verdict is Verdict.REUSED:
            logger.warning(
                "A spent refresh token of %r came from %s, session %s is ended: it was stolen, or a"
                " response never reached its client",
                identity.subject,
                address,
                session_id,
            )
            send(refresh_reused, subject=identity.subject, idp=identity.idp, session=session_id)
            return Reason.SPENT
        if decision.verdict is not Verdict.ACCEPTED:
            return Reason.ENDED
        if decision.jti not in (jti, request.successor):
            logger.info(
                "A rotated refresh token of %r (%s) came again within the grace from %s, session %s",
                identity.subject,
                identity.idp,
                address,
                session_id,
            )
            send(refresh_repeated, subject=identity.subject, idp=identity.idp, session=session_id)
        return decision.jti, decision.expires_at

    def can_refresh(self, session_id: object, jti: object) -> bool:
        """Tell whether the claims of a refresh token have the form of a session's. The store is not
        asked."""
        return is_session_id(session_id) and isinstance(jti, str)

    def rejection(self, session_id: object, jti: object, identity: Identity) -> Reason | None:
        """Return the reason for which :meth:`refresh` would reject a refresh token; None if it would not.

        Nothing changes: the token is not used, and a spent token does not end its session.

        :param session_id: the token's ``sid`` claim, if it has one.
        :param jti: the token's ``jti`` claim.
        :param identity: the token's identity.
        :raises ServiceUnavailableError: if the store is down.
        """
        if not self.can_refresh(session_id, jti):
            return Reason.NO_SESSION
        session = self.find(session_id, identity)
        if session is None:
            return Reason.ENDED
        is_in_grace = session.rotated_at is not None and 0 < self._grace > time.time() - session.rotated_at
        is_accepted = jti == session.jti or (is_in_grace and jti == session.previous_jti)
        return None if is_accepted else Reason.SPENT

    def find(self, session_id: object, identity: Identity) -> Session | None:
        """Return a live session of an identity; None if there is none.

        :param session_id: the ``sid`` claim of a token, if it has one.
        :param identity: the identity of the token.
        :raises ServiceUnavailableError: if the store is down.
        """
        if not is_session_id(session_id):
            return None
        owner = self._owner(identity)
        return self._ask(
            lambda: self._store.find(session_id, owner, now=time.time(), max_age=self._max_age)
        )

    def is_live(self, session_id: object, identity: Identity) -> bool:
        """Tell whether an identity has a session, which has not expired.

        :param session_id: the ``sid`` claim of a token, if it has one.
        :param identity: the identity of the token.
        :raises ServiceUnavailableError: if the store is down.
        """
        if not is_session_id(session_id):
            return False
        owner = self._owner(identity)
        return self._ask(
            lambda: self._store.is_live(session_id, owner, now=time.time(), max_age=self._max_age)
        )

    def list(self, identity: Identity) -> Sequence[Session]:
        """Return the sessions of an identity, most recently used first.

        :raises ServiceUnavailableError: if the store is down.
        """
        return self._ask(lambda: self._store.list_by_owner(self._owner(identity), now=time.time()))

    def end(self, session_id: str, identity: Identity, *, address: str | None) -> bool:
        """End a session, log it and send ``logged_out``; False if the identity has no such session.

        :param address: the client's address, for the log.
        :raises ServiceUnavailableError: if the store is down.
        """
        owner = self._owner(identity)
        ended = is_session_id(session_id) and self._ask(lambda: self._store.end(session_id, owner))
        if ended:
            logger.info(
                "Session %s of %r (%s) ended from %s", session_id, identity.subject, identity.idp, address
            )
            send(logged_out, subject=identity.subject, idp=identity.idp, session=session_id)
        return ended

    def end_all(self, identity: Identity) -> int:
        """End every session of an identity, log it and send ``logged_out`` for each.

        :return: the number of sessions that were ended.
        :raises ServiceUnavailableError: if the store is down.
        """
        ended = self._ask(lambda: self._store.end_all(self._owner(identity)))
        logger.info("All sessions of %r (%s) ended: %d", identity.subject, identity.idp, len(ended))
        for session_id in ended:
            send(logged_out, subject=identity.subject, idp=identity.idp, session=session_id)
        return len(ended)

    def _owner(self, identity: Identity) -> str:
        # Session.idp and Session.subject read this form. Realm and idp contain no separator, so no two
        # owners collide. A subject alone would not do: two tenants may have the same subject.
        return f"{self._realm}/{quote(identity.idp, safe=':')} {identity.subject}"

    def _ask(self, call: Callable[[], T]) -> T:
        if self._breaker.is_open and not self._breaker.admits():
            raise _store_is_down()
        try:
            result = call()
        except StoreDownError as error:
            # Only a timeout: a rejected connection costs no time, and SQLite's lock may soon be free.
            if isinstance(error, StoreTimeoutError):
                self._breaker.fail()
            if time.monotonic() - self._logged_at >= STORE_LOG_INTERVAL_SECONDS:
                self._logged_at = time.monotonic()
                logger.error("The store of API_AUTH_SESSIONS is down: %s", " ".join(str(error).split()))
            raise _store_is_down() from error
        if self._breaker.is_open:
            self._breaker.succeed()
        return result


def _store_is_down() -> ServiceUnavailableError:
    return ServiceUnavailableError("The session store is down", retry_after=STORE_RETRY_AFTER_SECONDS)


def is_session_id(value: object) -> t.TypeGuard[str]:
    """Tell whether ``value`` has the form of a session's ID. Other values need no look-up in the store."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _shorten(text: str | None, length: int) -> str | None:
    # PostgreSQL's text takes no NUL.
    return (text or "").replace("\0", "")[:length] or None

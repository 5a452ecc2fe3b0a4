"""Sessions: logins that live in a store and can be ended."""

from __future__ import annotations

import logging
import math
import re
import secrets
import time
import typing as t
import uuid

from ..errors import ServiceUnavailableError
from .store import Decision, Session, SessionStore, StoreDownError, Use, owner_of

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from ..identity import Identity

logger = logging.getLogger("flask_core_auth")

#: When a store that is down may be back, in seconds.
RETRY_AFTER = 5
#: How often a store that is down is logged, in seconds.
LOG_INTERVAL = 60
#: The longest part of a client's address and of its user agent that is kept, in characters.
MAX_ADDRESS = 64
MAX_USER_AGENT = 256
_ID = re.compile(r"[A-Za-z0-9_-]{22}")

T = t.TypeVar("T")


def open_store(url: str, *, directory: str) -> SessionStore:
    """Open the store that ``url`` names. Nothing is connected to.

    :param url: ``redis://``, ``rediss://``, ``unix://``, or a SQLAlchemy URL.
    :param directory: where a relative file of SQLite's is.
    :raises ValueError: if the URL cannot be used, or what it needs is not installed; the message says
        why, and does not quote the URL.
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

    What is younger or older than what is told by the clock of the app's own machine, which is also the one
    that its tokens expire by. Where an app runs on several, their clocks have to agree to within a small
    part of the grace.

    :param store: where they live.
    :param lifetime: how long a refresh token lives, in seconds.
    :param max_age: how long a session lives at most, in seconds.
    :param grace: how long a refresh token that was rotated still serves, in seconds.
    :param rotate: whether a refresh token serves once.
    :param always: whether protected routes ask for the session, too.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        lifetime: int,
        max_age: int,
        grace: int,
        rotate: bool,
        always: bool,
    ) -> None:
        self._store = store
        self._lifetime = lifetime
        self._max_age = max_age
        self._grace = grace
        self._logged = -math.inf
        self.rotate = rotate
        self.always = always

    def new(
        self, identity: Identity, *, address: str | None = None, user_agent: str | None = None
    ) -> Session:
        """A session that :meth:`open` has yet to put into the store.

        :param identity: whose it is.
        :param address: the client's address.
        :param user_agent: the client's user agent.
        """
        now = int(time.time())
        return Session(
            id=secrets.token_urlsafe(16),
            owner=_owner(identity),
            jti=str(uuid.uuid4()),
            previous_jti=None,
            rotated_at=None,
            created_at=now,
            last_used_at=now,
            expires_at=now + min(self._lifetime, self._max_age),
            address=_kept(address, MAX_ADDRESS),
            user_agent=_kept(user_agent, MAX_USER_AGENT),
        )

    def open(self, session: Session) -> None:
        """Put a new session into the store.

        :raises ServiceUnavailableError: if the store is down.
        """
        self._ask(lambda: self._store.open(session, now=time.time()))

    def use(self, session_id: str, jti: str) -> Decision:
        """Use a refresh token.

        :param session_id: its ``sid``.
        :param jti: its ``jti``.
        :raises ServiceUnavailableError: if the store is down.
        """
        use = Use(
            session=session_id,
            jti=jti,
            successor=str(uuid.uuid4()) if self.rotate else None,
            now=time.time(),
            grace=self._grace,
            lifetime=self._lifetime,
            max_age=self._max_age,
        )
        return self._ask(lambda: self._store.use(use))

    def is_live(self, session_id: object) -> bool:
        """Whether there is such a session.

        :param session_id: the ``sid`` of a token, if it has one.
        :raises ServiceUnavailableError: if the store is down.
        """
        if not is_session_id(session_id):
            return False
        return self._ask(lambda: self._store.is_live(session_id, now=time.time()))

    def of(self, identity: Identity) -> list[Session]:
        """The sessions of an identity, the latest used first.

        :raises ServiceUnavailableError: if the store is down.
        """
        return self._ask(lambda: self._store.of_owner(_owner(identity), now=time.time()))

    def end(self, session_id: str, identity: Identity) -> bool:
        """End a session; False if the identity has no such session.

        :raises ServiceUnavailableError: if the store is down.
        """
        owner = _owner(identity)
        return is_session_id(session_id) and self._ask(lambda: self._store.end(session_id, owner))

    def end_all(self, identity: Identity) -> list[str]:
        """End every session of an identity, and tell their IDs.

        :raises ServiceUnavailableError: if the store is down.
        """
        return self._ask(lambda: self._store.end_all(_owner(identity)))

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except StoreDownError as error:
            if time.monotonic() - self._logged >= LOG_INTERVAL:
                self._logged = time.monotonic()
                logger.error("The store of API_AUTH_SESSIONS is down: %s", " ".join(str(error).split()))
            raise ServiceUnavailableError("The session store is down", retry_after=RETRY_AFTER) from error


def is_session_id(value: object) -> t.TypeGuard[str]:
    """Whether ``value`` can be a session's ID; a store need not be asked for anything else."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _owner(identity: Identity) -> str:
    return owner_of(identity.idp, t.cast(str, identity.subject))  # who is nobody has no tokens


def _kept(text: str | None, length: int) -> str | None:
    # PostgreSQL's text takes no NUL.
    return (text or "").replace("\0", "")[:length] or None

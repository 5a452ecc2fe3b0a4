"""A session, and the protocol of a session store."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime

#: Maximum number of sessions in a list of one owner's.
MAX_LISTED = 1000
#: Maximum number of sessions that one login ends.
MAX_ENDED = 20


@dataclass(frozen=True, slots=True)
class Session:
    """One login that lasts until it is ended or expires. All times are in seconds since the epoch.

    :param id: the session's ID, the ``sid`` of its tokens.
    :param owner: the realm, percent-encoded, the identity provider and the subject: ``realm/idp subject``.
    :param jti: the ID of the refresh token in force.
    :param previous_jti: the ID of the refresh token before it; None until the first rotation.
    :param rotated_at: the time of the last rotation; None until the first rotation.
    :param created_at: the time of the login.
    :param last_used_at: the time of the last refresh.
    :param expires_at: the expiry of the session and of the refresh token in force.
    :param address: the client's address at the login.
    :param user_agent: the client's user agent at the login.
    """

    id: str
    owner: str
    jti: str
    previous_jti: str | None
    rotated_at: float | None
    created_at: int
    last_used_at: int
    expires_at: int
    address: str | None
    user_agent: str | None

    @property
    def subject(self) -> str:
        """The subject of the session's owner."""
        return self.owner.partition(" ")[2]

    @property
    def idp(self) -> str:
        """The identity provider of the session's owner, as in :class:`.Identity`."""
        return self.owner.partition(" ")[0].partition("/")[2]

    def as_json(self) -> dict[str, t.Any]:
        """Return the description for the session's owner. It leaves out the IDs of the session's tokens."""
        return {
            "id": self.id,
            "created_at": _rfc3339(self.created_at),
            "last_used_at": _rfc3339(self.last_used_at),
            "expires_at": _rfc3339(self.expires_at),
            "address": self.address,
            "user_agent": self.user_agent,
        }


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """The use of a refresh token, for a store to decide.

    :param session: the ID of the token's session.
    :param owner: the owner that the session must have.
    :param jti: the token's own ID.
    :param successor: the ID of the next token; None without rotation.
    :param now: the time of the use, in seconds since the epoch.
    :param grace: the time after a rotation in which the token before it is still accepted and no other
        rotation happens, in seconds. With 0 there is none, even if the rotation has the later time: of two
        concurrent uses, the slower one may be the earlier.
    :param lifetime: the lifetime of the next token, in seconds.
    :param max_age: the longest life of the session, in seconds.
    """

    session: str
    owner: str
    jti: str
    successor: str | None
    now: float
    grace: int
    lifetime: int
    max_age: int


class Verdict(enum.Enum):
    """The outcome of a :class:`RefreshRequest`."""

    #: The token is accepted; the decision names the token in force.
    ACCEPTED = "accepted"
    #: The session does not exist, has expired or has another owner.
    GONE = "gone"
    #: The token was rotated before; its session is ended.
    REUSED = "reused"


class Decision(t.NamedTuple):
    """A store's decision on a :class:`RefreshRequest`.

    :param verdict: the outcome.
    :param jti: the ID of the refresh token in force, if the use was accepted.
    :param expires_at: the expiry of the session in seconds since the epoch, if the use was accepted.
    """

    verdict: Verdict
    jti: str = ""
    expires_at: int = 0


class StoreDownError(Exception):
    """The store cannot be reached, or cannot complete a call; nothing was decided."""


class StoreTimeoutError(StoreDownError):
    """The store did not respond in time, so the next call would probably wait as long."""


class SessionStore(t.Protocol):
    """A store of sessions.

    Every method returns within a second or raises :exc:`StoreDownError`. A connection is made at its first
    use, in the process that uses it. The methods are safe to call from several threads.
    """

    def open(self, session: Session, *, now: float, limit: int | None) -> list[str]:
        """Add a new session. This may remove expired sessions.

        If the owner then has more than ``limit`` sessions, end those that were unused longest, at most
        :data:`MAX_ENDED`. If the new session cannot be added, no session is ended.

        :param limit: the maximum number of sessions of one owner, or None for any number.
        :return: the IDs of the live sessions that were ended.
        """

    def refresh(self, request: RefreshRequest) -> Decision:
        """Decide the use of a refresh token, in one atomic step.

        The token in force rotates, unless the last rotation is younger than the grace. The token before it
        is accepted within the grace, without a rotation. Any other token ends the session.
        """

    def is_live(self, session_id: str, owner: str, *, now: float, max_age: int) -> bool:
        """Tell whether ``owner`` has a session that has not expired and is not older than ``max_age``
        seconds."""

    def find(self, session_id: str, owner: str, *, now: float, max_age: int) -> Session | None:
        """Return the session for which :meth:`is_live` returns True; None if there is none."""

    def list_by_owner(self, owner: str, *, now: float) -> list[Session]:
        """Return the live sessions of ``owner``, most recently used first, at most :data:`MAX_LISTED`."""

    def end(self, session_id: str, owner: str) -> bool:
        """End a session; False if ``owner`` has no such session."""

    def end_all(self, owner: str) -> list[str]:
        """End every session of ``owner``, and return their IDs."""

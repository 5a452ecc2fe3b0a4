"""What a session is, and what a store of sessions does."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

#: So many sessions of one owner are listed, the latest used first.
MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """One login that lasts. All times are in seconds since the epoch.

    :param id: the session's ID, the ``sid`` of its tokens.
    :param owner: whose it is, as :func:`owner_of` writes it.
    :param jti: the ID of the refresh token that is in force.
    :param previous_jti: the ID of the one before it; None until the first rotation.
    :param rotated_at: when the one took the place of the other; None until the first rotation.
    :param created_at: when it was opened.
    :param last_used_at: when it was last refreshed.
    :param expires_at: when it ends by itself: with the refresh token that is in force.
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
        """Whose it is."""
        return self.owner.partition(" ")[2]

    @property
    def idp(self) -> str:
        """Who vouches for the subject, as in :class:`.Identity`."""
        return self.owner.partition(" ")[0]


def owner_of(idp: str, subject: str) -> str:
    """Whose a session is, as stores keep it.

    A subject alone does not tell: another tenant's may have the same one. An idp has no space in it, so
    that no two owners are written alike.
    """
    return f"{idp} {subject}"


@dataclass(frozen=True, slots=True)
class Use:
    """The use of a refresh token, as a store is asked to decide it.

    :param session: the ID of the token's session.
    :param jti: the token's own ID.
    :param successor: the ID of the token that takes its place; None where tokens are not rotated.
    :param now: the moment of the use, in seconds since the epoch.
    :param grace: how long after a rotation there is none, and the token before it serves; seconds.
    :param lifetime: how long the successor lives; seconds.
    :param max_age: how long after its opening the session ends at the latest; seconds.
    """

    session: str
    jti: str
    successor: str | None
    now: float
    grace: int
    lifetime: int
    max_age: int


class Verdict(enum.Enum):
    """What became of a :class:`Use`."""

    #: The token serves, and the one in force is the one that the answer names.
    ACCEPTED = "accepted"
    #: There is no such session, or it has expired.
    GONE = "gone"
    #: The token had been spent; its session is ended.
    REUSED = "reused"


class Decision(t.NamedTuple):
    """A store's answer to a :class:`Use`.

    :param verdict: what became of it.
    :param jti: the ID of the refresh token that is in force now, if the use was accepted.
    :param expires_at: when the session ends, in seconds since the epoch, if the use was accepted.
    """

    verdict: Verdict
    jti: str = ""
    expires_at: int = 0


class StoreDownError(Exception):
    """The store cannot be reached, or cannot do what it is asked to; nothing was decided."""


class SessionStore(t.Protocol):
    """Where sessions live.

    Every method answers within a second or raises :exc:`StoreDownError`. Connections are made when they
    are first needed, in the process that needs them. The methods are safe to call from several threads.
    """

    def open(self, session: Session, *, now: float) -> None:
        """Keep a new session. May remove some that have expired."""

    def use(self, use: Use) -> Decision:
        """Decide the use of a refresh token, in one atomic step.

        The token in force rotates, unless the last rotation is younger than the grace; the one before
        it serves within the grace, without a rotation. Any other ends the session.
        """

    def is_live(self, session_id: str, *, now: float) -> bool:
        """Whether there is such a session that has not expired."""

    def of_owner(self, owner: str, *, now: float) -> list[Session]:
        """The live sessions of ``owner``, the latest used first, at most :data:`MAX_LISTED`."""

    def end(self, session_id: str, owner: str) -> bool:
        """End a session; False if ``owner`` has no such session."""

    def end_all(self, owner: str) -> list[str]:
        """End every session of ``owner``, and tell their IDs."""

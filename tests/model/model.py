"""The API in few words: which requests succeed, and what they change. No code of the package is used."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

ACCESS_SECONDS, REFRESH_SECONDS, MAX_AGE_SECONDS, GRACE_SECONDS = 100, 1000, 2500, 10


@dataclass(frozen=True)
class Token:
    """The content of a token. Sessions and the IDs of refresh tokens are numbers."""

    use: str
    realm: str
    user: str
    password: str
    secret: str
    expires: float
    session: int
    jti: int


@dataclass
class Session:
    realm: str
    user: str
    jti: int
    created: float
    used: float
    expires: float
    previous: int | None = None
    rotated: float = 0


@dataclass(frozen=True)
class Outcome:
    """A response: its status, its tokens, a list of sessions; and the signals that were sent before."""

    status: int
    tokens: tuple[Token, ...] = ()
    sessions: tuple[int, ...] | None = None
    signals: tuple[tuple[str, int], ...] = ()


@dataclass
class Model:
    """One or more apps, each with a realm of its own, on one store.

    :param stored: whether there are sessions.
    :param exact: whether the store records the use of a token that does not rotate within the grace.
    :param users: the passwords of the configured users.
    :param secrets: the signing secret, and its fallbacks.
    """

    stored: bool
    exact: bool
    rotation: bool
    always: bool
    limit: int | None
    users: dict[str, str]
    secrets: list[str]
    now: float
    sessions: dict[int, Session] = field(default_factory=dict)
    last_number: int = 0

    def new(self) -> int:
        self.last_number += 1
        return self.last_number

    def valid(self, token: Token, use: str, realm: str) -> bool:
        named = (token.use, token.realm) == (use, realm)
        return named and token.secret in self.secrets and token.expires > self.now

    def live(self, number: int) -> Session | None:
        session = self.sessions.get(number)
        return session if session is not None and session.expires > self.now else None

    def of(self, realm: str, user: str) -> list[int]:
        """The live sessions of a user, most recently used first."""
        found = [n for n, s in self.sessions.items() if (s.realm, s.user) == (realm, user) and self.live(n)]
        return sorted(found, key=lambda n: (self.sessions[n].used, n), reverse=True)

    def end(self, numbers: t.Iterable[int], signal: str = "logged_out") -> tuple[tuple[str, int], ...]:
        return tuple((signal, number) for number in numbers if self.sessions.pop(number, None))

    def log_in(self, realm: str, user: str, password: str) -> Outcome:
        if self.users.get(user) != password:
            return Outcome(403)
        number, jti, now = self.new(), self.new(), self.now
        ended = self.end(self.of(realm, user)[self.limit - 1 :]) if self.limit else ()
        if self.stored:
            self.sessions[number] = Session(realm, user, jti, now, now, now + REFRESH_SECONDS)
        access = Token("access", realm, user, password, self.secrets[0], now + ACCESS_SECONDS, number, -1)
        refresh = replace(access, use="refresh", expires=now + REFRESH_SECONDS, jti=jti)
        return Outcome(200, (access, refresh), signals=ended)

    def refresh(self, realm: str, token: Token) -> Outcome:
        if not self.valid(token, "refresh", realm) or self.users.get(token.user) != token.password:
            return Outcome(401)
        expires = self.now + ACCESS_SECONDS
        access = replace(token, use="access", secret=self.secrets[0], jti=-1, expires=expires)
        if not self.stored:
            return Outcome(200, (access,))
        session, signals = self.live(token.session), ()
        if not session:
            return Outcome(401)
        in_grace = session.previous is not None and session.rotated > self.now - GRACE_SECONDS
        if token.jti != session.jti:
            if not (in_grace and token.jti == session.previous):
                return Outcome(401, signals=self.end([token.session], "refresh_reused"))
            signals = (("refresh_repeated", token.session),)
        if self.rotation and not in_grace:
            session.previous, session.jti, session.rotated = session.jti, self.new(), self.now
            session.expires = min(self.now + REFRESH_SECONDS, session.created + MAX_AGE_SECONDS)
        if self.exact or not (self.rotation and in_grace):
            session.used = self.now
        access = replace(access, expires=min(access.expires, session.expires))
        refresh = replace(token, secret=self.secrets[0], jti=session.jti, expires=session.expires)
        return Outcome(200, (access, refresh) if self.rotation else (access,), signals=signals)

    def protected(self, realm: str, token: Token) -> Outcome:
        checked = not (self.stored and self.always) or self.live(token.session)
        return Outcome(200 if self.valid(token, "access", realm) and checked else 401)

    def log_out(self, realm: str, token: Token) -> Outcome:
        if not any(self.valid(token, use, realm) for use in ("access", "refresh")):
            return Outcome(401)
        return Outcome(204, signals=self.end([token.session]))

    def list(self, realm: str, token: Token) -> Outcome:
        if not (self.valid(token, "access", realm) and self.live(token.session)):
            return Outcome(401)
        return Outcome(200, sessions=tuple(self.of(realm, token.user)))

    def end_one(self, realm: str, token: Token, number: int) -> Outcome:
        if not (self.valid(token, "access", realm) and self.live(token.session)):
            return Outcome(401)
        if number not in self.of(realm, token.user):
            return Outcome(404)
        return Outcome(204, signals=self.end([number]))

    def end_all(self, realm: str, token: Token) -> Outcome:
        if not (self.valid(token, "access", realm) and self.live(token.session)):
            return Outcome(401)
        return Outcome(204, signals=self.revoke(realm, token.user).signals)

    def revoke(self, realm: str, user: str) -> Outcome:
        return Outcome(0, signals=self.end(self.of(realm, user)))

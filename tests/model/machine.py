"""Requests to real apps, played against the model."""

from __future__ import annotations

import copy
import itertools
import typing as t
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from unittest import mock

from flask import Flask
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from werkzeug.test import TestResponse

from flask_core_auth import signals
from flask_core_auth.sessions import SessionStore

from ..apps import Clock, bearer, post_login
from ..forge import read
from ..sessions.app import make_session_app
from . import model
from .model import Model, Outcome, Token

PASSWORDS = ("correct horse", "battery staple")
REALMS = ("one", "one/local")
USERS = ("admin", "local admin")
SIGNALS = ("logged_out", "refresh_repeated", "refresh_reused")
_runs = itertools.count()

realms = st.sampled_from(REALMS)
users = st.sampled_from(USERS)
passwords = st.sampled_from(PASSWORDS)
#: A token: its use, which is mostly the right one, and how many have been issued after it.
refreshers = st.tuples(st.sampled_from(["refresh"] * 5 + ["access"]), st.integers(0, 7))
accessors = st.tuples(st.sampled_from(["access"] * 5 + ["refresh"]), st.integers(0, 7))
#: Whether a token is sent to the other app.
strays = st.sampled_from([False] * 5 + [True])
Pick = tuple[str, int]


@dataclass(frozen=True)
class Held:
    """A token that a client holds, and what the model knows of it."""

    text: str
    token: Token


@dataclass
class Call:
    """A request: the same one to the model and to the app."""

    to_model: Callable[[Model], Outcome]
    to_app: Callable[[], TestResponse]


class Machine(RuleBasedStateMachine):
    """Clients of two apps with different realms on one store.

    :cvar url: the URL of the store; None: no sessions.
    :cvar store: the store, opened; a restarted app takes it over.
    :cvar mismatches: what the API did otherwise than the model.
    """

    url: t.ClassVar[str | None] = None
    store: t.ClassVar[SessionStore | None] = None
    mismatches: t.ClassVar[list[str]] = []

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        # Realms of its own keep a run apart from those before it.
        self.run = next(_runs)
        self.heard: list[tuple[str, str]] = []
        self.ids: dict[int, str] = {}
        self.jtis: dict[int, str] = {}
        self.held: dict[str, list[Held]] = {"access": [], "refresh": []}
        self.undo = [mock.patch("time.time", self.clock)]
        self.undo[0].start()
        for name in SIGNALS:
            getattr(signals, name).connect(self.receivers[name])

    @property
    def receivers(self) -> dict[str, Callable[..., None]]:
        if not hasattr(self, "_receivers"):
            self._receivers = {
                name: lambda app, name=name, **values: self.heard.append((name, values["session"]))
                for name in SIGNALS
            }
        return self._receivers

    def teardown(self) -> None:
        for name, receive in self.receivers.items():
            getattr(signals, name).disconnect(receive)
        for patch in self.undo:
            patch.stop()

    @initialize(rotation=st.booleans(), always=st.booleans(), limit=st.sampled_from([None, 1, 2, 3]))
    def start(self, rotation: bool, always: bool, limit: int | None) -> None:
        stored = self.url is not None
        self.model = Model(
            stored=stored,
            exact=stored and str(self.url).startswith("redis"),
            rotation=stored and rotation,
            always=stored and always,
            limit=limit,
            users=dict.fromkeys(USERS, PASSWORDS[0]),
            secrets=["a signing secret with the number 0, long enough"],
            now=self.clock.now,
        )
        self.restart()

    def restart(self) -> None:
        self.apps: dict[str, Flask] = {}

    def app(self, realm: str) -> Flask:
        """Return the app of a realm, made at its first use. Not in a thread: CPython 3.11 cannot compile
        Werkzeug's routes in two threads at once."""
        if realm not in self.apps:
            self.apps[realm] = self.make_app(realm)
        return self.apps[realm]

    def make_app(self, realm: str) -> Flask:
        config = self.model
        users = {name: {"password": password, "scopes": ["*"]} for name, password in config.users.items()}
        app = make_session_app(
            self.url,
            REALM=f"{realm} {self.run}",
            USERS=users,
            JWT_SECRET=config.secrets[0],
            JWT_SECRET_FALLBACKS=config.secrets[1:],
            JWT_ACCESS_EXPIRES=model.ACCESS_SECONDS,
            JWT_REFRESH_EXPIRES=model.REFRESH_SECONDS,
            SESSION_MAX_AGE=model.MAX_AGE_SECONDS,
            REFRESH_GRACE=model.GRACE_SECONDS,
            SESSION_CHECK="always" if config.always else "refresh",
            REFRESH_ROTATION=config.rotation,
            SESSION_LIMIT=config.limit or "none",
            LOGIN_LIMIT="none",
        )
        if self.store is not None:
            app.extensions["core_auth"].sessions._store = self.store
        return app

    # Requests

    def play(self, *calls: Call) -> None:
        """Send requests, at the same time if there are several, and compare the responses with the model's.

        Requests that are sent at once may take effect in any order.
        """
        self.heard.clear()
        if len(calls) == 1:
            responses = [calls[0].to_app()]
        else:
            with ThreadPoolExecutor(len(calls)) as threads:
                responses = [future.result() for future in [threads.submit(call.to_app) for call in calls]]
        expected, possible = [], []
        for order in itertools.permutations(range(len(calls))):
            after = copy.deepcopy(self.model)
            outcomes = {number: calls[number].to_model(after) for number in order}
            pairs = [(outcomes[number], responses[number]) for number in range(len(calls))]
            names = self.matches(pairs)
            if names is not None:
                possible.append((after, *names, pairs))
            expected.append([outcomes[number] for number in range(len(calls))])
        if not possible:
            seen = [(response.status, response.text) for response in responses]
            self.mismatches.append(
                f"expected one of {expected}, got {seen} and {self.heard}, known {self.ids}"
            )
            raise AssertionError(self.mismatches[-1])
        # Of two sessions that were opened in the same second, the one with the lower ID counts as older.
        chosen = min(possible, key=lambda one: [name for _, name in sorted(one[1].items())])
        self.model, self.ids, self.jtis, pairs = chosen
        for held in sorted(itertools.chain.from_iterable(hold(*pair) for pair in pairs), key=age):
            self.held[held.token.use].append(held)

    def matches(
        self, pairs: list[tuple[Outcome, TestResponse]]
    ) -> tuple[dict[int, str], dict[int, str]] | None:
        """Return the names of sessions and tokens if the responses are those that the model expects."""
        ids, jtis = dict(self.ids), dict(self.jtis)
        for outcome, response in pairs:
            if outcome.status != response.status_code:
                return None
            held = hold(outcome, response)
            if outcome.tokens and len(held) != len(response.json):
                return None
            for one in held:
                claims = read(one.text)
                named = (claims["sub"], claims["usefor"], claims["exp"])
                if named != (one.token.user, one.token.use, int(one.token.expires)):
                    return None
                if (
                    self.url is not None
                    and ids.setdefault(one.token.session, claims["sid"]) != claims["sid"]
                ):
                    return None
                if (
                    one.token.use == "refresh"
                    and jtis.setdefault(one.token.jti, claims["jti"]) != claims["jti"]
                ):
                    return None
            if outcome.sessions is not None:
                listed = [session["id"] for session in response.json["sessions"]]
                if sorted(listed) != sorted(ids[number] for number in outcome.sessions):
                    return None
        if len(set(ids.values())) < len(ids) or len(set(jtis.values())) < len(jtis):
            return None
        sent = [(name, ids[number]) for outcome, _ in pairs for name, number in outcome.signals]
        # Whether the end of an expired session sends a signal depends on whether a login has removed it.
        live = {self.ids[number] for number in self.model.sessions if self.model.live(number)}
        live |= set(ids.values()) - set(self.ids.values())
        heard = [signal for signal in self.heard if signal[1] in live]
        return (ids, jtis) if sorted(sent) == sorted(heard) else None

    def log_in(self, realm: str, user: str, password: str) -> Call:
        app = self.app(realm)
        return Call(
            lambda model: model.log_in(realm, user, password),
            lambda: post_login(app, user, password),
        )

    def send(
        self, method: str, path: str, held: Held, operation: str, *more: int, stray: bool = False
    ) -> Call:
        realm = held.token.realm
        if stray:
            realm = next(other for other in REALMS if other != realm)
        app = self.app(realm)
        return Call(
            lambda model: getattr(model, operation)(realm, held.token, *more),
            lambda: app.test_client().open(path, method=method, headers=bearer(held.text)),
        )

    def refresh(self, held: Held, *, stray: bool = False) -> Call:
        return self.send("GET", "/api/login/refresh", held, "refresh", stray=stray)

    def log_out(self, held: Held) -> Call:
        return self.send("POST", "/api/logout", held, "log_out")

    def pick(self, pick: Pick) -> Held:
        use, age = pick
        return self.held[use][-1 - age % len(self.held[use])]

    def has_tokens(self) -> bool:
        return bool(self.held["access"] and self.held["refresh"])

    def has_sessions(self) -> bool:
        return self.url is not None and self.has_tokens()

    # Rules: in most, the request comes a second later, so that no two sessions are unused equally long.

    @rule(realm=realms, user=users, password=passwords)
    def client_logs_in(self, realm: str, user: str, password: str) -> None:
        self.wait(1)
        self.play(self.log_in(realm, user, password))

    @rule(realm=realms, user=users, password=passwords)
    def two_clients_log_in_at_once(self, realm: str, user: str, password: str) -> None:
        self.wait(1)
        self.play(self.log_in(realm, user, password), self.log_in(realm, user, password))

    @precondition(has_tokens)
    @rule(pick=refreshers, stray=strays)
    def client_refreshes(self, pick: Pick, stray: bool) -> None:
        self.wait(1)
        self.play(self.refresh(self.pick(pick), stray=stray))

    @precondition(has_tokens)
    @rule(one=refreshers, other=st.integers(0, 3))
    def two_clients_refresh_a_session_at_once(self, one: Pick, other: int) -> None:
        self.wait(1)
        held = self.pick(one)
        same = [each for each in self.held["refresh"] if each.token.session == held.token.session]
        self.play(self.refresh(held), self.refresh(same[-1 - other % len(same)]))

    @precondition(has_sessions)
    @rule(one=refreshers, other=refreshers)
    def client_refreshes_while_another_logs_out(self, one: Pick, other: Pick) -> None:
        self.wait(1)
        self.play(self.refresh(self.pick(one)), self.log_out(self.pick(other)))

    @precondition(has_tokens)
    @rule(pick=accessors, stray=strays)
    def client_calls_a_protected_route(self, pick: Pick, stray: bool) -> None:
        self.play(self.send("GET", "/who", self.pick(pick), "protected", stray=stray))

    @precondition(has_sessions)
    @rule(pick=refreshers)
    def client_logs_out(self, pick: Pick) -> None:
        self.play(self.log_out(self.pick(pick)))

    @precondition(has_sessions)
    @rule(pick=accessors)
    def client_lists_its_sessions(self, pick: Pick) -> None:
        self.play(self.send("GET", "/api/sessions", self.pick(pick), "list"))

    @precondition(has_sessions)
    @rule(pick=accessors, other=accessors)
    def client_ends_a_session(self, pick: Pick, other: Pick) -> None:
        number = self.pick(other).token.session
        if number in self.model.sessions and not self.model.live(number):
            return  # it has expired: a login may have removed it
        path = f"/api/sessions/{self.ids[number]}"
        self.play(self.send("DELETE", path, self.pick(pick), "end_one", number))

    @precondition(has_sessions)
    @rule(pick=accessors)
    def client_ends_its_sessions(self, pick: Pick) -> None:
        self.play(self.send("DELETE", "/api/sessions", self.pick(pick), "end_all"))

    # What the app and its operator do

    @precondition(has_sessions)
    @rule(realm=realms, user=users)
    def app_revokes_the_sessions_of_a_user(self, realm: str, user: str) -> None:
        live, stored = len(self.model.of(realm, user)), len(self.model.sessions)

        def revoke() -> TestResponse:
            with self.app(realm).app_context():
                ended = self.app(realm).blueprints["core_auth"].revoke(user)  # type: ignore[attr-defined]
            # Sessions that have expired may count.
            assert live <= ended <= stored, f"expected one of {live} to {stored}, got {ended}"
            return mock.Mock(status_code=0, json={})

        self.play(Call(lambda model: model.revoke(realm, user), revoke))

    @rule(user=users)
    def operator_removes_a_user(self, user: str) -> None:
        self.model.users.pop(user, None)
        self.restart()

    @rule(user=users, password=passwords)
    def operator_adds_a_user_or_changes_a_password(self, user: str, password: str) -> None:
        self.model.users[user] = password
        self.restart()

    @rule(fallbacks=st.integers(0, 2))
    def operator_changes_the_secret(self, fallbacks: int) -> None:
        number = int(self.model.secrets[0].split()[-3].rstrip(",")) + 1
        secret = f"a signing secret with the number {number}, long enough"
        self.model.secrets = [secret, *self.model.secrets[:fallbacks]]
        self.restart()

    @rule()
    def operator_switches_rotation(self) -> None:
        self.model.rotation = self.url is not None and not self.model.rotation
        self.restart()

    @rule(seconds=st.sampled_from([1, 8, 9, 10, 11, 60, 99, 100, 500, 999, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.wait(seconds)

    def wait(self, seconds: int) -> None:
        self.clock.move(seconds)
        self.model.now = self.clock.now


def age(held: Held) -> tuple[int, int]:
    return held.token.session, held.token.jti


def hold(outcome: Outcome, response: TestResponse) -> list[Held]:
    """Pair the tokens of a response with those that the model expects."""
    names = {token.use: token for token in outcome.tokens}
    texts = response.json or {} if outcome.tokens else {}
    return [Held(texts[f"{use}_token"], token) for use, token in names.items() if f"{use}_token" in texts]

"""Clients that send a mix of all requests, and each know which sessions they must have."""

from __future__ import annotations

import collections
import random
import threading
import time
import typing as t
import uuid
from collections.abc import Callable

from ..apps import PASSWORD
from ..forge import forge, read
from ..sessions.load import Caller
from ..tenant import Tenant
from .served import LIMIT

#: The statuses that a fault excuses. A request that may be repeated is repeated until it has another one.
EXCUSED = (0, 503)


class Client(threading.Thread):
    """A user who opens, uses and ends sessions, until it is stopped.

    :param caller: calls the server.
    :param login: sends a login, and returns its status and its tokens.
    """

    def __init__(self, caller: Caller, login: Callable[[], tuple[int, t.Any]]) -> None:
        super().__init__(daemon=True)
        self.caller = caller
        self.login = login
        self.stopped = threading.Event()
        #: The tokens of the sessions that the user must have, least recently used first.
        self.live: dict[str, dict[str, str]] = {}
        self.ended: collections.deque[dict[str, str]] = collections.deque(maxlen=20)
        self.statuses: collections.Counter[tuple[str, int]] = collections.Counter()
        self.wrong: list[str] = []
        self.actions = (
            *(self.log_in, self.log_in, self.log_out, self.log_out),
            *([self.refresh] * 4 + [self.call] * 12),
            *(self.list, self.end_others, self.send_wrong_tokens, self.use_ended),
        )

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                (random.choice(self.actions) if self.live else self.log_in)()
            except Exception as error:  # a thread's exception would be lost
                self.wrong.append(repr(error))
        self.compare()

    def send(
        self,
        name: str,
        expected: int,
        method: str,
        path: str,
        token: str | None = None,
        body: object = None,
    ) -> t.Any:
        """Send a request until no fault excuses its response, and count it."""
        return self.insist(name, expected, lambda: self.caller.call(method, path, token, body))

    def insist(self, name: str, expected: int, call: Callable[[], tuple[int, t.Any]]) -> t.Any:
        repeated = False
        while True:
            status, data = call()
            self.statuses[name, status] += 1
            if status not in EXCUSED:
                break
            repeated = True
            time.sleep(0.1)
        # A request without a response may have taken effect: there is nothing left to end.
        if status != expected and not (repeated and (expected, status) == (204, 404)):
            self.wrong.append(f"{name}: {status} instead of {expected}, {data}")
        return data

    # What the client does

    def log_in(self) -> None:
        before = self.statuses["login", 0] + self.statuses["login", 503]
        tokens = self.insist("login", 200, self.login)
        self.live[read(tokens["access_token"])["sid"]] = tokens
        excused = self.statuses["login", 0] + self.statuses["login", 503] > before
        if excused or len(self.live) > LIMIT:
            self.adopt()

    def adopt(self) -> None:
        """Find out which sessions a login has ended, and end those that an excused login has opened."""
        listed = self.list_ids()
        for unknown in listed - set(self.live):
            self.send("end one", 204, "DELETE", f"/api/sessions/{unknown}", self.newest())
        kept = listed & set(self.live)
        for session in [session for session in self.live if session not in kept]:
            self.ended.append(self.live.pop(session))

    def newest(self) -> str:
        return self.live[[*self.live][-1]]["access_token"]

    def list_ids(self) -> set[str]:
        listed = self.send("list", 200, "GET", "/api/sessions", self.newest())
        if len(listed["sessions"]) > LIMIT:
            self.wrong.append(f"{len(listed['sessions'])} sessions")
        return {session["id"] for session in listed["sessions"]}

    def pick(self) -> str:
        return random.choice([*self.live])

    def refresh(self) -> None:
        session = self.pick()
        tokens = self.live.pop(session)
        self.live[session] = self.send("refresh", 200, "GET", "/api/login/refresh", tokens["refresh_token"])

    def call(self) -> None:
        """Call a protected route with a token that the server has never seen, like one just issued."""
        claims = read(self.live[self.pick()]["access_token"])
        token = forge({**claims, "jti": str(uuid.uuid4()), "exp": int(time.time()) + 600})
        self.send("protected", 200, "GET", "/who", token)

    def log_out(self) -> None:
        tokens = self.live.pop(self.pick())
        use = random.choice(("access_token", "refresh_token"))
        self.send("logout", 204, "POST", "/api/logout", tokens[use])
        self.ended.append(tokens)

    def list(self) -> None:
        if self.list_ids() != set(self.live):
            self.wrong.append("the list is wrong")

    def end_others(self) -> None:
        mine, *others = self.live
        for other in others[:1]:
            self.send("end one", 204, "DELETE", f"/api/sessions/{other}", self.live[mine]["access_token"])
            self.ended.append(self.live.pop(other))

    def send_wrong_tokens(self) -> None:
        tokens = self.live[self.pick()]
        for token in (tokens["refresh_token"], tokens["access_token"] + "A", "x.y.z", "x" * 7000):
            self.send("wrong token", 401, "GET", "/who", token)
        self.send("wrong token", 401, "GET", "/api/login/refresh", tokens["access_token"])
        body = {"username": "client 0", "password": "wrong"}
        self.send("wrong password", 403, "POST", "/api/login", body=body)

    def use_ended(self) -> None:
        if self.ended:
            tokens = random.choice(self.ended)
            self.send("ended", 401, "GET", "/who", tokens["access_token"])
            self.send("ended", 401, "GET", "/api/login/refresh", tokens["refresh_token"])

    def compare(self) -> None:
        """Compare the sessions in the store with those that the user must have."""
        if self.live and self.list_ids() != set(self.live):
            self.wrong.append("the sessions at the end are wrong")


def make_clients(caller: Caller, users: t.Iterable[str], tenant: Tenant) -> list[Client]:
    """Make a client for each configured user, and one for the user of a tenant."""

    def with_password(user: str) -> Callable[[], tuple[int, t.Any]]:
        body = {"username": user, "password": PASSWORD}
        return lambda: caller.call("POST", "/api/login", body=body)

    logins = [*map(with_password, users), lambda: caller.call("POST", "/api/login", tenant.token())]
    return [Client(caller, login) for login in logins]

"""Clients that log in, refresh and log out without a pause, and remember what they were told."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import typing as t

from .app import PASSWORD, bearer

#: How long a client tries again what was not answered, in seconds ...
PATIENCE = 60
#: ... and how long a spent token then serves: a refresh whose answer was lost is tried again with it.
GRACE = 2 * PATIENCE


class Caller:
    """Calls one server.

    :param port: its port on this machine.
    """

    def __init__(self, port: int) -> None:
        self.port = port

    def call(
        self, method: str, path: str, token: str | None = None, body: object = None
    ) -> tuple[int, t.Any]:
        """The status and the JSON of an answer; status 0 if there was none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = bearer(token) if token else {}
        try:
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()

    def insist(
        self, method: str, path: str, token: str | None = None, body: object = None
    ) -> tuple[int, t.Any]:
        """Call until there is an answer other than 503."""
        end = time.monotonic() + PATIENCE
        while True:
            status, answer = self.call(method, path, token, body)
            if status not in (0, 503) or time.monotonic() > end:
                return status, answer
            time.sleep(0.05)


class Client(threading.Thread):
    """One client, with one session after the other."""

    def __init__(self, caller: Caller) -> None:
        super().__init__(daemon=True)
        self.caller = caller
        self.stopped = threading.Event()
        #: The tokens of the sessions that were ended, and that an answer confirmed.
        self.ended: list[dict[str, str]] = []
        #: The tokens of those that were not.
        self.live: list[dict[str, str]] = []
        #: Answers that there must not be.
        self.wrong: list[tuple[str, int]] = []

    @property
    def done(self) -> int:
        """How many sessions it is done with."""
        return len(self.ended) + len(self.live)

    def run(self) -> None:
        credentials = {"username": "admin", "password": PASSWORD}
        while not self.stopped.is_set():
            status, tokens = self.caller.insist("POST", "/api/login", body=credentials)
            if status != 200:
                self.wrong.append(("login", status))
                continue
            for _ in range(random.randrange(4)):
                status, answer = self.caller.insist("GET", "/api/login/refresh", tokens["refresh_token"])
                if status == 200:
                    tokens = answer
                else:
                    self.wrong.append(("refresh", status))
            if random.random() < 0.5:
                self.live.append(tokens)
                continue
            status, _ = self.caller.insist("POST", "/api/logout", tokens["refresh_token"])
            if status == 204:
                self.ended.append(tokens)
            else:
                self.wrong.append(("logout", status))

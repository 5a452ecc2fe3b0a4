"""Clients that log in, refresh and log out without a pause, and remember the responses."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import typing as t

from ..apps import PASSWORD, USERNAME, bearer

#: The time for which a client repeats a request without a response.
PATIENCE_SECONDS = 120
#: The grace of a rotated refresh token: after a lost response, a client repeats the refresh.
GRACE_SECONDS = 2 * PATIENCE_SECONDS


class Caller:
    """Send requests to one server.

    :param port: its port on this machine.
    """

    def __init__(self, port: int) -> None:
        self.port = port

    def call(
        self, method: str, path: str, token: str | None = None, body: object = None
    ) -> tuple[int, t.Any]:
        """Return the status and the JSON of the response; without a response, status 0."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS / 2)
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
        """Repeat a request until its response is not a 503."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            status, data = self.call(method, path, token, body)
            if status not in (0, 503) or time.monotonic() > end:
                return status, data
            time.sleep(0.05)


class Client(threading.Thread):
    """A client that opens one session after another."""

    def __init__(self, caller: Caller) -> None:
        super().__init__(daemon=True)
        self.caller = caller
        self.stopped = threading.Event()
        #: The tokens of sessions with a successful logout.
        self.ended: list[dict[str, str]] = []
        #: The tokens of the other sessions.
        self.live: list[dict[str, str]] = []
        #: Unexpected responses.
        self.wrong: list[tuple[str, int]] = []

    @property
    def done(self) -> int:
        """The number of sessions that the client has finished."""
        return len(self.ended) + len(self.live)

    def run(self) -> None:
        credentials = {"username": USERNAME, "password": PASSWORD}
        while not self.stopped.is_set():
            status, tokens = self.caller.insist("POST", "/api/login", body=credentials)
            if status != 200:
                self.wrong.append(("login", status))
                continue
            for _ in range(random.randrange(4)):
                status, refreshed = self.caller.insist("GET", "/api/login/refresh", tokens["refresh_token"])
                if status == 200:
                    tokens = refreshed
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

"""Clients that send requests without a pause, and count the responses."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator

from ..gunicorn import STUCK_SECONDS
from ..sessions.load import Caller


class Poller(threading.Thread):
    """Repeats one request.

    :param token: the bearer token of the request, if any.
    :ivar statuses: counts the responses by status; a request without a response has status 0.
    """

    def __init__(self, caller: Caller, method: str, path: str, token: str | None = None) -> None:
        super().__init__(daemon=True)
        self.statuses: Counter[int] = Counter()
        self.stopped = threading.Event()
        self._request = (method, path)
        self._token = token
        self._caller = caller
        self._times: list[float] = []

    def run(self) -> None:
        while not self.stopped.is_set():
            began = time.monotonic()
            self.send()
            self._times.append(time.monotonic() - began)

    def send(self) -> None:
        status, _ = self._caller.call(*self._request, self._token)
        self.statuses[status] += 1

    @property
    def count(self) -> int:
        """The number of responses."""
        return len(self._times)

    def median(self, begin: int = 0) -> float:
        """The median time for a response in milliseconds, from the response with number ``begin`` on."""
        return 1000 * statistics.median(self._times[begin:] or [float("nan")])


class Refresher(Poller):
    """Refreshes a session, and keeps its newest tokens."""

    def __init__(self, caller: Caller, tokens: dict[str, str]) -> None:
        super().__init__(caller, "GET", "/api/login/refresh")
        self.tokens = tokens

    def send(self) -> None:
        status, refreshed = self._caller.call(*self._request, self.tokens["refresh_token"])
        self.statuses[status] += 1
        if status == 200:
            self.tokens = {**self.tokens, **refreshed}


@contextlib.contextmanager
def running(*pollers: Poller) -> Iterator[None]:
    """Run pollers, and wait for their last responses."""
    for poller in pollers:
        poller.start()
    try:
        yield
    finally:
        for poller in pollers:
            poller.stopped.set()
        for poller in pollers:
            poller.join(STUCK_SECONDS)
            assert not poller.is_alive()

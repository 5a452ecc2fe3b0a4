"""The bound on concurrent password checks: hashes take much CPU time and memory, so a storm of logins must
not slow down other requests."""

from __future__ import annotations

import contextlib
import threading
import typing as t
from collections import Counter

from .errors import ServiceUnavailableError
from .throttle import networks

if t.TYPE_CHECKING:
    from collections.abc import Iterator

#: The Retry-After of a login past the bound.
BUSY_RETRY_AFTER_SECONDS = 1


class PasswordChecks:
    """Bounds the password checks that run at a time in this process.

    One client address may use at most half of them, so that it alone cannot lock out the others.

    :param limit: maximum number of checks at a time, or None for no bound.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, address: str | None) -> Iterator[None]:
        """Run one check within the bound.

        :param address: the client's address; addresses of one IPv6 /64 count as one.
        :raises ServiceUnavailableError: over the bound, before anything runs.
        """
        if self._limit is None:
            yield
            return
        network = next(iter(networks(address)), "")
        with self._lock:
            if self._running.total() >= self._limit or self._running[network] >= max(1, self._limit // 2):
                raise ServiceUnavailableError(
                    "Too many logins at a time, try again later", retry_after=BUSY_RETRY_AFTER_SECONDS
                )
            self._running[network] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[network] -= 1
                if not self._running[network]:
                    del self._running[network]

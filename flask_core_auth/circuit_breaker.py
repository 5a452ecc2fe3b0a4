"""The circuit breaker between the app and a service that may be down.

A failing service is left alone for a pause, so that requests do not wait for it one after the other.
"""

from __future__ import annotations

import math
import threading
import time


class CircuitBreaker:
    """Leaves a service alone after a failure. After the pause, one caller tries the service.

    The breaker is open from a failure to the next success. Callers read :attr:`is_open` first: usually
    there is nothing else to do.

    :param pause: the pause after a failure, in seconds.
    :param longest: the longest pause, in seconds. Each failure in a row doubles the pause up to this
        length. With None, all pauses are equal. A failure that comes later than this after a pause begins a
        new row.
    """

    def __init__(self, pause: float, *, longest: float | None = None) -> None:
        self._first = self._next = pause
        self._longest = pause if longest is None else longest
        self._lock = threading.Lock()
        self._ends_at = -math.inf
        #: Whether the service has failed since its last success.
        self.is_open = False

    def admits(self) -> bool:
        """Tell whether the caller may call the service; it then reports the outcome.

        While the breaker is open, this is True for one caller a pause. A caller that never reports thus
        locks out the others for one more pause only.
        """
        if not self.is_open:
            return True
        with self._lock:
            if self.seconds_left():
                return False
            self._ends_at = time.monotonic() + self._next
            return True

    def seconds_left(self) -> float:
        """Return the rest of the pause in seconds; 0 if the service may be called."""
        return max(0.0, self._ends_at - time.monotonic()) if self.is_open else 0.0

    def fail(self) -> None:
        """Report that a call has failed. The pause begins."""
        now = time.monotonic()
        with self._lock:
            if now - self._ends_at > self._longest:  # long ago, nothing to do with this failure
                self._next = self._first
            self.is_open = True
            self._ends_at = now + self._next
            self._next = min(2 * self._next, self._longest)

    def succeed(self) -> None:
        """Report that a call has succeeded."""
        if self.is_open:
            with self._lock:
                self.is_open = False
                self._next = self._first

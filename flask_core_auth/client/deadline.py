"""The time that a login or a refresh may take as a whole."""

from __future__ import annotations

import math
import time
import typing as t

import httpx2


class ShrinkingTimeout:
    """A timeout that becomes shorter as time passes, from its first use on.

    httpx2 hands a timeout to each read and write, so that a response that arrives byte by byte never times
    out. This object is evaluated anew each time: a socket takes its integer, an event loop adds it to now.

    :param seconds: the time from the first use to the deadline.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: float | None = None

    def remaining(self) -> float:
        """Return the time to the deadline in seconds, 0.0 after the deadline."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._seconds
        return max(0.0, self._end - now)

    def __index__(self) -> int:
        # Rounded up: a socket takes no fractions from an object, and does not wait at all with a 0.
        seconds = math.ceil(self.remaining())
        if not seconds:
            raise TimeoutError("timed out")
        return seconds

    def __float__(self) -> float:
        return self.remaining()

    def __radd__(self, now: float) -> float:
        return now + self.remaining()

    def __lt__(self, other: float) -> bool:
        return self.remaining() < other

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._seconds})"


def token_timeouts(timeout: float | httpx2.Timeout | None) -> dict[str, t.Any]:
    """Return the timeouts of a login or a refresh that starts now, as httpx2 takes them from a request.

    :param timeout: seconds for all of it. Each part of an :class:`httpx2.Timeout` limits one phase as a
        whole: to connect, to send the request, to read the response. ``None`` is no limit.
    """
    parts = httpx2.Timeout(timeout).as_dict()
    deadlines: dict[str, t.Any] = {
        phase: None if seconds is None else ShrinkingTimeout(seconds) for phase, seconds in parts.items()
    }
    if isinstance(timeout, int | float):
        whole = ShrinkingTimeout(timeout)
        whole.remaining()
        deadlines = dict.fromkeys(parts, whole)
    # A lock takes this timeout, which waits once and needs no deadline.
    return {**deadlines, "pool": parts["pool"]}

"""Processes that refresh one session at once, like the workers of a server for a page with many tabs."""

from __future__ import annotations

import random
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from flask import Flask

from ..apps import refresh
from ..forge import read
from ..limits import extend_limits
from ..tether import tether
from .app import make_session_app

if t.TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

PROCESSES = 4
THREADS = 8
STRAGGLERS = 2  # in each process
GRACE_SECONDS = 10
#: The largest difference between the clocks of two processes.
DRIFT_SECONDS = 0.5


@dataclass(frozen=True)
class Round:
    """A round for one process.

    :param token: the refresh token that all processes use at the same moment, and the stragglers later.
    :param now: the time, in seconds since the epoch. It stands still during the round: the grace must not
        end because the machine is slow.
    """

    token: str
    now: float


@dataclass(frozen=True)
class Result:
    """The result of a round: for each refresh, the status and the ``jti`` of the new refresh token."""

    together: list[tuple[int, str]]
    late: list[tuple[int, str]]
    token: str


def work(
    parent: int, sessions: str, rounds: Queue[Round | None], results: Queue[Result], barrier: Barrier
) -> None:
    """Run rounds in this process until the inbox holds None."""
    tether(parent)
    extend_limits()
    now = 0.0
    time.time = lambda: now
    app = make_session_app(sessions, REFRESH_ROTATION=True, REFRESH_GRACE=GRACE_SECONDS)
    start = threading.Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as threads:
        while (round_ := rounds.get()) is not None:
            now = round_.now + random.uniform(0, DRIFT_SECONDS)
            token = round_.token

            def at_once(_: int, token: str = token) -> tuple[int, str, str]:
                start.wait()
                return _refresh(app, token)

            barrier.wait()
            together = list(threads.map(at_once, range(THREADS)))
            # The stragglers come after all responses, at any time in the rest of the grace.
            barrier.wait()
            now = round_.now + random.uniform(DRIFT_SECONDS, GRACE_SECONDS - 0.01)
            late = [_refresh(app, token) for _ in range(STRAGGLERS)]
            results.put(Result([one[:2] for one in together], [one[:2] for one in late], together[0][2]))


def _refresh(app: Flask, token: str) -> tuple[int, str, str]:
    response = refresh(app, token)
    if response.status_code != 200:
        return response.status_code, response.text, ""
    new = response.json["refresh_token"]  # type: ignore[index]
    return 200, read(new)["jti"], new

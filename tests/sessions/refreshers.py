"""Processes that refresh one session all at once, as a server's workers do for a page with many tabs."""

from __future__ import annotations

import random
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from flask import Flask

from ..tether import tether
from .app import claims, make_session_app, refresh
from .limits import take_time

if t.TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

PROCESSES = 4
THREADS = 8
STRAGGLERS = 2  # in each process
GRACE = 10
#: How far the clocks of the processes are apart at most, in seconds.
DRIFT = 0.5


@dataclass(frozen=True)
class Round:
    """What one process is told to do.

    :param token: the refresh token that all of them use at the same moment, and the stragglers later.
    :param now: the time, in seconds since the epoch. It stands still while they are at it: the grace must
        not run out because the machine is slow.
    """

    token: str
    now: float


@dataclass(frozen=True)
class Result:
    """What became of it: for each refresh its status, and the ``jti`` that it was answered with."""

    together: list[tuple[int, str]]
    late: list[tuple[int, str]]
    token: str


def work(
    parent: int, sessions: str, rounds: Queue[Round | None], results: Queue[Result], barrier: Barrier
) -> None:
    """Run rounds until there are no more; one process of several."""
    tether(parent)
    take_time()
    now = 0.0
    time.time = lambda: now
    app = make_session_app(sessions, REFRESH_ROTATION=True, REFRESH_GRACE=GRACE)
    start = threading.Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as threads:
        while (round_ := rounds.get()) is not None:
            now = round_.now + random.uniform(0, DRIFT)
            token = round_.token

            def at_once(_: int, token: str = token) -> tuple[int, str, str]:
                start.wait()
                return _refresh(app, token)

            barrier.wait()
            together = list(threads.map(at_once, range(THREADS)))
            # The late ones come when all have been answered, anywhere within the rest of the grace.
            barrier.wait()
            now = round_.now + random.uniform(DRIFT, GRACE - 0.01)
            late = [_refresh(app, token) for _ in range(STRAGGLERS)]
            results.put(Result([one[:2] for one in together], [one[:2] for one in late], together[0][2]))


def _refresh(app: Flask, token: str) -> tuple[int, str, str]:
    response = refresh(app.test_client(), token)
    if response.status_code != 200:
        return response.status_code, response.text, ""
    new = response.json["refresh_token"]  # type: ignore[index]
    return 200, claims(new)["jti"], new

"""gunicorn, serving one of the tests' apps from processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .sessions.load import Caller
from .sessions.servers import free_port
from .tether import tethered

#: The time after which a server counts as stuck: far more than a slow machine needs.
STUCK_SECONDS = 120


def until(done: Callable[[], bool]) -> float:
    """Wait for a condition, and return how long it took, in seconds."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() < began + STUCK_SECONDS
        time.sleep(0.02)
    return time.monotonic() - began


class Gunicorn:
    """A gunicorn with threads, whose master has loaded the app before it forked the workers.

    :param app: the app, as ``module:name``.
    :param ready: a route that responds with 200 once the server is up.
    :param environ: environment variables, in addition to those of this process.
    :ivar caller: sends requests to it.
    """

    def __init__(self, app: str, *, ready: str, workers: int, threads: int, **environ: str) -> None:
        self.caller = Caller(free_port())
        self.process = subprocess.Popen(
            tethered(
                *(sys.executable, "-m", "gunicorn", "--preload", f"--workers={workers}"),
                *(f"--threads={threads}", f"--bind=127.0.0.1:{self.caller.port}", "--log-level=error", app),
            ),
            env={**os.environ, **environ},
            cwd=Path(__file__).parents[1],
        )
        try:
            until(lambda: self.caller.call("GET", ready)[0] == 200)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STUCK_SECONDS)
        finally:
            self.process.kill()

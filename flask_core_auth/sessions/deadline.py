"""Waiting for a call no longer than so many seconds, whatever it waits for itself."""

from __future__ import annotations

import threading
import typing as t
from concurrent.futures import Future
from queue import SimpleQueue

if t.TYPE_CHECKING:
    from collections.abc import Callable

T = t.TypeVar("T")


class Deadline:
    """Runs calls in threads of its own, and gives up those that take too long.

    The threads are daemons (those of :class:`concurrent.futures.ThreadPoolExecutor` are not): one that is
    stuck does not keep the process from ending.

    :param seconds: how long a call may take, its wait for a free thread included.
    :param threads: how many calls run at a time.
    """

    def __init__(self, seconds: float, *, threads: int) -> None:
        self._seconds = seconds
        self._jobs: SimpleQueue[tuple[Future[t.Any], Callable[[], t.Any]]] = SimpleQueue()
        self._unstarted = threads
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()

    def run(self, call: Callable[[], T]) -> T:
        """Return or raise what ``call`` does.

        A call that is given up may still take effect later, unless it has not begun.

        :raises TimeoutError: if it is not done in time.
        """
        future: Future[T] = Future()
        if not self._idle.acquire(blocking=False):
            self._start_thread()
        self._jobs.put((future, call))
        try:
            return future.result(self._seconds)
        except TimeoutError:
            future.cancel()
            raise

    def _start_thread(self) -> None:
        with self._lock:
            if not self._unstarted:
                return
            self._unstarted -= 1
        try:
            threading.Thread(target=self._work, name="flask_core_auth sessions", daemon=True).start()
        except RuntimeError as error:  # the system has no more threads for now
            with self._lock:
                self._unstarted += 1
            raise TimeoutError(str(error)) from error

    def _work(self) -> None:
        while True:
            future, call = self._jobs.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # it is the caller's
                    future.set_exception(error)
            # What a call returned or raised must not live on until the next one.
            del future, call
            self._idle.release()

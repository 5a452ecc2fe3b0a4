"""A time limit for calls that have none of their own."""

from __future__ import annotations

import threading
import typing as t
from concurrent.futures import Future
from queue import SimpleQueue

if t.TYPE_CHECKING:
    from collections.abc import Callable

T = t.TypeVar("T")


class Deadline:
    """Runs calls in threads of its own, and abandons calls that take too long.

    The threads are daemons, unlike the threads of :class:`concurrent.futures.ThreadPoolExecutor`: a thread
    that is stuck does not keep the process from ending.

    :param seconds: the time limit of a call, its wait for a free thread included.
    :param threads: maximum number of calls at the same time.
    """

    def __init__(self, seconds: float, *, threads: int) -> None:
        self._seconds = seconds
        self._jobs: SimpleQueue[tuple[Future[t.Any], Callable[[], t.Any]]] = SimpleQueue()
        self._unstarted = threads
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()

    def run(self, call: Callable[[], T]) -> T:
        """Return the result of ``call``, or raise its exception.

        An abandoned call may still take effect later, if it had begun.

        :raises TimeoutError: if the call is not done in time.
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
        except RuntimeError as error:  # the system has no free thread
            with self._lock:
                self._unstarted += 1
            raise TimeoutError(str(error)) from error

    def _work(self) -> None:
        while True:
            future, call = self._jobs.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # raised again by the caller's result()
                    future.set_exception(error)
            # Otherwise the result of a call would stay in memory until the next call.
            del future, call
            self._idle.release()

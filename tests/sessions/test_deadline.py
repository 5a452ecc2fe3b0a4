"""The time limit of calls to a database."""

from __future__ import annotations

import threading

import pytest

from flask_core_auth.sessions.deadline import Deadline


def test_result_and_exception_of_a_call_reach_its_caller() -> None:
    deadline = Deadline(60, threads=1)
    assert deadline.run(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        deadline.run(lambda: 1 / 0)
    with pytest.raises(SystemExit):
        deadline.run(exit)
    assert deadline.run(lambda: 43) == 43


def test_call_past_its_time_limit_raises_timeout_error_and_frees_its_thread() -> None:
    deadline = Deadline(0.1, threads=1)
    release = threading.Event()
    with pytest.raises(TimeoutError):
        deadline.run(release.wait)  # it has no time limit of its own
    release.set()
    deadline._seconds = 60
    assert deadline.run(lambda: 42) == 42


def test_abandoned_call_that_had_not_begun_never_runs() -> None:
    deadline = Deadline(120, threads=1)
    began, release, ran = threading.Event(), threading.Event(), threading.Event()

    def block() -> None:
        began.set()
        release.wait()

    caller = threading.Thread(target=deadline.run, args=(block,))
    caller.start()
    assert began.wait(60)
    deadline._seconds = 0.1
    with pytest.raises(TimeoutError):
        deadline.run(ran.set)
    release.set()
    caller.join()
    deadline._seconds = 60
    assert deadline.run(lambda: 42) == 42
    assert not ran.is_set()


def test_calls_share_at_most_the_given_number_of_threads() -> None:
    deadline = Deadline(120, threads=3)
    names: set[str | int] = set()
    together = threading.Barrier(3)

    def call() -> None:
        names.add(threading.get_ident())
        together.wait(60)

    callers = [threading.Thread(target=deadline.run, args=(call,)) for _ in range(9)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(names) == 3


def test_threads_do_not_keep_the_process_from_ending() -> None:
    deadline = Deadline(0.01, threads=1)
    release = threading.Event()
    with pytest.raises(TimeoutError):
        deadline.run(release.wait)
    threads = [thread for thread in threading.enumerate() if thread.name == "flask_core_auth sessions"]
    assert threads
    assert all(thread.daemon for thread in threads)
    release.set()

from __future__ import annotations

import threading

import pytest

from flask_core_auth.sessions.deadline import Deadline


def test_call_returns_what_it_returns_and_raises_what_it_raises() -> None:
    deadline = Deadline(60, threads=1)
    assert deadline.run(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        deadline.run(lambda: 1 / 0)
    with pytest.raises(SystemExit):
        deadline.run(exit)
    assert deadline.run(lambda: 43) == 43


def test_call_that_takes_too_long_is_given_up_and_the_thread_goes_on() -> None:
    deadline = Deadline(0.1, threads=1)
    release = threading.Event()
    with pytest.raises(TimeoutError):
        deadline.run(release.wait)  # for ever, otherwise
    release.set()
    deadline._seconds = 60
    assert deadline.run(lambda: 42) == 42


def test_call_that_was_given_up_before_it_began_does_not_run() -> None:
    deadline = Deadline(0.1, threads=1)
    release, ran = threading.Event(), threading.Event()
    for call in (release.wait, ran.set):
        with pytest.raises(TimeoutError):
            deadline.run(call)
    release.set()
    deadline._seconds = 60
    assert deadline.run(lambda: 42) == 42
    assert not ran.is_set()


def test_calls_run_at_a_time_in_no_more_threads_than_there_may_be() -> None:
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
    ours = [thread for thread in threading.enumerate() if thread.name == "flask_core_auth sessions"]
    assert ours
    assert all(thread.daemon for thread in ours)
    release.set()

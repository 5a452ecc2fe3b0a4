"""The pauses of a circuit breaker, and who tries the service after one."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_core_auth.circuit_breaker import CircuitBreaker

from .apps import Clock


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_everybody_is_admitted_without_a_failure(monotonic: Clock) -> None:
    breaker = CircuitBreaker(5)
    assert [breaker.admits() for _ in range(10)] == [True] * 10
    assert breaker.seconds_left() == 0


def test_nobody_is_admitted_in_the_pause_and_one_caller_after_it(monotonic: Clock) -> None:
    breaker = CircuitBreaker(5)
    breaker.fail()
    assert breaker.is_open
    monotonic.move(4.5)
    assert not breaker.admits()
    assert breaker.seconds_left() == 0.5
    monotonic.move(0.5)
    assert [breaker.admits() for _ in range(10)] == [True] + [False] * 9


def test_success_admits_everybody(monotonic: Clock) -> None:
    breaker = CircuitBreaker(5)
    breaker.fail()
    monotonic.move(5)
    assert breaker.admits()
    breaker.succeed()
    assert [breaker.admits() for _ in range(10)] == [True] * 10


def test_caller_that_never_reports_is_replaced_after_a_pause(monotonic: Clock) -> None:
    breaker = CircuitBreaker(5)
    breaker.fail()
    for _ in range(3):
        monotonic.move(5)
        assert [breaker.admits(), breaker.admits()] == [True, False]


def test_pauses_are_equal_or_double(monotonic: Clock) -> None:
    equal, doubling = CircuitBreaker(5), CircuitBreaker(1, longest=6)
    pauses = []
    for _ in range(5):
        for breaker in (equal, doubling):
            breaker.fail()
            pauses.append(breaker.seconds_left())
        monotonic.move(6)
    assert pauses == [5, 1, 5, 2, 5, 4, 5, 6, 5, 6]
    doubling.succeed()
    doubling.fail()
    assert doubling.seconds_left() == 1


def test_one_of_many_threads_is_admitted_after_the_pause(monotonic: Clock) -> None:
    breaker = CircuitBreaker(5)
    for _ in range(50):
        breaker.fail()
        monotonic.move(5)
        together = threading.Barrier(8)

        def admitted(_: int, together: threading.Barrier = together) -> bool:
            together.wait(60)
            return breaker.admits()

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(admitted, range(8))) == 1


def test_failure_long_after_a_pause_begins_with_the_first_pause(monotonic: Clock) -> None:
    breaker = CircuitBreaker(1, longest=30)
    for _ in range(7):
        breaker.fail()
    assert breaker.seconds_left() == 30
    monotonic.move(61)
    breaker.fail()
    assert breaker.seconds_left() == 1

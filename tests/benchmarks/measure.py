"""The time of calls, measured in turns, so that ratios hold on a machine with a varying speed."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator

from flask import Flask
from werkzeug.test import EnvironBuilder

Call = Callable[[], object]


def measure(cases: dict[str, Call], *, rounds: int, calls: int) -> dict[str, list[float]]:
    """Return the time of one call of each case, in microseconds, for each round.

    :param rounds: number of rounds. The order of the cases is reversed in every other round, since a case
        may leave warm caches to the next one.
    :param calls: number of calls of each case in a round.
    """
    times: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds):
        names = list(cases) if number % 2 == 0 else reversed(cases)
        for name in names:
            times[name].append(_time(cases[name], calls))
    return times


def _time(call: Call, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls * 1e6


def ratio(one: float, other: float) -> float:
    """Divide two times. With very few calls, a difference of two times may be zero."""
    return one / other if other else math.nan


def requester(app: Flask, path: str, tokens: Iterator[str] | str) -> Call:
    """Make a call that sends a request with a bearer token to an app, and expects the status 200.

    :param tokens: the token, or the tokens of the requests, one after another.
    """
    environ = EnvironBuilder(path).get_environ()
    tokens = itertools.repeat(tokens) if isinstance(tokens, str) else tokens

    def request() -> None:
        status: list[str] = []
        # A server makes a new string of each header, which has no cached hash yet.
        header = ("Bearer " + next(tokens)).encode().decode()
        call = {**environ, "HTTP_AUTHORIZATION": header}
        b"".join(app.wsgi_app(call, lambda line, headers: status.append(line)))
        assert status == ["200 OK"], (path, status)

    return request

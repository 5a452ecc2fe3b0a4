"""Runs tests against mutants: in processes that are forked from one that has imported everything.

mutmut's own runner starts pytest anew for each mutant: with the names of 1,500 tests, collecting takes 3 s.
"""

from __future__ import annotations

import __future__

import importlib
import os
import signal
import sys
import threading
import time
import types
import typing as t
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import pytest

from .mutation import Mutant

#: A mutant is killed that takes longer than this, in seconds, and than a multiple of the time of its tests.
#: A slow machine must not kill one, but some mutants wait for a minute.
MIN_TIMEOUT_SECONDS = 20
TIMEOUT_FACTOR = 5

Function = tuple[str, str]


class Outcome(t.NamedTuple):
    """:param killer: the test that failed, or "timeout"; None: the mutant survived."""

    mutant: Mutant
    killer: str | None


class Runner:
    """A pytest plugin that replaces the loop over the tests.

    First, it runs each test and records the functions that the test calls. Then it forks a process for each
    mutant, which runs the tests of its function until one fails.

    :param mutants: the mutants of one function follow each other.
    :param workers: number of processes at a time.
    """

    def __init__(self, mutants: Sequence[Mutant], *, workers: int) -> None:
        self.outcomes: list[Outcome] = []
        self._mutants = mutants
        self._workers = workers
        self._files = {_module_file(module): module for module in {mutant.module for mutant in mutants}}
        self._tests: defaultdict[Function, list[pytest.Item]] = defaultdict(list)
        self._seconds: dict[pytest.Item, float] = {}
        self._kills: defaultdict[Function, Counter[pytest.Item]] = defaultdict(Counter)
        self._failed = False
        self._running: dict[int, tuple[Mutant, int]] = {}
        self._items: Sequence[pytest.Item] = ()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            return False
        self._items = session.items
        self._record()
        for mutant in self._mutants:
            while len(self._running) >= self._workers:
                self._reap()
            self._start(mutant)
        while self._running:
            self._reap()
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed = True

    def _record(self) -> None:
        called: set[Function] = set()

        def record(frame: types.FrameType, event: str, argument: object) -> None:
            module = self._files.get(frame.f_code.co_filename)
            if module is not None and event == "call":
                called.add((module, frame.f_code.co_qualname.partition(".<locals>")[0]))

        threading.setprofile(record)
        sys.setprofile(record)
        # The first test follows the last one, so that fixtures of the session stay for the processes.
        for item, following in zip(self._items, (*self._items[1:], self._items[0]), strict=True):
            called.clear()
            started = time.monotonic()
            self._run(item, following)
            if self._failed:
                raise pytest.UsageError(f"{item.nodeid} fails without a mutant")
            self._seconds[item] = time.monotonic() - started
            for function in called:
                self._tests[function].append(item)
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]

    def _start(self, mutant: Mutant) -> None:
        function = (mutant.module, mutant.qualname)
        kills = self._kills[function]
        # Tests that killed the most mutants of the function go first, then the fastest.
        tests = sorted(self._tests[function], key=lambda item: (-kills[item], self._seconds[item]))
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            seconds = TIMEOUT_FACTOR * sum(self._seconds[item] for item in tests)
            signal.alarm(int(max(MIN_TIMEOUT_SECONDS, seconds)))  # ends the process
            try:
                os.write(writer, str(self._first_failure(mutant, tests)).encode())
            finally:
                os._exit(0)
        os.close(writer)
        self._running[child] = mutant, reader

    def _first_failure(self, mutant: Mutant, tests: Sequence[pytest.Item]) -> int:
        """Return the index of the first test that fails, of all tests; -1 if none does."""
        install(mutant)
        for item, following in zip(tests, (*tests[1:], self._items[0]), strict=True):
            self._run(item, following)
            if self._failed:
                return self._items.index(item)
        return -1

    def _reap(self) -> None:
        child, _ = os.wait()
        mutant, reader = self._running.pop(child)
        with os.fdopen(reader) as pipe:
            index = pipe.read()
        if not index:
            self.outcomes.append(Outcome(mutant, "timeout"))
        elif index == "-1":
            self.outcomes.append(Outcome(mutant, None))
        else:
            killer = self._items[int(index)]
            self._kills[mutant.module, mutant.qualname][killer] += 1
            self.outcomes.append(Outcome(mutant, killer.nodeid))

    def _run(self, item: pytest.Item, following: pytest.Item) -> None:
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)


def install(mutant: Mutant) -> None:
    """Put a mutant in the place of its function, in this process."""
    module = importlib.import_module(mutant.module)
    defined: dict[str, t.Any] = {}
    code = compile(mutant.source, _module_file(mutant.module), "exec", __future__.annotations.compiler_flag)
    exec(code, vars(module), defined)
    changed, original = _find(defined, mutant.qualname), _find(vars(module), mutant.qualname)
    for part in ("__code__", "__defaults__", "__kwdefaults__"):
        setattr(original, part, getattr(changed, part))
    for value in _values(vars(module)):
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def _find(namespace: t.Any, qualname: str) -> types.FunctionType:
    """Find a function, below the decorators that keep it."""
    owner, _, name = qualname.rpartition(".")
    found = (vars(namespace[owner]) if owner else namespace)[name]
    if isinstance(found, property):
        found = found.fget
    found = getattr(found, "__wrapped__", found)
    assert isinstance(found, types.FunctionType), qualname
    return found


def _values(namespace: t.Any) -> Iterable[object]:
    return list(namespace.values())


def _module_file(module: str) -> str:
    file = importlib.import_module(module).__file__
    assert file is not None
    return file

"""Runs tests against mutants: in processes that are forked from one that has imported everything.

mutmut's own runner starts pytest anew for each mutant: with the names of 1,500 tests, collecting takes 3 s.
"""

from __future__ import annotations
import __future__

import functools
import gc
import importlib
import os
import signal
import time
import traceback
import types
import typing as t
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import pytest
from coverage import Coverage

from .mutation import Mutant

#: Time limit of a test against a mutant: seconds, or a multiple of its time without one if that is longer.
#: Some mutants wait for a minute; a slow machine must not kill one.
MIN_TIMEOUT_SECONDS = 5
TIMEOUT_FACTOR = 10

Function = tuple[str, str]
_CACHED = type(functools.lru_cache(lambda: None))


class Outcome(t.NamedTuple):
    """:param killer: the test that failed, or "timeout"; None: the mutant survived."""

    mutant: Mutant
    killer: str | None


class Runner:
    """A pytest plugin that replaces the loop over the tests.

    First, it runs each test and records the functions that the test runs. Then it forks a process for each
    mutant, which runs the tests of its function until one fails.

    :param mutants: the mutants of one function follow each other.
    :param workers: number of processes at a time.
    """

    def __init__(self, mutants: Sequence[Mutant], *, workers: int) -> None:
        self.outcomes: list[Outcome] = []
        self._mutants = mutants
        self._workers = workers
        self._modules = {mutant.module for mutant in mutants}
        self._tests: dict[Function, list[pytest.Item]] = {}
        self._seconds: dict[pytest.Item, float] = {}
        #: By function; None: of all functions.
        self._kills: defaultdict[Function | None, Counter[pytest.Item]] = defaultdict(Counter)
        self._failed = False
        self._running: dict[int, tuple[Mutant, int]] = {}
        self._items: Sequence[pytest.Item] = ()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            return False
        self._items = session.items
        self._record()
        gc.freeze()  # a collection in a process would copy all memory that it shares with this one
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
        coverage = Coverage(
            data_file=None, config_file=False, include=[_module_file(module) for module in self._modules]
        )
        coverage.set_option("run:core", "ctrace")  # the one that can tell the tests apart
        coverage.start()
        # The first test follows the last one, so that fixtures of the session stay for the processes.
        for index, (item, following) in enumerate(_followed(self._items, self._items[0])):
            coverage.switch_context(str(index))
            started = time.monotonic()
            self._run(item, following)
            if self._failed:
                raise pytest.UsageError(f"{item.nodeid} fails without a mutant")
            self._seconds[item] = time.monotonic() - started
        coverage.stop()
        for module in self._modules:
            tests_of = coverage.get_data().contexts_by_lineno(_module_file(module))
            for name in {mutant.qualname for mutant in self._mutants if mutant.module == module}:
                lines = _lines(_find(vars(importlib.import_module(module)), name).__code__)
                tests = {test for line in lines for test in tests_of.get(line, ()) if test}
                self._tests[module, name] = [self._items[int(test)] for test in tests]

    def _start(self, mutant: Mutant) -> None:
        function = (mutant.module, mutant.qualname)
        of_function, of_all = self._kills[function], self._kills[None]
        # The most likely killers go first: those of the most mutants of the function, then of all, then the
        # fastest.
        tests = sorted(
            self._tests[function],
            key=lambda item: (-of_function[item], -of_all[item], self._seconds[item]),
        )
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writer, str(self._first_failure(mutant, tests)).encode())
            except BaseException:
                os.write(writer, f"{mutant.change}: {traceback.format_exc()}".encode())
            finally:
                os._exit(0)
        os.close(writer)
        self._running[child] = mutant, reader

    def _first_failure(self, mutant: Mutant, tests: Sequence[pytest.Item]) -> int:
        """Return the index of the first test that fails, of all tests; -1 if none does."""
        install(mutant)
        for item, following in _followed(tests, self._items[0]):
            # The signal ends this process.
            signal.alarm(int(max(MIN_TIMEOUT_SECONDS, TIMEOUT_FACTOR * self._seconds[item])))
            self._run(item, following)
            if self._failed:
                return self._items.index(item)
        return -1

    def _reap(self) -> None:
        while (child := os.wait()[0]) not in self._running:
            pass  # a process of a fixture
        mutant, reader = self._running.pop(child)
        with os.fdopen(reader) as pipe:
            index = pipe.read()
        if not index:
            self.outcomes.append(Outcome(mutant, "timeout"))
        elif index == "-1":
            self.outcomes.append(Outcome(mutant, None))
        elif not index.isdecimal():
            raise RuntimeError(f"The tests could not be run on {index}")
        else:
            killer = self._items[int(index)]
            for function in ((mutant.module, mutant.qualname), None):
                self._kills[function][killer] += 1
            self.outcomes.append(Outcome(mutant, killer.nodeid))

    def _run(self, item: pytest.Item, following: pytest.Item) -> None:
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)


def _followed(tests: Sequence[pytest.Item], last: pytest.Item) -> Iterator[tuple[pytest.Item, pytest.Item]]:
    """Return each test with the next one, for which pytest keeps fixtures."""
    return zip(tests, (*tests[1:], last), strict=False)


def _lines(code: types.CodeType) -> set[int]:
    """The lines of a function with the functions inside of it, without the line of its definition."""
    lines = {line for _, _, line in code.co_lines() if line and line != code.co_firstlineno}
    return lines.union(*(_lines(inner) for inner in code.co_consts if isinstance(inner, types.CodeType)))


def install(mutant: Mutant) -> None:
    """Put a mutant in the place of its function, in this process."""
    module = importlib.import_module(mutant.module)
    defined: dict[str, t.Any] = {}
    code = compile(mutant.source, _module_file(mutant.module), "exec", __future__.annotations.compiler_flag)
    exec(code, vars(module), defined)
    changed, original = _find(defined, mutant.qualname), _find(vars(module), mutant.qualname)
    for part in ("__code__", "__defaults__", "__kwdefaults__"):
        setattr(original, part, getattr(changed, part))
    for value in vars(module).values():
        if isinstance(value, _CACHED):
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


def _module_file(module: str) -> str:
    file = importlib.import_module(module).__file__
    assert file is not None
    return file

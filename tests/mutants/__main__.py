"""The mutation score of the code that decides who gets in: ``make mutants``.

Arguments: the names of groups; none: all.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

from .equivalents import PATH, Change, read_equivalents
from .mutation import make_mutants
from .runner import Outcome, Runner

WORKERS = 2
#: Percentage of the mutants of a group, without equivalent ones, that the tests must kill.
MIN_SCORE = 90
#: The modules of each group.
GROUPS = {
    "tokens": ("tokens", "jws"),
    "guard": ("protection", "transport"),
    "login": ("routes.login", "grants"),
    "validators": (
        "validators",
        "validators.local",
        "validators.host",
        "validators.auth0",
        "validators.jwks",
    ),
}
#: The tests of these modules.
TESTS = (
    "tests/test_tokens.py",
    "tests/test_tokens_remembered.py",
    "tests/test_jws.py",
    "tests/test_protection.py",
    "tests/test_protect.py",
    "tests/test_transport.py",
    "tests/test_transport_cookies.py",
    "tests/routes/test_login.py",
    "tests/routes/test_refresh.py",
    "tests/test_grants.py",
    "tests/validators",
    # Other tests of the same modules.
    "tests/test_callbacks.py",
    "tests/test_concurrency.py",
    "tests/test_jwt_extended.py",
    "tests/test_jwt_extended_internals.py",
    "tests/test_jwt_extended_settings.py",
    "tests/test_localhost.py",
    "tests/test_signals.py",
    "tests/sessions/test_rotation.py",
    "tests/sessions/test_session_check.py",
    "tests/sessions/test_sessions.py",
)
#: Left out are tests by hypothesis, which find different things at each run, and tests of stores, with
#: servers that the processes would share.
CHOICE = ("-m", "not hypothesis", "-k", "not postgres and not redis and not concurrent")
OPTIONS = (*CHOICE, "-p", "no:terminal", "-p", "no:cacheprovider")


def main(groups: Sequence[str]) -> int:
    started = time.monotonic()
    modules = {f"flask_core_auth.{name}": group for group in groups for name in GROUPS[group]}
    runner = Runner([mutant for module in modules for mutant in make_mutants(module)], workers=WORKERS)
    if pytest.main([*OPTIONS, *TESTS], plugins=[runner]):
        return 1
    listed = Counter(
        entry.change
        for entry in read_equivalents(PATH.read_text())
        if entry.change.function.startswith(tuple(f"{module}." for module in modules))
    )
    survived = Counter(outcome.mutant.change for outcome in runner.outcomes if outcome.killer is None)
    enough = [_report(group, _of_group(runner.outcomes, modules, group), listed) for group in groups]
    for change in sorted((survived - listed).elements()):
        print("\nSurvived:", *_lines(change), sep="\n")
    killed = listed - survived
    for change in sorted(killed.elements()):
        print("\nListed as equivalent, but it did not survive:", *_lines(change), sep="\n")
    print(f"\n{len(runner.outcomes)} mutants in {(time.monotonic() - started) / 60:.1f} minutes")
    return int(not all(enough) or bool(killed))


def _of_group(outcomes: Iterable[Outcome], modules: dict[str, str], group: str) -> list[Outcome]:
    return [outcome for outcome in outcomes if modules[outcome.mutant.module] == group]


def _report(group: str, outcomes: Sequence[Outcome], listed: Counter[Change]) -> bool:
    """Print the score of a group, and tell whether it is high enough."""
    survived = Counter(outcome.mutant.change for outcome in outcomes if outcome.killer is None)
    equivalent = (survived & listed).total()
    timeouts = sum(outcome.killer == "timeout" for outcome in outcomes)
    total = len(outcomes) - equivalent
    killed = len(outcomes) - survived.total()
    score = 100 * killed / total
    print(
        f"{group:10} {killed} of {total} killed, {score:.1f} % (bar {MIN_SCORE} %),"
        f" {timeouts} by the time limit; {equivalent} equivalent"
    )
    return score >= MIN_SCORE


def _lines(change: Change) -> Iterable[str]:
    yield f"  {change.function}"
    for sign, text in (("-", change.original), ("+", change.mutated)):
        yield from (f"  {sign} {line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(GROUPS)))

"""The mutation score of the code that decides who gets in: ``make mutants``.

Arguments: the names of groups; none: all.
"""

from __future__ import annotations

import sys
import time
import typing as t
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from .equivalents import PATH, Change, read_equivalents
from .mutation import ROOT, make_mutants
from .runner import Outcome, Runner

WORKERS = 2
#: Percentage of the mutants of a group, without equivalent ones, that the tests must kill.
MIN_SCORE = 90


class Group(t.NamedTuple):
    """Modules whose mutants are counted together.

    :param modules: their names in the package.
    :param tests: the tests that matter to them, in ``tests``. A mutant that survives takes the time of each
        of these that runs its function.
    """

    modules: Sequence[str]
    tests: Sequence[str]


GROUPS = {
    "tokens": Group(
        ("tokens", "jws"),
        (
            "test_jws.py",
            "test_tokens.py",
            "test_tokens_remembered.py",
            "test_callbacks.py",
            "test_jwt_extended_internals.py",
            "test_jwt_extended_settings.py",
            "test_protection.py",
            "test_rejections.py",
            "test_transport_cookies.py",
            "sessions/test_sessions.py",
            "validators/test_local.py",
            "validators/test_validators.py",
        ),
    ),
    "guard": Group(
        ("protection", "transport"),
        (
            "test_protection.py",
            "test_protect.py",
            "test_callbacks.py",
            "test_check.py",
            "test_state.py",
            "test_tokens_remembered.py",
            "test_transport.py",
            "test_transport_cookies.py",
            "test_identity.py",
            "test_jwt_extended_internals.py",
            "test_localhost.py",
            "test_rejections.py",
            "routes/test_login.py",
            "routes/test_refresh.py",
            "routes/test_sessions.py",
            "sessions/test_session_check.py",
        ),
    ),
    "login": Group(
        ("routes.login", "grants"),
        (
            "routes/test_login.py",
            "routes/test_login_tenant_down.py",
            "routes/test_refresh.py",
            "test_grants.py",
            "test_callbacks.py",
            "test_concurrency.py",
            "test_frames.py",
            "test_jwt_extended_refresh.py",
            "test_rejections.py",
            "test_signals.py",
            "test_transport_cookies.py",
            "sessions/test_limit.py",
            "sessions/test_rotation.py",
            "sessions/test_sessions.py",
        ),
    ),
    "validators": Group(
        (
            "validators",
            "validators.local",
            "validators.host",
            "validators.auth0",
            "validators.jwks",
        ),
        (
            "validators",
            "routes/test_about.py",
            "routes/test_login.py",
            "sessions/test_rotation.py",
            "test_check.py",
            "test_concurrency.py",
            "test_grants.py",
        ),
    ),
}
#: Left out are tests by hypothesis, which find different things at each run, and tests of stores, with
#: servers that the processes would share.
CHOICE = ("-m", "not hypothesis", "-k", "not postgres and not redis and not concurrent")
OPTIONS = (*CHOICE, "-p", "no:terminal", "-p", "no:cacheprovider")


def main(names: Sequence[str]) -> int:
    started = time.monotonic()
    listed = Counter(entry.change for entry in read_equivalents(PATH.read_text()))
    sound = True
    for name in names:
        outcomes = run(GROUPS[name])
        sound = report(name, outcomes, listed) and sound
    print(f"\n{(time.monotonic() - started) / 60:.1f} minutes")
    return int(not sound)


def run(group: Group) -> list[Outcome]:
    """Run the tests of a group against each of its mutants."""
    mutants = [mutant for module in group.modules for mutant in make_mutants(f"flask_core_auth.{module}")]
    runner = Runner(mutants, workers=WORKERS)
    if pytest.main([*OPTIONS, *(str(ROOT / "tests" / test) for test in group.tests)], plugins=[runner]):
        raise SystemExit(1)
    return runner.outcomes


def report(name: str, outcomes: Sequence[Outcome], listed: Counter[Change]) -> bool:
    """Print the score and the survivors of a group, and tell whether nothing is wrong with them."""
    survived = Counter(outcome.mutant.change for outcome in outcomes if outcome.killer is None)
    functions = {outcome.mutant.change.function for outcome in outcomes}
    expected = Counter({change: n for change, n in listed.items() if change.function in functions})
    equivalent = (survived & expected).total()
    killed, total = len(outcomes) - survived.total(), len(outcomes) - equivalent
    score = 100 * killed / total
    timeouts = sum(outcome.killer == "timeout" for outcome in outcomes)
    print(
        f"{name}: {killed} of {total} killed, {score:.1f} % (bar {MIN_SCORE} %), {timeouts} of them by the"
        f" time limit; {equivalent} equivalent"
    )
    for change in sorted((survived - expected).elements()):
        print("\nSurvived:", *_lines(change), sep="\n")
    stale = expected - survived
    for change in sorted(stale.elements()):
        print("\nListed as equivalent, but killed:", *_lines(change), sep="\n")
    print(flush=True)
    return score >= MIN_SCORE and not stale


def _lines(change: Change) -> Iterator[str]:
    yield f"  {change.function}"
    for sign, text in (("-", change.original), ("+", change.mutated)):
        yield from (f"  {sign} {line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(GROUPS)))

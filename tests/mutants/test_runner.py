"""A mutant is a change of one function, and the runner puts it in the function's place."""

from __future__ import annotations

import importlib.util
import os

import pytest

pytest.importorskip("mutmut", reason="make mutants installs it")

from flask_core_auth import jws

from .__main__ import GROUPS, ROOT
from .equivalents import Change
from .mutation import Mutant, make_mutants
from .runner import install

MUTANTS = make_mutants("flask_core_auth.jws")


def find(change: Change) -> Mutant:
    [mutant] = [mutant for mutant in MUTANTS if mutant.change == change]
    return mutant


def test_each_check_of_a_function_is_negated_weakened_and_left_out() -> None:
    changes = {mutant.change[1:] for mutant in MUTANTS if mutant.qualname == "load_object"}
    assert ('raise ValueError("not a JSON object")', "pass") in changes
    assert ("if not isinstance(value, dict):", "if isinstance(value, dict):") in changes


def test_functions_below_decorators_are_changed() -> None:
    assert "_header" in {mutant.qualname for mutant in MUTANTS}


def test_log_messages_and_annotations_are_left_alone() -> None:
    for mutant in make_mutants("flask_core_auth.validators"):
        assert "logger.error" not in mutant.change.original
        assert "t.cast(None" not in mutant.change.mutated


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # threads of other tests
def test_installed_mutant_replaces_the_function_for_everybody() -> None:
    mutant = find(
        Change(
            "flask_core_auth.jws.is_time",
            "return type(value) in (int, float) and -(2**53) < value < 2**53  # type: ignore[operator]",
            "return type(value) in (int, float) and -(2**53) < value <= 2**53  # type: ignore[operator]",
        )
    )
    imported_before = jws.is_time
    assert not imported_before(2**53)
    child = os.fork()  # as the runner does: this process keeps the original
    if child == 0:
        install(mutant)
        os._exit(imported_before(2**53))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    assert not imported_before(2**53)


def test_modules_and_tests_of_the_groups_exist() -> None:
    for group in GROUPS.values():
        assert all(importlib.util.find_spec(f"flask_core_auth.{module}") for module in group.modules)
        assert all((ROOT / "tests" / test).exists() for test in group.tests)

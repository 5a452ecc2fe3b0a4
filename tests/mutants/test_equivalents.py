"""The list of equivalent mutants names functions that exist, and their lines."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .equivalents import PATH, Equivalent, read_equivalents

PACKAGE = Path(__file__).parent.parent.parent / "flask_core_auth"


def functions() -> dict[str, set[str]]:
    """Return the lines, without indentation, of each function and method of the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for statement in ast.parse(text).body:
            owner = f"{module}.{statement.name}." if isinstance(statement, ast.ClassDef) else f"{module}."
            for node in statement.body if isinstance(statement, ast.ClassDef) else [statement]:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
                    found[owner + node.name] = {line.strip() for line in lines}
    return found


FUNCTIONS = functions()
LISTED = read_equivalents(PATH.read_text())


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry.change.function)
def test_equivalent_mutant_changes_lines_of_a_function_that_exists(entry: Equivalent) -> None:
    change = entry.change
    assert change.function in FUNCTIONS
    assert FUNCTIONS[change.function].issuperset(change.original.splitlines())
    assert change.mutated != change.original
    assert entry.reason.endswith(".")


def test_functions_of_the_package_are_found() -> None:
    assert FUNCTIONS["flask_core_auth.jws.is_time"]
    assert FUNCTIONS["flask_core_auth.validators.Validators.has_passwords"]
    assert "flask_core_auth.jws.is_moment" not in FUNCTIONS

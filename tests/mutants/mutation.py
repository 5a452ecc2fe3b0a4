"""Mutants: copies of a function with one change each, made by mutmut's operators."""

from __future__ import annotations

import difflib
import typing as t
from collections.abc import Iterator
from pathlib import Path

import libcst as cst
from libcst import matchers as m
from mutmut.mutation.mutators import mutation_operators

from .equivalents import Change

ROOT = Path(__file__).parent.parent.parent


def _without_raise(node: cst.Raise) -> Iterator[cst.Pass]:
    # mutmut negates a check, which every valid request notices. Without its "raise", the check is gone.
    yield cst.Pass()


OPERATORS = (*mutation_operators, (cst.Raise, _without_raise))

#: Nothing inside of these is mutated. Their errors would be those of any caller, or no client sees them.
_SKIPPED = (
    m.Annotation()
    | m.Decorator()
    | m.Call(func=m.Name("isinstance") | m.Name("len"))
    # The text of a log message.
    | m.Expr(m.Call(func=m.Attribute(value=m.Name("logger"))))
    | m.FunctionDef(decorators=[m.Decorator(m.Attribute(attr=m.Name("overload")))])
)
_CAST = m.Call(func=m.Attribute(value=m.Name("t"), attr=m.Name("cast")))


class Mutant(t.NamedTuple):
    """A changed function.

    :param module: the dotted name of its module.
    :param qualname: its name in the module: of the outermost function.
    :param source: defines it in place of the original, in its class if it is a method.
    """

    module: str
    qualname: str
    source: str
    change: Change


def make_mutants(module: str) -> list[Mutant]:
    """Make the mutants of all functions and methods of a module."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = []
    for statement in cst.parse_module(path.read_text()).body:
        if isinstance(statement, cst.FunctionDef):
            found += _mutate(module, statement, None)
        elif isinstance(statement, cst.ClassDef):
            for method in statement.body.body:
                if isinstance(method, cst.FunctionDef):
                    found += _mutate(module, method, statement.name.value)
    return found


def _mutate(module: str, function: cst.FunctionDef, owner: str | None) -> Iterator[Mutant]:
    if m.matches(function, _SKIPPED):
        return
    # The runner replaces the code of the function itself, inside of its decorators.
    function = function.with_changes(decorators=(), leading_lines=())
    qualname = f"{owner}.{function.name.value}" if owner else function.name.value
    collector = _Collector()
    function.visit(collector)
    before = _code(function, None)
    for original, changed in collector.changes:
        mutated = t.cast(cst.FunctionDef, function.visit(_Replacement(original, changed)))
        yield Mutant(
            module,
            qualname,
            _code(mutated, owner),
            _change(f"{module}.{qualname}", before, _code(mutated, None)),
        )


def _code(function: cst.FunctionDef, owner: str | None) -> str:
    if owner is None:
        return cst.Module([function]).code
    # In a class, for super() without arguments.
    return cst.Module([cst.ClassDef(cst.Name(owner), cst.IndentedBlock([function]))]).code


def _change(function: str, before: str, after: str) -> Change:
    diff = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
    lines = {sign: [line[1:].strip() for line in diff if line[0] == sign] for sign in "-+"}
    return Change(function, "\n".join(lines["-"]), "\n".join(lines["+"]))


class _Collector(cst.CSTVisitor):
    """Collects pairs of a node of a function and a node in its place."""

    def __init__(self) -> None:
        self.changes: list[tuple[cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if m.matches(node, _SKIPPED):
            return False
        if m.matches(node, _CAST):  # the type is an annotation
            t.cast(cst.Call, node).args[1].visit(self)
            return False
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                self.changes += [(node, changed) for changed in operator(node)]
        return True


class _Replacement(cst.CSTTransformer):
    def __init__(self, original: cst.CSTNode, changed: cst.CSTNode) -> None:
        self._original, self._changed = original, changed

    def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode) -> cst.CSTNode:  # type: ignore[override]
        return self._changed if original_node is self._original else updated_node

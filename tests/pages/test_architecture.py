"""``docs/architecture.md`` names files, functions and layers that the code has."""

from __future__ import annotations

import ast
import re
import typing as t
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from .tables import read, rows

if t.TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "flask_core_auth"
PAGE = read("architecture.md")
CALL = re.compile(r"^ *(\S+\.py) +(\w+)\(\)", re.MULTILINE)


def named_paths() -> list[str]:
    table = [row[1:] for row in rows(PAGE, "to", "edit", "test")]
    cells = [cell for row in [*table, *(row[1:] for row in rows(PAGE, "for", "file"))] for cell in row]
    return [path for cell in cells for path in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("path", named_paths())
def test_named_file_exists(path: str) -> None:
    assert (ROOT / path).is_file()


def test_each_row_names_a_test() -> None:
    for _, edit, test in rows(PAGE, "to", "edit", "test"):
        assert re.match("`(flask_core_auth|docs|tests)/", edit)
        assert test.startswith("`tests/")


def functions(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("file", "function"), CALL.findall(PAGE))
def test_named_function_exists(file: str, function: str) -> None:
    assert function in functions(PACKAGE / file)


def test_every_drawing_is_read() -> None:
    drawn = [line for line in PAGE.splitlines() if re.match(r" *[\w/]+\.py ", line)]
    assert len(drawn) == len(CALL.findall(PAGE)) > 30


def calls(path: Path) -> set[str]:
    """Return the names of the functions that a file calls, or passes on."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.id if isinstance(node, ast.Name) else node.attr for node in nodes if _is_name(node)}


def _is_name(node: ast.AST) -> t.TypeGuard[ast.Name | ast.Attribute]:
    return isinstance(node, ast.Name | ast.Attribute)


def edges() -> Iterator[tuple[str, str, str]]:
    """Yield the file that calls, the called file, and the function, of each line of the drawings."""
    above: list[str] = []
    for line in PAGE.splitlines():
        if found := CALL.match(line):
            depth = (len(line) - len(line.lstrip())) // 2
            above[depth:] = [found[1]]
            if depth:
                yield above[depth - 1], found[1], found[2]


@pytest.mark.parametrize(("caller", "called", "function"), [*edges()])
def test_function_is_called_where_it_is_drawn(caller: str, called: str, function: str) -> None:
    assert function in calls(PACKAGE / caller), called


# Layers


def layers() -> list[set[str]]:
    """Return the modules of each layer, the lowest layer first."""
    return [set(re.findall(r"`(\w+)`", row[1])) for row in reversed(rows(PAGE, "layer", "modules"))]


def imports() -> dict[str, set[str]]:
    """Return the modules that each module imports, at its top or later; packages count as one module."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            found.setdefault(parts[0], set()).update(_imported(ast.parse(path.read_text()), parts[:-1]))
    return {name: (names - {name}) & found.keys() for name, names in found.items()}


def _imported(tree: ast.Module, package: tuple[str, ...]) -> Iterator[str]:
    for node in _running(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            above = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [name.name for name in node.names]
            yield from ((*above, *name.split("."))[0] for name in names)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield each node, except the imports for type checkers alone."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "t.TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _running(child)


def test_every_module_is_in_one_layer() -> None:
    names = [name for layer in layers() for name in layer]
    assert sorted([*names, "client"]) == sorted(imports())


def test_modules_import_from_their_own_layer_and_below() -> None:
    found, below = imports(), set[str]()
    for layer in layers():
        below |= layer
        for name in layer:
            assert found[name] <= below, name


def test_imports_form_no_circle() -> None:
    assert len([*TopologicalSorter(imports()).static_order()]) == len(imports())


def test_client_imports_nothing_of_the_server() -> None:
    assert imports()["client"] == {"token_pair"}

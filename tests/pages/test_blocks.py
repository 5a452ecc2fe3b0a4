"""Check that each block of each page has a name and a test, and that a page with a false claim fails."""

from __future__ import annotations

import ast
import builtins
import os
import re
from pathlib import Path

import pytest

from ..apps import SECRET
from .blocks import PAGES, ROOT, Page, blocks_of, names_run_by, path_of_tests

PAGES_WITH_BLOCKS = [path for path in PAGES if "\n```" in path.read_text()]


@pytest.mark.parametrize("path", PAGES_WITH_BLOCKS, ids=lambda path: path.stem)
def test_each_block_of_a_page_has_a_test(path: Path) -> None:
    assert names_run_by(path_of_tests(path)) == set(blocks_of(path))


def test_tests_are_those_of_pages() -> None:
    tests = {path for path in Path(__file__).parent.glob("test_*.py") if str(path) != __file__}
    assert tests == {path_of_tests(path) for path in PAGES_WITH_BLOCKS}


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "docs" / "quickstart.md"], ids=lambda path: path.stem
)
def test_each_python_block_runs_alone(path: Path, directory: Path) -> None:
    for key in ("USERNAME", "PASSWORD", "JWT_SECRET"):  # the quickstart's app takes its settings from here
        os.environ[f"CORE_API_AUTH_{key}"] = SECRET
    programs = [block for block in blocks_of(path).values() if block.language == "python"]
    assert programs
    for program in programs:
        exec(compile(program.code, program.name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("path", PAGES_WITH_BLOCKS, ids=lambda path: path.stem)
def test_text_before_a_block_names_what_the_block_takes_for_granted(path: Path) -> None:
    lines = path.read_text().splitlines()
    known = set(dir(builtins))
    for block in blocks_of(path).values():
        if block.language == "python":
            bound, loaded = names_in(block.code)
            paragraph = "\n".join(lines[: block.line - 2]).rstrip().rpartition("\n\n")[2]
            known |= bound | set(re.findall(r"`(\w+)`", paragraph))
            assert loaded <= known, f"{path.name}:{block.line}: {loaded - known}"


def names_in(code: str) -> tuple[set[str], set[str]]:
    """Return the names that a program binds, anywhere, and the names that it loads."""
    bound, loaded = set(), set()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.alias(name=name, asname=asname):
                bound.add(asname or name.partition(".")[0])
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                bound.add(name)
            case ast.Name(id=name):
                loaded.add(name)
    return bound, loaded


FALSE_BLOCKS = {
    "python that fails": "```python name\nassert 1 == 2\n```",
    "python that warns": "```python name\nimport warnings\nwarnings.warn('old')\n```",
    "different output": "```python name\nprint(1)\n```\n```text\n2\n```",
    "command that fails": "```sh name\ntest 1 = 2\n```",
    "command that does not fail": "```sh name\ntest 1 = 1  # exits with 1\n```",
    "different status": "```sh name\necho 'HTTP/1.1 200 OK'  # 401\n```",
    "different response": '```sh name\necho \'{"a": 1}\'  # {"b": ...}\n```',
    "unknown extra of a package": "```sh name\npip install flask-core-auth[nothing]\n```",
    "unknown make target": "```sh name\nmake nothing\n```",
    "malformed JSON": "```json name\n{\n```",
    "diff with a malformed program": "```diff name\n-x = 1\n+x =\n```",
    "language that does not run": "```js name\n1\n```",
    "renamed block": "```python other\npass\n```",
    "missing block": "",
}


@pytest.mark.parametrize("text", FALSE_BLOCKS.values(), ids=FALSE_BLOCKS)
def test_block_with_a_false_claim_fails(text: str, directory: Path) -> None:
    path = directory / "page.md"
    path.write_text(text)
    page = Page(path, directory)
    with pytest.raises((AssertionError, SyntaxError, UserWarning, ValueError)):
        page.run("name")


def test_file_with_malformed_python_fails(directory: Path) -> None:
    path = directory / "page.md"
    path.write_text("```python app.py\nx =\n```")
    with pytest.raises(SyntaxError):
        Page(path, directory).run("app.py")


@pytest.mark.parametrize("code", ["int('1')", "int('x')"], ids=["no error", "different error"])
def test_block_without_the_error_that_it_must_raise_fails(code: str, directory: Path) -> None:
    path = directory / "page.md"
    path.write_text(f"```python name\n{code}\n```")
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        Page(path, directory).run("name", raises="TypeError")


MALFORMED_PAGES = {
    "block without a name": "```python\npass\n```",
    "two blocks with one name": "```python name\npass\n```\n```sh name\ntrue\n```",
    "output of no block": "```text\n1\n```",
    "unknown language": "```ruby\nputs 1\n```",
    "unknown fence": "````python name\npass\n````",
    "block without an end": "```python name\npass",
    "hidden lines": "<!-- test\nassert False\n-->",
}


@pytest.mark.parametrize("text", MALFORMED_PAGES.values(), ids=MALFORMED_PAGES)
def test_malformed_page_fails(text: str, directory: Path) -> None:
    path = directory / "page.md"
    path.write_text(text)
    with pytest.raises(AssertionError):
        blocks_of(path)


def test_block_without_a_test_is_found(directory: Path) -> None:
    test = directory / "test_page.py"
    test.write_text('page.run("one", "two", app=app)\npage.code_of("three")\nother.run("four")\n')
    assert names_run_by(test) == {"one", "two", "three"}

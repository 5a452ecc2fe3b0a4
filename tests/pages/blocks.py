"""Run the named code blocks of a page: the README, or a file of ``docs/``.

A page names a block after its language, where neither GitHub nor the built site shows the name::

    ```python login
    tokens = core_auth.issue("alice")
    ```

The test file of the page, ``tests/pages/test_<page>.py``, runs each block by its name. Each test has a page
with a new namespace, in an empty directory::

    def test_login_issues_tokens(page: Page) -> None:
        page.run("app")  # checks the block, and the output that the page shows after the block
        page.run("login", user="alice")  # objects that the block takes for granted
        assert page["tokens"].access_token in page.output  # a name that the block binds, and its output
        page.run("mistake", raises="ConfigError")
        assert "fetch(" in page.code_of("fetch")  # code in a language that does not run here

- ``python`` runs in the namespace of the test.
- A name with a dot, such as ``app.py``, is a file: the block is written to the file, for other blocks.
- ``sh`` runs command by command. Servers (``flask run``, ``gunicorn``) run until the end of the test.
  A comment after a command names its result: a status (``# 401``, for ``curl -i``), an exit status
  (``# exits with 1``), or JSON (``# {"access_token": "..."}``). Tokens of a response go into the variables
  ``ACCESS_TOKEN`` and ``REFRESH_TOKEN``.
- ``json`` must be JSON.
- ``diff`` has two programs, before and after the change: ``page.before`` and ``page.after``.
- ``text`` needs no name: it is the output of the block before it. ``...`` stands for any text.
- Languages of :data:`SHOWN_ONLY` do not run, and need no name.

``test_blocks.py`` fails for a block without a name or without a test, and for a test of a missing block.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import types
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import pytest

from ..tether import tethered

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN_ONLY = {"nginx", "ini", "none", "js"}
#: The ports in the pages, for flask, gunicorn and the example app. Free ports replace them.
PORTS = (5000, 8000, 8080)
START_SECONDS = 60


@dataclass(frozen=True)
class Block:
    """One block of a page.

    :param name: the word after the language, or an empty string.
    :param line: number of the first line of code.
    :param output: the text that the page shows as the output of the block.
    """

    name: str
    language: str
    code: str
    line: int
    output: str | None = None


FENCE = re.compile(r"```([a-z]+)(?: ([\w.-]+))?")


def blocks_of(path: Path) -> dict[str, Block]:
    """Return the named blocks of a page.

    :raises AssertionError: if a name is missing or not unique, or the form of a line is unknown.
    """
    named: dict[str, Block] = {}
    last: Block | None = None
    for block in _fences(path):
        place = f"{path.name}:{block.line}"
        if block.language == "text":
            assert last is not None, f"{place}: no block has this output"
            assert last.output is None, f"{place}: {last.name} has two outputs"
            last = named[last.name] = replace(last, output=block.code)
        elif block.name:
            assert block.name not in named, f"{place}: another block has the name {block.name}"
            last = named[block.name] = block
        else:
            assert block.language in SHOWN_ONLY, f"{place}: the block has no name"
            last = None
    return named


def _fences(path: Path) -> Iterator[Block]:
    lines = iter(enumerate(path.read_text().splitlines(), 1))
    for number, line in lines:
        if line == "```{eval-rst}":  # code for Sphinx: the build tests it
            _until_end(lines)
        elif match := FENCE.fullmatch(line):
            yield Block(match[2] or "", match[1], _until_end(lines), number + 1)
        else:
            assert "```" not in line, f"{path.name}:{number}: unknown form of a fence"
            hidden = line.startswith("<!--") and not line.endswith("-->")
            assert not hidden, f"{path.name}:{number}: hidden lines belong in a test file"


def _until_end(lines: Iterator[tuple[int, str]]) -> str:
    body = []
    for _, line in lines:
        if line == "```":
            return "".join(f"{line}\n" for line in body)
        body.append(line)
    raise AssertionError("a block has no end")


def path_of_tests(path: Path) -> Path:
    """Return the path of the test file of a page."""
    return Path(__file__).parent / f"test_{path.stem.lower().replace('-', '_')}.py"


def names_run_by(test_file: Path) -> set[str]:
    """Return the names of blocks in the calls of ``run`` and ``code_of`` in a test file."""
    return {
        argument.value
        for call in ast.walk(ast.parse(test_file.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if call.func.attr in ("run", "code_of") and ast.unparse(call.func.value) == "page"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }


class Page:
    """Run blocks of one page, in the current directory.

    ``text`` is the text of the page. ``code`` and ``output`` are the code and the output of the last block.
    ``ports`` maps each port in a page to the free port that replaces it. For clocks, see
    :func:`move_clocks_by_sleep`.
    """

    before: types.SimpleNamespace
    after: types.SimpleNamespace

    def __init__(self, path: Path, directory: Path) -> None:
        self.path = path
        self.directory = directory
        self.text = path.read_text()
        self.blocks = blocks_of(path)
        self.code = self.output = ""
        self.ports = {port: _free_port() for port in PORTS}
        self.namespace: dict[str, t.Any] = {"__name__": "__main__"}
        self.servers: list[subprocess.Popen[bytes]] = []

    def __getitem__(self, name: str) -> t.Any:
        return self.namespace[name]

    def run(self, *names: str, raises: str | None = None, **given: t.Any) -> None:
        """Run blocks, and compare their output with the page.

        :param names: names of the blocks.
        :param raises: name of the error that the last block must raise.
        :param given: objects that the blocks take for granted.
        """
        self.namespace.update(given)
        for name in names:
            block = self._block(name)
            try:
                self.output = self._run(block, raises if name == names[-1] else None)
                self.code = block.code
                self._compare(block)
            except Exception as error:
                error.add_note(f"in {self.path.name}, line {block.line}")
                raise

    def code_of(self, name: str) -> str:
        """Return the code of a block without running it."""
        return self._block(name).code

    def _block(self, name: str) -> Block:
        assert name in self.blocks, f"{self.path.name} has no block {name}"
        return self.blocks[name]

    def _run(self, block: Block, raises: str | None) -> str:
        if "." in block.name:
            return self._write(block)
        if block.language == "python":
            return self._captured(block, raises)
        if block.language == "sh":
            return "".join(self._command(command) for command in commands_of(block.code))
        if block.language == "diff":
            self.before, self.after = self._module("before", block, "-"), self._module("after", block, "+")
        elif block.language == "json":
            json.loads(block.code)
        else:
            raise AssertionError(f"{block.language} does not run: use code_of({block.name!r})")
        return ""

    def _write(self, block: Block) -> str:
        Path(block.name).parent.mkdir(parents=True, exist_ok=True)
        Path(block.name).write_text(block.code)
        if block.name.endswith(".py"):
            compile(block.code, block.name, "exec")
        return ""

    def _compare(self, block: Block) -> None:
        if block.output is None:
            return
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        same = doctest.OutputChecker().check_output(block.output, self.output, flags)
        assert same, f"the page shows\n{block.output}\nbut the output is\n{self.output}"

    def _captured(self, block: Block, raises: str | None) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            if raises is None:
                self._python(block, self.namespace)
                return output.getvalue()
            with pytest.raises(Exception) as raised:  # noqa: PT011  # the name is compared below
                self._python(block, self.namespace)
        assert raised.type.__name__ == raises
        return f"{output.getvalue()}{raised.type.__name__}: {raised.value}\n"

    def _python(self, block: Block, namespace: dict[str, t.Any]) -> None:
        # Blank lines before the code make a traceback show the line of the page.
        source = "\n" * (block.line - 1) + self._with_free_ports(block.code)
        exec(compile(source, str(self.path), "exec", dont_inherit=True), namespace)

    def _with_free_ports(self, code: str) -> str:
        for shown, free in self.ports.items():
            code = re.sub(rf"\b(localhost|127\.0\.0\.1):{shown}\b", rf"\g<1>:{free}", code)
        return code

    def _module(self, name: str, block: Block, sign: str) -> types.SimpleNamespace:
        kept = [line[1:] for line in block.code.splitlines() if line[:1] in ("", " ", sign)]
        namespace: dict[str, t.Any] = {"__name__": name}
        self._python(replace(block, code="\n".join(kept)), namespace)
        return types.SimpleNamespace(**namespace)

    def _command(self, command: str) -> str:
        code, _, comment = command.partition("  #")
        code = self._with_free_ports(code)
        if re.match(r"flask\b.* run\b|gunicorn\b", code):
            self._serve(code)
            return ""
        done = subprocess.run(
            ["bash", "-c", f"{self._state()}\n{code}\nstatus=$?; export -p > .exported; exit $status"],
            env=self._environ(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        comment = comment.strip()
        expected = re.match(r"exits with (\d+)", comment)
        wanted = int(expected[1]) if expected else 0
        assert done.returncode == wanted, f"{code}\n{done.stdout}\n{done.stderr}"
        if re.fullmatch(r"\d{3}", comment):
            assert re.match(rf"HTTP/1\.[01] {comment}\b", done.stdout), f"{code}\n{done.stdout}"
        elif comment.startswith("{"):
            checker = doctest.OutputChecker()
            compact = json.dumps(json.loads(done.stdout))
            assert checker.check_output(comment, compact, doctest.ELLIPSIS), f"{code}\n{done.stdout}"
        self._keep_tokens(done.stdout)
        return done.stdout

    def _state(self) -> str:
        return "test -e .exported && . ./.exported"

    def _keep_tokens(self, output: str) -> None:
        """Copy the tokens of a response into variables, as a reader does."""
        with contextlib.suppress(ValueError):
            response = json.loads(output)
            with Path(".exported").open("a") as state:
                for name in ("access_token", "refresh_token"):
                    if isinstance(response, dict) and name in response:
                        state.write(f"declare -x {name.upper()}={shlex.quote(response[name])}\n")

    def _environ(self) -> dict[str, str]:
        commands = f"{self.directory / '.bin'}:{Path(sys.executable).parent}"
        return {
            **os.environ,
            "PATH": f"{commands}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "error",
            "FLASK_RUN_PORT": str(self.ports[5000]),
            "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{self.ports[8000]} --no-control-socket",
            "NO_PROXY": "localhost,127.0.0.1",
        }

    def _serve(self, code: str) -> None:
        port = self.ports[8000 if code.startswith("gunicorn") else 5000]
        log = Path(f".server-{len(self.servers)}")
        with log.open("wb") as output:
            server = subprocess.Popen(
                tethered("bash", "-c", f"{self._state()}\nexec {code}"),
                env=self._environ(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.servers.append(server)
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            assert server.poll() is None, f"{code}\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{code} does not listen after {START_SECONDS} seconds"
            time.sleep(0.05)

    def close(self) -> None:
        for server in self.servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)


def commands_of(code: str) -> Iterator[str]:
    """Yield the commands of a block. A command may span several lines."""
    command = ""
    for line in code.splitlines():
        command += f"{line}\n"
        quotes = re.sub(r"\\.", "", command.partition("  #")[0]).count("'")
        if line.endswith("\\") or quotes % 2:
            continue
        if command.strip() and not command.startswith("#"):
            yield command.rstrip("\n")
        command = ""
    assert not command.strip(), f"{command!r} is not complete"


def move_clocks_by_sleep(factor: float) -> None:
    """Make ``time.sleep`` return at once and move this process's clocks by ``factor`` times its seconds.

    The client and the server of a page both run in this process. Tokens that live for minutes then expire
    without a wait, and a pause of the machine cannot make a token expire too early.
    """
    passed = 0.0
    real_sleep = time.sleep

    def sleep(seconds: float) -> None:
        nonlocal passed
        if threading.current_thread() is threading.main_thread():
            passed += factor * seconds
        else:  # other threads, such as a server's, do not run the code of the page
            real_sleep(seconds)

    def moved(clock: t.Callable[[], float]) -> t.Callable[[], float]:
        return lambda: clock() + passed

    mock.patch.object(time, "time", moved(time.time)).start()
    mock.patch.object(time, "monotonic", moved(time.monotonic)).start()
    mock.patch.object(time, "sleep", sleep).start()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return t.cast(int, probe.getsockname()[1])


#: Commands that a test must not run: each stand-in only checks that the command can work.
STAND_INS = {
    "pip": """
import sys
from importlib.metadata import metadata, version
from packaging.requirements import Requirement
assert sys.argv[1] == "install"
for argument in sys.argv[2:]:
    requirement = Requirement(argument)
    version(requirement.name)
    assert requirement.extras <= set(metadata(requirement.name).get_all("Provides-Extra") or ())
""",
    "make": f"""
import subprocess, sys
make = [{shutil.which("make")!r}, "--dry-run", "-C", {str(ROOT)!r}]
sys.exit(subprocess.run([*make, *sys.argv[1:]]).returncode)
""",
}

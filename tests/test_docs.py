"""Run the code blocks of the README and the documentation, page by page, in order.

The page itself says how each block is checked:

- ``python`` runs in the namespace of its page; after ``<!-- raises ERROR -->`` it must raise that error.
- A block with a caption, or after ``<!-- file NAME -->``, is written to a file, which other blocks use.
- ``sh`` runs command by command. Servers (``flask run``, ``gunicorn``) run until the end of the page.
  A comment after a command names its result: a status (``# 401``, for ``curl -i``), an exit status
  (``# exits with 1``), or JSON (``# {"access_token": "..."}``).
- ``text`` is the output of the block before it; ``...`` stands for any text.
- ``json`` must be JSON.
- ``diff`` holds two programs, before and after the change. Each runs in its own namespace.
- ``<!-- test ... -->`` is hidden from readers and runs as ``python``: it prepares the objects that a page
  uses, and checks the claims of the page. ``shown`` is the code of the block before, ``output`` its output,
  ``page`` the text of the page, and ``before`` and ``after`` are the two programs of a diff. ``ports`` maps
  each port in a page to the free port that replaces it. For clocks, see :func:`move_clocks_by_sleep`.

Blocks in other languages, such as nginx's, do not run. :data:`SHOWN_ONLY` lists these languages.
"""

from __future__ import annotations

import contextlib
import doctest
import html
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
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import click
import pytest

from flask_core_auth.cli import core_auth
from flask_core_auth.config import SETTINGS

from .tether import tethered

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
SHOWN_ONLY = {"nginx", "ini", "none", "js"}
#: The ports in the pages, for flask, gunicorn and the example app. Free ports replace them.
PORTS = (5000, 8000, 8080)
START_SECONDS = 60
CANARY = "value-of-an-environment-variable"


@dataclass(frozen=True)
class Block:
    """One block of a page.

    :param language: the language of the fence, or "test" for a comment.
    :param line: number of the first line of code.
    :param file: name of the file that the block is written to.
    :param raises: name of the error that the block must raise.
    """

    language: str
    code: str
    line: int
    file: str | None = None
    raises: str | None = None


FENCE = re.compile(r"^```(?:\{code-block\} )?([\w-]*)$")


def blocks_of(page: Path) -> Iterator[Block]:
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    file = raises = None
    for number, line in lines:
        if line == "<!-- test":
            body = _until(lines, "-->")
            yield Block("test", body, number + 1)
        elif match := re.fullmatch(r"<!-- (file|raises) (\S+) -->", line):
            file, raises = (match[2], None) if match[1] == "file" else (None, match[2])
        elif line == "```{eval-rst}":  # code for Sphinx: the build tests it
            _until(lines, "```")
        elif match := FENCE.match(line):
            body = _until(lines, "```")
            if caption := re.match(r":caption: (\S+)\n\n?", body):
                file, body = caption[1], body[caption.end() :]
            yield Block(match[1], body, number + 1, file, raises)
            file = raises = None
        else:
            assert "```" not in line, f"{page.name}:{number}: unknown form of a fence"
            assert not line.startswith("<!--"), f"{page.name}:{number}: unknown form of a comment"


def _until(lines: Iterator[tuple[int, str]], end: str) -> str:
    body = []
    for _, line in lines:
        if line == end:
            return "".join(f"{line}\n" for line in body)
        body.append(line)
    raise AssertionError(f"a block has no end: {end} is missing")


class Page:
    """Run the blocks of one page, in the current directory."""

    def __init__(self, path: Path, directory: Path) -> None:
        self.path = path
        self.directory = directory
        self.output = ""
        self.ports = {port: _free_port() for port in PORTS}
        self.namespace: dict[str, t.Any] = {
            "__name__": "__main__",
            "page": path.read_text(),
            "ports": self.ports,
            "move_clocks_by_sleep": move_clocks_by_sleep,
        }
        self.servers: list[subprocess.Popen[bytes]] = []

    def run(self) -> None:
        for block in blocks_of(self.path):
            try:
                self._run(block)
            except Exception as error:
                error.add_note(f"in {self.path.name}, line {block.line}")
                raise

    def _run(self, block: Block) -> None:
        if block.file is not None:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.code)
            if block.file.endswith(".py"):
                compile(block.code, block.file, "exec")
        elif block.language == "test":
            self._python(block, self.namespace)
        elif block.language == "python":
            self.output = self._captured(block, self.namespace)
        elif block.language == "sh":
            self.output = "".join(self._command(command) for command in commands_of(block.code))
        elif block.language == "diff":
            for name, sign in (("before", "-"), ("after", "+")):
                self.namespace[name] = self._module(name, block, sign)
        elif block.language == "text":
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            same = doctest.OutputChecker().check_output(block.code, self.output, flags)
            assert same, f"the page shows\n{block.code}\nbut the output is\n{self.output}"
        elif block.language == "json":
            json.loads(block.code)
        else:
            assert block.language in SHOWN_ONLY, f"unknown language {block.language!r}"
        if block.language != "test":
            self.namespace.update(shown=block.code, output=self.output)

    def _captured(self, block: Block, namespace: dict[str, t.Any]) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            if block.raises is None:
                self._python(block, namespace)
                return output.getvalue()
            with pytest.raises(Exception) as raised:  # noqa: PT011  # the name is compared below
                self._python(block, namespace)
        assert raised.type.__name__ == block.raises
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
        self._python(Block("python", "\n".join(kept), block.line), namespace)
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


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory to run a page in. Afterwards, environment, modules and patches are restored."""
    (tmp_path / ".bin").mkdir()
    for name, code in STAND_INS.items():
        stand_in = tmp_path / ".bin" / name
        stand_in.write_text(f"#!{sys.executable}\n{code}")
        stand_in.chmod(0o755)
    environ, modules = dict(os.environ), set(sys.modules)
    for name in environ:
        if name.startswith(("CORE_", "RS_", "FLASK_")):
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    mock.patch.stopall()
    os.environ.clear()
    os.environ.update(environ)
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


RUNNABLE = [page for page in PAGES if any(block.language not in SHOWN_ONLY for block in blocks_of(page))]


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.stem)
def test_code_blocks_of_a_page_do_as_the_page_says(path: Path, directory: Path) -> None:
    page = Page(path, directory)
    try:
        page.run()
    finally:
        page.close()


FALSE_PAGES = {
    "python that fails": "```python\nassert 1 == 2\n```",
    "python that warns": "```python\nimport warnings\nwarnings.warn('old')\n```",
    "different output": "```python\nprint(1)\n```\n```text\n2\n```",
    "error that is not raised": "<!-- raises ValueError -->\n```python\nint('1')\n```",
    "different error": "<!-- raises TypeError -->\n```python\nint('x')\n```",
    "claim that does not hold": "<!-- test\nassert False\n-->",
    "command that fails": "```sh\ntest 1 = 2\n```",
    "command that does not fail": "```sh\ntest 1 = 1  # exits with 1\n```",
    "different status": "```sh\necho 'HTTP/1.1 200 OK'  # 401\n```",
    "different response": '```sh\necho \'{"a": 1}\'  # {"b": ...}\n```',
    "unknown extra of a package": "```sh\npip install flask-core-auth[nothing]\n```",
    "unknown make target": "```sh\nmake nothing\n```",
    "malformed JSON": "```json\n{\n```",
    "diff with a malformed program": "```diff\n-x = 1\n+x =\n```",
    "file with malformed Python": "<!-- file app.py -->\n```python\nx =\n```",
    "unknown language": "```ruby\nputs 1\n```",
    "unknown comment": "<!-- tset\nassert False\n-->",
    "unknown fence": "````python\nassert False\n````",
    "block without an end": "```python\npass",
}


@pytest.mark.parametrize("text", FALSE_PAGES.values(), ids=FALSE_PAGES)
def test_page_with_a_false_claim_fails(text: str, directory: Path) -> None:
    path = directory / "page.md"
    path.write_text(text)
    with pytest.raises((AssertionError, SyntaxError, UserWarning, ValueError, pytest.fail.Exception)):
        Page(path, directory).run()


@pytest.fixture(scope="session")
def built_docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation as HTML, with the options of ``make docs``."""
    output = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-d", output / ".trees"]
    environ = {**os.environ, "PYTHONWARNINGS": "", "CANARY": CANARY}
    built = subprocess.run(
        [*command, DOCS, output], env=environ, capture_output=True, text=True, check=False
    )
    (output / ".warnings").write_text(built.stderr)
    return output


def test_docs_build_without_a_warning(built_docs: Path) -> None:
    assert (built_docs / ".warnings").read_text() == ""
    assert (built_docs / "index.html").is_file()


def test_built_docs_contain_no_paths_variables_or_hidden_tests(built_docs: Path) -> None:
    pages = list(built_docs.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        text = page.read_text()
        assert CANARY not in text, page
        assert "<!-- test" not in text, page
        assert str(ROOT) not in text, page


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_setting_is_in_the_reference(setting: t.Any, built_docs: Path) -> None:
    page = (built_docs / "configuration.html").read_text()
    entry = re.search(rf'<dt [^>]*id="confval-{setting.key}">.*?</dd></dl>\n', page, re.DOTALL)
    assert entry is not None
    words = " ".join(html.unescape(re.sub(r"<[^>]+>", "", entry[0])).split())
    meaning = " ".join(setting.meaning.replace("``", "").split())
    assert meaning in words
    assert f"CORE_{setting.key}" in words
    assert (setting.core_alias or "") in words
    shown = setting.default not in (None, (), {})
    default = setting.default_in_words or repr(setting.default)
    assert f"Default: {default}" in words or not shown


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_between_files_resolve(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text()):
        assert ":" in target or (ROOT / target).is_file(), target


def test_make_targets_in_contributing_exist() -> None:
    targets = re.findall(r"^make (\w+)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert len(targets) > 3
    for target in targets:
        subprocess.run(["make", "--dry-run", "-C", ROOT, target], check=True, capture_output=True)


def test_every_command_and_option_is_in_the_reference() -> None:
    text = (DOCS / "cli.md").read_text()
    assert set(re.findall(r"^## (.+)$", text, re.MULTILINE)) == set(core_auth.commands)
    listed = text.partition("\n## ")[0]
    for name, command in core_auth.commands.items():
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, name
        assert f"`{name}`" in listed, name
        inner = command.commands if isinstance(command, click.Group) else {}
        for subcommand, part in {name: command, **inner}.items():
            assert subcommand in section, subcommand
            for option in part.params:
                if isinstance(option, click.Option):
                    assert option.opts[0] in section, (subcommand, option.opts)

"""The README and the documentation are true: every code block in them runs, page by page, in order.

What a block is checked by stands with it in the page:

- ``python`` runs in the namespace of its page; after ``<!-- raises ERROR -->`` it must raise that error.
- A block with a caption, or after ``<!-- file NAME -->``, is a file: it is written, for others to use.
- ``sh`` runs command by command. What serves (``flask run``, ``gunicorn``) goes on until the end of the
  page. A comment after a command says what comes of it: a status (``# 401``, for ``curl -i``), an exit
  status (``# exits with 1``), or JSON (``# {"access_token": "..."}``).
- ``text`` is the output of the block before it; ``...`` stands for anything.
- ``json`` must be JSON.
- ``diff`` is two programs: the one before and the one after run, each in a namespace of its own.
- ``<!-- test ... -->``, which no reader sees, runs as ``python``: it sets up what a page takes for granted,
  and checks what it claims. It finds the block before it in ``shown``, its output in ``output``, the page
  itself in ``page``, and the two programs of a diff in ``before`` and ``after``.

Other languages, such as nginx's, do not run, and must be named in :data:`SHOWN_ONLY`.
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
import time
import types
import typing as t
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from flask_core_auth.config import SETTINGS

from .tether import tethered

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
SHOWN_ONLY = {"nginx", "ini", "none", "js"}
#: Those that pages name, for flask, gunicorn and the example app, are replaced by ones that are free.
PORTS = (5000, 8000, 8080)
READY = 20
CANARY = "the-value-of-a-variable-of-the-machine"


@dataclass(frozen=True)
class Block:
    """One block of a page.

    :param language: of the fence, or "test" for a comment.
    :param line: where its first line of code is.
    :param file: which file it is.
    :param raises: which error it must raise.
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
        elif line == "```{eval-rst}":  # for Sphinx, which the build is tested with
            _until(lines, "```")
        elif match := FENCE.match(line):
            body = _until(lines, "```")
            if caption := re.match(r":caption: (\S+)\n\n?", body):
                file, body = caption[1], body[caption.end() :]
            yield Block(match[1], body, number + 1, file, raises)
            file = raises = None
        else:
            assert "```" not in line, f"{page.name}:{number}: a fence that is not understood"
            assert not line.startswith("<!--"), f"{page.name}:{number}: a comment that is not understood"


def _until(lines: Iterator[tuple[int, str]], end: str) -> str:
    body = []
    for _, line in lines:
        if line == end:
            return "".join(f"{line}\n" for line in body)
        body.append(line)
    raise AssertionError(f"no {end} at the end of a block")


class Page:
    """Runs the blocks of one page, in the current directory."""

    def __init__(self, path: Path, directory: Path) -> None:
        self.path = path
        self.directory = directory
        self.output = ""
        self.ports = {port: _free_port() for port in PORTS}
        self.namespace: dict[str, t.Any] = {
            "__name__": "__main__",
            "page": path.read_text(),
            "ports": self.ports,
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
            assert same, f"shown is\n{block.code}\nbut the output is\n{self.output}"
        elif block.language == "json":
            json.loads(block.code)
        else:
            assert block.language in SHOWN_ONLY, f"nothing is known about {block.language!r}"
        if block.language != "test":
            self.namespace.update(shown=block.code, output=self.output)

    def _captured(self, block: Block, namespace: dict[str, t.Any]) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            if block.raises is None:
                self._python(block, namespace)
                return output.getvalue()
            with pytest.raises(Exception) as raised:  # noqa: PT011  # its name is checked
                self._python(block, namespace)
        assert raised.type.__name__ == block.raises
        return f"{output.getvalue()}{raised.type.__name__}: {raised.value}\n"

    def _python(self, block: Block, namespace: dict[str, t.Any]) -> None:
        # Blank lines before, so that a traceback shows the page's own line.
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
        """Do what a reader does who copies the tokens of an answer into variables."""
        with contextlib.suppress(ValueError):
            answer = json.loads(output)
            with Path(".exported").open("a") as state:
                for name in ("access_token", "refresh_token"):
                    if isinstance(answer, dict) and name in answer:
                        state.write(f"declare -x {name.upper()}={shlex.quote(answer[name])}\n")

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
        deadline = time.monotonic() + READY
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            assert server.poll() is None, f"{code}\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{code} does not serve"
            time.sleep(0.05)

    def close(self) -> None:
        for server in self.servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(10)


def commands_of(code: str) -> Iterator[str]:
    """The commands of a block, those over several lines in one."""
    command = ""
    for line in code.splitlines():
        command += f"{line}\n"
        quotes = re.sub(r"\\.", "", command.partition("  #")[0]).count("'")
        if line.endswith("\\") or quotes % 2:
            continue
        if command.strip() and not command.startswith("#"):
            yield command.rstrip("\n")
        command = ""
    assert not command.strip(), f"{command!r} has no end"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return t.cast(int, probe.getsockname()[1])


#: What a reader does once and a test must not do: it only checks that it could be done.
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
    """A directory to run a page in; what its blocks do to the process is undone."""
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
def test_every_code_block_does_what_the_page_says(path: Path, directory: Path) -> None:
    page = Page(path, directory)
    try:
        page.run()
    finally:
        page.close()


LIES = {
    "python that fails": "```python\nassert 1 == 2\n```",
    "python that warns": "```python\nimport warnings\nwarnings.warn('old')\n```",
    "another output": "```python\nprint(1)\n```\n```text\n2\n```",
    "an error that is not raised": "<!-- raises ValueError -->\n```python\nint('1')\n```",
    "another error": "<!-- raises TypeError -->\n```python\nint('x')\n```",
    "a claim": "<!-- test\nassert False\n-->",
    "a command that fails": "```sh\ntest 1 = 2\n```",
    "a command that does not": "```sh\ntest 1 = 1  # exits with 1\n```",
    "another status": "```sh\necho 'HTTP/1.1 200 OK'  # 401\n```",
    "another answer": '```sh\necho \'{"a": 1}\'  # {"b": ...}\n```',
    "a package that is not": "```sh\npip install flask-core-auth[nothing]\n```",
    "a target that is not": "```sh\nmake nothing\n```",
    "no JSON": "```json\n{\n```",
    "a program that fails": "```diff\n-x = 1\n+x =\n```",
    "a file that is none": "<!-- file app.py -->\n```python\nx =\n```",
    "a language that nobody checks": "```ruby\nputs 1\n```",
    "a comment that nobody reads": "<!-- tset\nassert False\n-->",
    "a fence that nobody reads": "````python\nassert False\n````",
    "no end": "```python\npass",
}


@pytest.mark.parametrize("text", LIES.values(), ids=LIES)
def test_a_page_that_is_not_true_fails(text: str, directory: Path) -> None:
    path = directory / "page.md"
    path.write_text(text)
    with pytest.raises((AssertionError, SyntaxError, UserWarning, ValueError, pytest.fail.Exception)):
        Page(path, directory).run()


@pytest.fixture(scope="session")
def built_docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as HTML, built as ``make docs`` builds it."""
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


def test_built_docs_show_nothing_of_the_machine(built_docs: Path) -> None:
    pages = list(built_docs.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        text = page.read_text()
        assert CANARY not in text, page
        assert "<!-- test" not in text, page
        assert str(ROOT) not in text, page


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_every_setting_is_in_the_reference(setting: t.Any, built_docs: Path) -> None:
    page = (built_docs / "configuration.html").read_text()
    entry = re.search(rf'<dt [^>]*id="confval-{setting.key}">.*?</dd></dl>\n', page, re.DOTALL)
    assert entry is not None
    words = " ".join(html.unescape(re.sub(r"<[^>]+>", "", entry[0])).split())
    meaning = " ".join(setting.meaning.replace("``", "").split())
    assert meaning in words
    assert f"CORE_{setting.key}" in words
    assert (setting.core_alias or "") in words
    shown = setting.default not in (None, (), {})
    assert f"Default: {setting.default!r}" in words or not shown


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_between_files_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text()):
        assert ":" in target or (ROOT / target).is_file(), target


def test_commands_for_contributors_exist() -> None:
    targets = re.findall(r"^make (\w+)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert len(targets) > 3
    for target in targets:
        subprocess.run(["make", "--dry-run", "-C", ROOT, target], check=True, capture_output=True)

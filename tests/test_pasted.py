"""The input of ``flask core-auth explain``: what is taken off, and what is no token."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import termios
import typing as t
from pathlib import Path

import pytest
from flask import Flask

from flask_core_auth.jws import MAX_TOKEN_BYTES
from flask_core_auth.pasted import MAX_INPUT_BYTES, Pasted, read_pasted

from .apps import SECRET
from .explaining import explain
from .forge import claims, forge
from .test_cli import APP

#: Valid until 2100, however long the tests before take.
GOOD = forge(claims(exp=4102444800))


@pytest.mark.parametrize(
    ("around", "removed"),
    [
        ("{}", ""),
        ("\n  {} \r\n", ""),
        ("Bearer {}", '"Bearer"'),
        ("bearer {}\n", '"Bearer"'),
        ("'{}'", "quotes"),
        ('"{}"', "quotes"),
        ('"Bearer {}"', 'quotes, "Bearer"'),
        ("Bearer '{}'", 'quotes, "Bearer"'),
        ("“{}”", "quotes"),
        ("authorization: Bearer {}", '"Authorization:", "Bearer"'),
    ],
)
def test_parts_around_a_token_are_taken_off_and_named(app: Flask, around: str, removed: str) -> None:
    done = explain(app, around.format(GOOD))
    assert done.exit_code == 0
    lines = [line for line in done.output.splitlines() if line.startswith("Taken off")]
    assert lines == ([f"Taken off around the token: {removed}"] if removed else [])


def test_json_alone_is_on_standard_output(app: Flask) -> None:
    done = explain(app, f"Bearer {GOOD}", "--json")
    assert done.stdout.startswith("{")
    assert done.stderr == 'Taken off around the token: "Bearer"\n'


def test_byte_order_mark_is_ignored() -> None:
    assert read_pasted(b"\xef\xbb\xbf" + GOOD.encode()) == Pasted(GOOD, ())


@pytest.mark.parametrize(
    ("pasted", "advice"),
    [
        ("", "Paste the value of access_token"),
        ("  \n", "Paste the value of access_token"),
        ("Bearer", "Paste the value of access_token"),
        ('""', "Paste the value of access_token"),
        (f"{GOOD}\n{GOOD}\n", "2 words"),
        (f"{GOOD[:50]}\n{GOOD[50:]}", "2 words"),
        (f'{{"access_token": "{GOOD}"}}', "Paste the value of access_token"),
        (f'"access_token": "{GOOD}"', "Paste the value of access_token"),
        (f'[{{"x": "{GOOD}"}}]', "Paste the value of access_token"),
        (f"Basic {GOOD}", "another scheme than Bearer"),
        (forge(claims(x="x" * 6200)), "8192 bytes"),
        ("x" * (MAX_INPUT_BYTES + 1), "8192 bytes"),
        ("a" * 100, "opaque"),
        ("a.b", "opaque"),
        (SECRET.replace(" ", ""), "opaque"),
        ("a.b.c.d.e", "encrypted"),
        (GOOD.encode("utf-16"), "not text in UTF-8"),
    ],
)
def test_input_that_is_no_token_exits_with_2_and_says_what_to_paste(
    app: Flask, pasted: str | bytes, advice: str
) -> None:
    for options in ((), ("--json",)):
        done = explain(app, pasted, *options)
        assert done.exit_code == 2
        assert done.stdout == ""
        assert done.stderr.startswith("Error: ")
        assert advice in done.stderr
        assert "aste" in done.stderr


def test_longest_token_is_read(app: Flask) -> None:
    longest = forge(claims(x="x" * 5800))
    longest += "A" * (MAX_TOKEN_BYTES - len(longest))
    assert explain(app, longest).exit_code == 1
    assert explain(app, f"{longest}A").exit_code == 2


def test_pasted_token_is_not_in_its_representation() -> None:
    assert GOOD not in repr(read_pasted(GOOD.encode()))


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "wsgi.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("CORE_API_AUTH_JWT_SECRET", SECRET)
    return [sys.executable, "-m", "flask", "core-auth", "explain"]


@pytest.mark.parametrize("argument", [GOOD, f"--token={GOOD}", f"-{GOOD}"])
def test_token_as_an_argument_is_rejected_and_not_shown(command: list[str], argument: str) -> None:
    done = subprocess.run([*command, argument], input=GOOD, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "on standard input" in done.stderr
    assert "eyJ" not in done.stdout + done.stderr


def test_token_comes_through_a_pipe(command: list[str]) -> None:
    done = subprocess.run(command, input=GOOD, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\naccepted: it opens protected routes\n" in done.stdout


@pytest.mark.parametrize(("typed", "status"), [(GOOD, 0), ("", 2), (forge(claims(x="x" * 3000)), 2)])
def test_prompt_of_a_terminal_shows_no_token(command: list[str], typed: str, status: int) -> None:
    returned, shown = _on_terminal(command, typed)
    assert "Token: " in shown
    assert "eyJ" not in shown
    assert returned == status, shown
    assert ("A terminal cuts" in shown) == (len(typed) > 4000)


def _on_terminal(command: list[str], typed: str) -> tuple[int, str]:
    """Run a command on a terminal, type a line at its prompt, and return its status and its screen."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=_take_terminal
    )
    os.close(slave)
    screen = ""
    try:
        while "Token: " not in screen:
            screen += os.read(master, 4096).decode()
        # getpass switches the echo off before it prompts.
        assert not termios.tcgetattr(master)[3] & termios.ECHO
        os.write(master, f"{typed}\n".encode())
        with contextlib.suppress(OSError):  # the end of a terminal
            while chunk := os.read(master, 4096):
                screen += chunk.decode()
        return process.wait(600), screen
    finally:
        process.kill()
        process.wait()
        os.close(master)


def _take_terminal() -> None:
    import fcntl

    # getpass opens the controlling terminal.
    fcntl.ioctl(0, t.cast(int, termios.TIOCSCTTY), 0)

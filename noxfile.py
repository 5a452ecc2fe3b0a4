"""Run the tests on every supported Python, with the lowest and the newest dependencies: ``nox``."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"


@nox.session(python=["3.11", "3.12", "3.13"])
@nox.parametrize("resolution", ["lowest-direct", "highest"])
def tests(session: nox.Session, resolution: str) -> None:
    """Run the tests. Arguments after ``--`` are passed to pytest."""
    session.install("--resolution", resolution, "--editable", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python="3.13")
def lint(session: nox.Session) -> None:
    """Run the linters and the type checker."""
    session.install("--editable", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("codespell")
    session.run("python", "-m", "tests.writing.check")

"""``docs/versions.md`` has the versions of ``setup.cfg`` and ``noxfile.py``."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from packaging.requirements import Requirement

from flask_core_auth import __version__

from .blocks import Page
from .tables import read, rows

ROOT = Path(__file__).parents[2]
PAGE = read("versions.md")
OWN_EXTRAS = ("argon2", "sql", "redis")
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")


def in_words(requirement: Requirement) -> str:
    lowest = re.search(r">=([\d.]+)", str(requirement.specifier))
    limit = re.search(r"<([\d.]+)", str(requirement.specifier))
    assert lowest is not None
    return f"{lowest[1]} or newer" + (f", below {limit[1]}" if limit else "")


def test_versions_of_the_libraries_are_those_of_setup_cfg() -> None:
    expected = {}
    for line in SETUP["options"]["install_requires"].split():
        expected[f"`{Requirement(line).name}`"] = in_words(Requirement(line))
    for extra in OWN_EXTRAS:
        requirement = Requirement(SETUP["options.extras_require"][extra])
        expected[f"`{requirement.name}`, with the extra `{extra}`"] = in_words(requirement)
    listed = {row[0]: row[1] for row in rows(PAGE, "requirement")}
    listed.pop("Python")
    assert listed == expected


def test_versions_of_python_are_those_of_setup_cfg_and_nox() -> None:
    (words,) = (row[1] for row in rows(PAGE, "requirement") if row[0] == "Python")
    first, _, tested = words.partition(" or newer; tested with ")
    assert SETUP["options"]["python_requires"] == f">={first}"
    versions = re.findall(r"3\.\d+", tested)
    classifiers = re.findall(r"Python :: (3\.\d+)", SETUP["metadata"]["classifiers"])
    assert versions == classifiers == re.findall(r'"(3\.\d+)"', _sessions_of_nox())


def _sessions_of_nox() -> str:
    _, _, after = (ROOT / "noxfile.py").read_text().partition("@nox.session(python=[")
    return after.partition("]")[0]


def test_no_name_is_deprecated() -> None:
    assert "no name is deprecated" in " ".join(PAGE.split())
    for path in (ROOT / "flask_core_auth").rglob("*.py"):
        assert "DeprecationWarning" not in path.read_text(), path


def test_commands_show_the_versions(page: Page) -> None:
    page.run("versions")
    assert page.output.endswith(f"{__version__}\n")
    assert "Flask 3" in page.output

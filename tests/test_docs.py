"""Build the documentation, and check the built site and the links between files."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import click
import pytest

from flask_core_auth.cli import core_auth
from flask_core_auth.config import SETTINGS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
CANARY = "value-of-an-environment-variable"


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


def test_built_docs_contain_no_paths_variables_or_comments(built_docs: Path) -> None:
    pages = list(built_docs.rglob("*.html"))
    assert len(pages) > len(PAGES) > 10
    for page in pages:
        text = page.read_text()
        assert CANARY not in text, page
        assert "<!--" not in text, page
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

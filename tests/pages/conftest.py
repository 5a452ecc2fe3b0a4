from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from .blocks import PAGES, STAND_INS, Page, path_of_tests


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


@pytest.fixture
def page(request: pytest.FixtureRequest, directory: Path) -> Iterator[Page]:
    """The page that the test file is named after."""
    (path,) = (path for path in PAGES if path_of_tests(path) == request.path)
    page = Page(path, directory)
    try:
        yield page
    finally:
        page.close()

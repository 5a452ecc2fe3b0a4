"""The fuzz targets, without atheris: each plays its seeds, and notices an undocumented exception."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import pytest

from .__main__ import NAMES, main
from .seeds import seeds
from .targets import TARGETS


def test_command_line_knows_every_target() -> None:
    assert tuple(TARGETS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_seeds_find_nothing(name: str) -> None:
    found = seeds(name)
    assert found
    for seed in found:
        TARGETS[name].run(seed)


def test_one_input_can_be_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finding = tmp_path / "finding"
    finding.write_bytes(b"[")
    assert main(["login", "--play", str(finding)]) == 0
    assert capsys.readouterr().out == "login: nothing was found\n"


def test_without_atheris_a_message_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    assert main([]) == 2
    assert "Linux on x86-64 and Python 3.11 to 3.14" in capsys.readouterr().err


#: A function that each target must reach with its seeds.
REACHED = {
    "tokens": "flask_core_auth.jws.is_time",
    "tenant": "flask_core_auth.validators.auth0._names_audience",
    "login": "flask_core_auth.routes.login._text_field",
    "authorization": "flask_core_auth.jws.has_hs256_signature",
    "jwks": "flask_core_auth.validators.jwks._load",
    "config": "flask_core_auth.config.tenants._parse_url",
    "client": "flask_core_auth.client.exchange._retry_after",
}


@pytest.mark.parametrize("name", NAMES)
def test_target_notices_an_exception_that_is_not_documented(name: str) -> None:
    def run() -> None:
        for seed in seeds(name):
            TARGETS[name].run(seed)

    with mock.patch(REACHED[name], side_effect=LookupError), pytest.raises(LookupError):
        run()

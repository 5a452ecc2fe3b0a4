"""The fuzz targets, without atheris: each plays its seeds, and notices an undocumented exception."""

from __future__ import annotations

from unittest import mock

import pytest

from .__main__ import NAMES
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

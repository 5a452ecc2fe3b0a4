"""Every case of the corpus is rejected, or accepted, as it says."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, tzinfo
from pathlib import Path

import jwt
import pytest
import trustme
from joserfc.jwk import RSAKey

from flask_core_auth.validators import jwks

from ..limits import EXTENDED_SECONDS
from ..tenant import Tenant
from . import play_client, play_config, play_http, play_jwks, play_tokens
from .cases import Case, load
from .stage import Stage

#: Plays a case with the fixtures that it needs.
Player = Callable[[Case, pytest.FixtureRequest], None]


def _on_stage(play: Callable[[Case, Stage], None]) -> Player:
    return lambda case, request: play(case, request.getfixturevalue("stage"))


PLAYERS: Mapping[str, Player] = {
    **dict.fromkeys(("token", "tenant"), _on_stage(play_tokens.play)),
    "jwks": _on_stage(play_jwks.play),
    **dict.fromkeys(play_http.SURFACES, _on_stage(play_http.play)),
    "client": lambda case, request: play_client.play(case),
    "config": lambda case, request: play_config.play(case, request.getfixturevalue("caplog")),
}
CASES = load()


@pytest.fixture(scope="module")
def stage(
    tenant_certificate: trustme.LeafCert,
    tenant_key: RSAKey,
    tenant_trust: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(tenant_trust))
        patch.setenv("NO_PROXY", "localhost,127.0.0.1")
        # The machine may be slow, and no tenant of the corpus hangs.
        patch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", EXTENDED_SECONDS)
        stage = Stage(lambda: Tenant(tenant_certificate, tenant_key), tmp_path_factory.mktemp("sessions"))
        yield stage
        stage.close()


@pytest.fixture
def standing_clock(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    class StandingDatetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> t.Self:
            return cls.fromtimestamp(stage.clock(), tz)

    monkeypatch.setattr(time, "time", stage.clock)
    monkeypatch.setattr(jwt.api_jwt, "datetime", StandingDatetime)  # for jwt_required()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.usefixtures("standing_clock")
def test_attack(case: Case, request: pytest.FixtureRequest) -> None:
    PLAYERS[case.surface](case, request)

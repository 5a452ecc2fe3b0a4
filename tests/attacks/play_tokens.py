"""Plays tokens: of the app's own on the surface token, of a tenant on the surface tenant."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import replace

from .cases import Case
from .keys import PUBLISHED, public_jwk
from .play_http import make_token, play_requests
from .stage import Stage

_PLACES = {
    "access": {"path": "/who"},
    "refresh": {"path": "/api/login/refresh"},
    "login": {"path": "/api/login", "method": "POST"},
}


def play(case: Case, stage: Stage) -> None:
    """Send a token to the place that it is for, or that its recipe names, and check the response."""
    if case.surface == "tenant" or (case.token or {}).get("issuer") == "tenant":
        case = replace(case, config={"tenant": {}, **(case.config or {})})
        stage.tenant.body, stage.tenant.status = None, 200
        stage.tenant.keys = [public_jwk(name) for name in PUBLISHED]
    stage.set_up(case.config)
    send_token(case, stage)


def send_token(case: Case, stage: Stage) -> None:
    """Send the token of a case to the app."""
    recipe: Mapping[str, t.Any] = case.token or {}
    place = "login" if case.surface in ("tenant", "jwks") else recipe.get("use", "access")
    request = {
        **_PLACES[recipe.get("to") or place],
        "headers": [["Authorization", "Bearer {the_token}"]],
    }
    token = make_token(case, recipe, stage, "token")
    play_requests(replace(case, token=None, request=(request,)), stage, {"the_token": token})

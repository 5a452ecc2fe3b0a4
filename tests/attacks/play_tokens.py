"""Plays tokens: of the app's own on the surface token, of a tenant on the surface tenant."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import replace

from ..forge import REALM
from . import play_http
from .cases import Case
from .play_http import make_token, play_requests
from .stage import Stage

_PLACES = {
    "access": {"path": "/who"},
    "refresh": {"path": "/api/login/refresh"},
    "jwt_required": {"path": "/extended"},
    "login": {"path": "/api/login", "method": "POST"},
}


def play(case: Case, stage: Stage) -> None:
    """Send a token to the place that it is for, or that its recipe names, and check the response."""
    if (case.token or {}).get("issuer", case.surface) == "tenant":
        case = replace(case, config={"tenant": {}, **(case.config or {})})
    if case.request:
        play_http.play(case, stage)
        return
    stage.set_up(case.config)
    send_token(case, stage)


def send_token(case: Case, stage: Stage) -> None:
    """Send the token of a case to the app."""
    recipe: Mapping[str, t.Any] = case.token or {}
    if case.surface in ("tenant", "jwks"):
        _send(case, stage, recipe, recipe.get("to") or "login")
        return
    use = recipe.get("use", "access")
    _send(case, stage, recipe, recipe.get("to") or use)
    # Nothing makes a refresh token of it either, unless the recipe names a use or a place.
    if case.expect[0]["status"] == 401 and recipe.keys().isdisjoint(("use", "to")):
        _send(case, stage, {"use": "refresh", **recipe}, "refresh")


def _send(case: Case, stage: Stage, recipe: Mapping[str, t.Any], place: str) -> None:
    token = make_token(case, recipe, stage, "token")
    request = {**_PLACES[place], "headers": [["Authorization", "Bearer {the_token}"]]}
    [expect] = case.expect
    if expect["status"] == 401:
        realm = (case.config or {}).get("API_AUTH_REALM", REALM)
        challenge = f'Bearer realm="{realm}", error="invalid_token"'
        expect = {**expect, "headers": {"WWW-Authenticate": challenge}}
    played = replace(case, token=None, request=(request,), expect=(expect,))
    play_requests(played, stage, {"the_token": token})

"""``GET <prefix>``: the name of the API and the ways to log in. ``GET <prefix>/openapi.json``: its
description."""

from __future__ import annotations

import typing as t

from flask import current_app, jsonify, request

from ..callbacks import REJECTIONS
from ..openapi import spec
from ..protection import check_active, mark_exempt
from ..state import State
from ..transport import read_token

if t.TYPE_CHECKING:
    from flask import Response


@mark_exempt
def about() -> Response:
    """Return ``API_AUTH_ABOUT``: in full with a valid token, otherwise the part that a login needs."""
    state = State.current()
    config = state.config
    everything = config.about or {}
    auths = ["localjwt"] if state.validators.has_passwords else []
    auths += [
        f"auth0 domain={tenant.domain} audience={tenant.audience} clientid={tenant.clientid}"
        for tenant in config.tenants
    ]
    if not config.enable or _has_valid_token(state):
        response = jsonify({**everything, "auths": auths})
        response.headers["Cache-Control"] = "no-store"  # a shared cache would return it without a token
        return response
    public: dict[str, t.Any] = {"auths": auths}
    if "app" in everything:
        public["app"] = everything["app"]
    if everything.get("version"):
        major = everything["version"]["number"].partition(".")[0]
        public["version"] = {"number": f"{major}.0.0"}
    return jsonify(public)


@mark_exempt
def openapi() -> Response:
    """Return the OpenAPI document of these routes."""
    return jsonify(spec(current_app))


def _has_valid_token(state: State) -> bool:
    try:
        sent = read_token(state.tokens, state.config.realm, "access", request.environ)
        if sent is None:
            return False
        check_active(state, sent[0])
    except REJECTIONS:
        return False
    return True

"""The route that tells what this API is and how to log in to it: ``GET <prefix>``."""

from __future__ import annotations

import typing as t

from flask import jsonify, request

from .decorators import auth_exempt
from .guard import accept, sent_token
from .host_code import REFUSALS
from .state import State

if t.TYPE_CHECKING:
    from flask import Response


@auth_exempt
def about() -> Response:
    """Tell what this API is and how to log in to it; in full to whoever has a valid token."""
    state = State.of_app()
    config = state.config
    everything = config.about or {}
    auths = ["localjwt"] if config.users or state.host.verifier is not None else []
    auths += [
        f"auth0 domain={tenant.domain} audience={tenant.audience} clientid={tenant.clientid}"
        for tenant in config.tenants
    ]
    if not config.enable or _has_valid_token(state):
        return jsonify({**everything, "auths": auths})
    answer: dict[str, t.Any] = {"auths": auths}
    if "app" in everything:
        answer["app"] = everything["app"]
    if everything.get("version"):
        major = everything["version"]["number"].partition(".")[0]
        answer["version"] = {"number": f"{major}.0.0"}
    return jsonify(answer)


def _has_valid_token(state: State) -> bool:
    try:
        sent = sent_token(state, "access", request.environ)
        if sent is None:
            return False
        accept(state, sent[0])
    except REFUSALS:
        return False
    return True

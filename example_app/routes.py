"""The app's own routes, one for each way to protect one."""

from __future__ import annotations

import typing as t

from flask import Blueprint

from flask_core_auth import auth_required, current_identity

routes = Blueprint("routes", __name__, url_prefix="/api/v3")

Answer = dict[str, t.Any]


@routes.get("/ping")
def ping() -> Answer:
    """Open to everybody."""
    return {"answer": "pong"}


@routes.get("/profile")
@auth_required
def profile() -> Answer:
    """For whoever is logged in."""
    return {
        "subject": current_identity.subject,
        "idp": current_identity.idp,
        "scopes": sorted(current_identity.scopes),
    }


@routes.get("/secrets")
@auth_required(fresh=True)
def secrets() -> Answer:
    """Only straight after a login, not after a refresh."""
    return {"secret": "42"}


@routes.get("/admin")
@auth_required(scopes="admin")
def admin() -> Answer:
    """Only with the scope admin."""
    return {"welcome": current_identity.subject}

"""The app's own routes, one for each kind of protection."""

from __future__ import annotations

import typing as t

from flask import Blueprint

from flask_core_auth import auth_required, current_identity

routes = Blueprint("routes", __name__, url_prefix="/api/v3")

Body = dict[str, t.Any]


@routes.get("/ping")
def ping() -> Body:
    """Open to everybody."""
    return {"answer": "pong"}


@routes.get("/profile")
@auth_required
def profile() -> Body:
    """Requires a login."""
    return {
        "subject": current_identity.subject,
        "idp": current_identity.idp,
        "scopes": sorted(current_identity.scopes),
    }


@routes.get("/secrets")
@auth_required(fresh=True)
def secrets() -> Body:
    """Requires a fresh login: a refreshed token is rejected."""
    return {"answer": "42"}


@routes.get("/admin")
@auth_required(scopes="admin")
def admin() -> Body:
    """Requires the scope admin."""
    return {"welcome": current_identity.subject}

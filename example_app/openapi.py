"""The description of the whole API: the login's description, merged with the app's own routes."""

from __future__ import annotations

import typing as t

from flask import request

from flask_core_auth import openapi

from . import routes

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

Document = dict[str, t.Any]

TEXT = {"type": "string"}
ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/CoreAuthError"}}}


def describe(app: Flask) -> Document:
    """Make one OpenAPI document. This needs a request, since the app may be below a path."""
    # All names in it begin with CoreAuth, so they cannot collide with the names of the app.
    login = openapi.spec(app)
    return {
        "openapi": login["openapi"],
        "info": {
            "title": "Example app",
            "version": "1.0.0",
            "description": "Log in, copy the access token, paste it under *Authorize*, and try the routes.",
        },
        "servers": [{"url": request.script_root or "/"}],
        "tags": [{"name": "login"}, {"name": "routes"}, {"name": "sessions"}],
        "paths": {**login["paths"], **_own_paths(login["components"]["securitySchemes"])},
        "components": login["components"],
    }


def _own_paths(schemes: Document) -> Document:
    # In the header or, with API_AUTH_COOKIES, in a cookie.
    access: list[Document] = [{name: []} for name in schemes if name.startswith("CoreAuthAccess")]
    unauthorized = {"401": {"$ref": "#/components/responses/CoreAuth401"}}
    forbidden = {"403": {"description": "The token does not have the scope", "content": ERROR}}
    profile = {"subject": TEXT, "idp": TEXT, "scopes": {"type": "array", "items": TEXT}}
    return {
        "/api/v3/ping": _get(routes.ping, [{}], {"answer": TEXT}),
        "/api/v3/profile": _get(routes.profile, access, profile, unauthorized),
        "/api/v3/secrets": _get(routes.secrets, access, {"answer": TEXT}, unauthorized),
        "/api/v3/admin": _get(routes.admin, access, {"welcome": TEXT}, unauthorized | forbidden),
    }


def _get(
    view: Callable[..., object],
    security: list[Document],
    properties: Document,
    errors: Document | None = None,
) -> Document:
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {
        "get": {
            "operationId": view.__name__,
            "summary": (view.__doc__ or "").partition("\n")[0].rstrip("."),
            "tags": ["routes"],
            "security": security,
            "responses": {
                "200": {"description": "OK", "content": {"application/json": {"schema": schema}}},
                **(errors or {}),
            },
        }
    }

"""The description of flask-core-auth's routes, as OpenAPI 3.1."""

from __future__ import annotations

import copy
import re
import typing as t

from .state import KEY, State

if t.TYPE_CHECKING:
    from flask import Flask

    from .config import AuthConfig

Document = dict[str, t.Any]

Operation = t.Callable[["AuthConfig"], Document]

_TEXT = {"type": "string", "minLength": 1, "pattern": r"^[^\u0000]*$"}
_JWT = {
    "type": "string",
    "description": "A JWT (RFC 7519)",
    "examples": ["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl"],
}
_MEANINGS = {
    400: "The request is not valid for this route",
    401: "No token, or a token that is not accepted",
    403: "The credentials are rejected",
    404: "The caller has no session with this ID",
    413: "The body is larger than 16 KiB",
    429: "Too many failed logins",
    503: "The decision cannot be made now",
}
_PHRASES = {
    400: ("Bad Request", "The field password is missing"),
    401: ("Unauthorized", "Missing or invalid JWT token"),
    403: ("Forbidden", "Wrong username or password"),
    404: ("Not Found", "No such session"),
    413: ("Request Entity Too Large", "The body must not be larger than 16384 bytes"),
    429: ("Too Many Requests", "Too many failed logins, try again later"),
    503: ("Service Unavailable", "The identity provider's keys cannot be fetched"),
}


def spec(app: Flask) -> Document:
    """Describe the routes that :class:`.CoreAuth` has on ``app``, as the app's config switches them on.

    The result is a complete OpenAPI 3.1 document. To merge it into an app's own document, take its
    ``paths`` and its ``components``; every name in these begins with ``CoreAuth``.

    :raises KeyError: if no :class:`.CoreAuth` is registered on the app.
    """
    state: State = app.extensions[KEY]
    paths: dict[str, Document] = {}
    for rule in app.url_map.iter_rules():
        blueprint, _, endpoint = rule.endpoint.rpartition(".")
        if blueprint != state.blueprint:
            continue
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        for method in rule.methods or ():
            operation = _OPERATIONS.get((method, endpoint))
            if operation is not None:
                paths.setdefault(path, {})[method.lower()] = operation(state.config)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Login",
            "version": "1",
            "description": "Log in with a username and a password, or with an Auth0 access token.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": copy.deepcopy(_SCHEMAS),
            "responses": {_name(status): _error_response(status) for status in _MEANINGS},
            "securitySchemes": _security_schemes(app, state.config),
        },
    }


def _name(status: int) -> str:
    return f"CoreAuth{status}"


def _error_response(status: int) -> Document:
    phrase, detail = _PHRASES[status]
    headers: Document = {}
    if status in (429, 503):
        headers["Retry-After"] = {
            "description": "When to try again, in seconds",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        }
    if status == 401:
        headers["WWW-Authenticate"] = {
            "description": "The challenge (RFC 6750, 3)",
            "required": True,
            "schema": {"type": "string"},
        }
    return {
        "description": _MEANINGS[status],
        "headers": headers,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/CoreAuthError"},
                "example": {"code": status, "message": phrase, "details": [detail]},
            }
        },
    }


def _error_responses(*statuses: int) -> Document:
    return {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in statuses}


def _success(description: str, schema: str) -> Document:
    return {
        "200": {
            "description": description,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
        }
    }


def _tokens_success(description: str, schema: str) -> Document:
    answer = _success(description, schema)
    answer["200"]["headers"] = {
        "Cache-Control": {"required": True, "schema": {"type": "string", "const": "no-store"}}
    }
    return answer


def _security(config: AuthConfig, *kinds: str) -> list[Document]:
    """Return the security requirement: any of these tokens, in the header or, if cookies are on, in a
    cookie."""
    schemes = [f"CoreAuth{kind}Token" for kind in kinds]
    if config.cookies:
        schemes += [f"CoreAuth{kind}Cookie" for kind in kinds]
    return [{scheme: []} for scheme in schemes]


def _login(config: AuthConfig) -> Document:
    security: list[Document] = [{}]
    if config.tenants:
        security.append({"CoreAuthAuth0Token": []})
    return {
        "operationId": "coreAuthLogin",
        "summary": "Log in",
        "description": "With a username and a password. With an Auth0 access token no body is needed.",
        "tags": ["login"],
        "security": security,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/CoreAuthCredentials"}}
            },
        },
        "responses": {
            **_tokens_success("Logged in", "CoreAuthTokens"),
            **_error_responses(400, 403, 413, 429, 503),
        },
    }


def _refresh(config: AuthConfig) -> Document:
    success = _tokens_success(
        "Refreshed",
        "CoreAuthTokens" if config.refresh_rotation else "CoreAuthAccessToken",
    )
    if config.cookies:
        content = success["200"]["content"]["application/json"]
        empty = {"type": "object", "maxProperties": 0, "description": "After a refresh by cookie"}
        content["schema"] = {"oneOf": [content["schema"], empty]}
    return {
        "operationId": "coreAuthRefresh",
        "summary": "Get a new access token",
        "tags": ["login"],
        "security": _security(config, "Refresh"),
        "responses": {**success, **_error_responses(401, 503)},
    }


def _about(config: AuthConfig) -> Document:
    return {
        "operationId": "coreAuthAbout",
        "summary": "The name of this API, and the ways to log in",
        "tags": ["login"],
        "security": [{}, *_security(config, "Access")],
        "responses": _success("In full with a valid access token", "CoreAuthAbout"),
    }


def _openapi(config: AuthConfig) -> Document:
    return {
        "operationId": "coreAuthOpenapi",
        "summary": "This description",
        "tags": ["login"],
        "security": [{}],
        "responses": {
            "200": {
                "description": "An OpenAPI document",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }
        },
    }


def _logout(config: AuthConfig) -> Document:
    return {
        "operationId": "coreAuthLogout",
        "summary": "End the session",
        "tags": ["sessions"],
        "security": _security(config, "Access", "Refresh"),
        "responses": {"204": {"description": "Ended"}, **_error_responses(401, 503)},
    }


def _list_sessions(config: AuthConfig) -> Document:
    return {
        "operationId": "coreAuthListSessions",
        "summary": "Sessions of the caller",
        "tags": ["sessions"],
        "security": _security(config, "Access"),
        "responses": {
            **_success("All of the caller's", "CoreAuthSessions"),
            **_error_responses(401, 503),
        },
    }


def _end_sessions(config: AuthConfig) -> Document:
    return {
        "operationId": "coreAuthEndSessions",
        "summary": "End all sessions of the caller",
        "tags": ["sessions"],
        "security": _security(config, "Access"),
        "responses": {"204": {"description": "Ended"}, **_error_responses(401, 503)},
    }


def _end_session(config: AuthConfig) -> Document:
    return {
        "operationId": "coreAuthEndSession",
        "summary": "End one session of the caller",
        "tags": ["sessions"],
        "security": _security(config, "Access"),
        "parameters": [
            {"name": "session_id", "in": "path", "required": True, "schema": {"type": "string"}}
        ],
        "responses": {"204": {"description": "Ended"}, **_error_responses(401, 404, 503)},
    }


_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "login"): _login,
    ("GET", "refresh"): _refresh,
    ("GET", "about"): _about,
    ("GET", "openapi"): _openapi,
    ("POST", "logout"): _logout,
    ("GET", "sessions"): _list_sessions,
    ("DELETE", "end_sessions"): _end_sessions,
    ("DELETE", "end_session"): _end_session,
}


def _object(required: list[str], **properties: Document) -> Document:
    return {"type": "object", "required": required, "properties": properties}


_TIME = {"type": "string", "format": "date-time"}

_SCHEMAS: Document = {
    "CoreAuthCredentials": _object(
        ["username", "password"],
        username={**_TEXT, "examples": ["admin"]},
        password={**_TEXT, "format": "password", "examples": ["correct horse battery staple"]},
    ),
    "CoreAuthTokens": _object(["access_token", "refresh_token"], access_token=_JWT, refresh_token=_JWT),
    "CoreAuthAccessToken": _object(["access_token"], access_token=_JWT),
    "CoreAuthAbout": _object(
        ["auths"],
        app={"type": "string"},
        auths={"type": "array", "items": {"type": "string"}, "examples": [["localjwt"]]},
        version=_object(["number"], number={"type": "string", "examples": ["16.0.0"]}),
    ),
    "CoreAuthSessions": _object(
        ["sessions"],
        sessions={
            "type": "array",
            "items": _object(
                ["id", "created_at", "last_used_at", "expires_at", "address", "user_agent", "current"],
                id={"type": "string"},
                created_at=_TIME,
                last_used_at=_TIME,
                expires_at=_TIME,
                address={"type": ["string", "null"]},
                user_agent={"type": ["string", "null"]},
                current={"type": "boolean"},
            ),
        },
    ),
    "CoreAuthError": _object(
        ["code", "message", "details"],
        code={"type": "integer"},
        message={"type": "string"},
        details={"type": "array", "items": {"type": "string"}},
    ),
}


def _security_schemes(app: Flask, config: AuthConfig) -> Document:
    def bearer(description: str) -> Document:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": description,
        }

    def cookie(name: str) -> Document:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": name,
            "description": "Set at the login; needs the CSRF value of its companion in a header.",
        }

    schemes = {
        "CoreAuthAccessToken": bearer("The access token of a login"),
        "CoreAuthRefreshToken": bearer("The refresh token of a login"),
    }
    if config.tenants:
        schemes["CoreAuthAuth0Token"] = bearer("An Auth0 access token for this API")
    if config.cookies:
        schemes["CoreAuthAccessCookie"] = cookie(app.config["JWT_ACCESS_COOKIE_NAME"])
        schemes["CoreAuthRefreshCookie"] = cookie(app.config["JWT_REFRESH_COOKIE_NAME"])
    return schemes

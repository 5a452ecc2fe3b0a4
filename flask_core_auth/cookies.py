"""Tokens in cookies, for a front end in the browser: those of flask-jwt-extended, set securely."""

from __future__ import annotations

import typing as t

from flask_jwt_extended import set_access_cookies, set_refresh_cookies, unset_jwt_cookies

from . import compact

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask import Flask, Response

#: What an app without a JWTManager of its own gets where it does not say otherwise. A refresh by cookie
#: demands the CSRF value, too (:func:`.jwt_extended.find_token`), though it is a GET.
DEFAULTS: Mapping[str, t.Any] = {
    "JWT_TOKEN_LOCATION": ["headers", "cookies"],
    "JWT_COOKIE_SECURE": True,
    "JWT_COOKIE_SAMESITE": "Lax",
    "JWT_COOKIE_CSRF_PROTECT": True,
    "JWT_CSRF_METHODS": ["POST", "PUT", "PATCH", "DELETE"],
}


def conflicts(app: Flask) -> Iterator[tuple[str, str]]:
    """What in the app's own settings would let a page of somebody else use or see the cookies."""
    settings = {key: app.config.get(key, default) for key, default in DEFAULTS.items()}
    locations = settings["JWT_TOKEN_LOCATION"]
    if "cookies" not in ((locations,) if isinstance(locations, str) else locations):
        yield "JWT_TOKEN_LOCATION", "must contain cookies where API_AUTH_COOKIES is true"
    if settings["JWT_COOKIE_SECURE"] is not True:
        yield "JWT_COOKIE_SECURE", "must be True where API_AUTH_COOKIES is true"
    if settings["JWT_COOKIE_SAMESITE"] not in ("Lax", "Strict"):
        yield "JWT_COOKIE_SAMESITE", 'must be "Lax" or "Strict" where API_AUTH_COOKIES is true'
    if settings["JWT_COOKIE_CSRF_PROTECT"] is not True:
        yield "JWT_COOKIE_CSRF_PROTECT", "must be True where API_AUTH_COOKIES is true"
    if not set(DEFAULTS["JWT_CSRF_METHODS"]) <= set(settings["JWT_CSRF_METHODS"]):
        yield "JWT_CSRF_METHODS", "must contain POST, PUT, PATCH and DELETE where API_AUTH_COOKIES is true"


def set_defaults(app: Flask, *, prefix: str) -> None:
    """Make the cookies of an app without a JWTManager of its own secure.

    :param prefix: where our routes are: the refresh cookie is sent nowhere else.
    """
    for key, default in {**DEFAULTS, "JWT_REFRESH_COOKIE_PATH": prefix}.items():
        app.config.setdefault(key, default)


def give(response: Response, tokens: Mapping[str, str]) -> None:
    """Add the cookies of new tokens to the response that brings them, to last as long as they do."""
    set_access_cookies(response, tokens["access_token"], max_age=_lifetime(tokens["access_token"]))
    if "refresh_token" in tokens:
        set_refresh_cookies(response, tokens["refresh_token"], max_age=_lifetime(tokens["refresh_token"]))


def _lifetime(token: str) -> int:
    lifetime: int = compact.load_object(compact.parse(token).payload)["exi"]
    return lifetime


def take_back(response: Response) -> None:
    """Have the browser forget the cookies."""
    unset_jwt_cookies(response)

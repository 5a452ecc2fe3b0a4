"""The URL table: each route with its rule, its view and the condition that switches it on."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from dataclasses import dataclass

from . import about, login, refresh, sessions

if t.TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState
    from flask.typing import ResponseReturnValue

    from ..config import AuthConfig


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    :param method: the HTTP method.
    :param rule: the URL rule below the blueprint's prefix. Empty for the prefix itself.
    :param endpoint: the name of the endpoint, without the blueprint's name.
    :param view: the view function, which reads and verifies tokens by itself.
    :param condition: tells from the app's config whether the app has the route.
    """

    method: str
    rule: str
    endpoint: str
    view: Callable[..., ResponseReturnValue]
    condition: Callable[[AuthConfig], bool]


def _always(config: AuthConfig) -> bool:
    return True


def _has_sessions(config: AuthConfig) -> bool:
    return config.sessions is not None


ROUTES = (
    Route("POST", "/login", "login", login.login, _always),
    Route("GET", "/login/refresh", "refresh", refresh.refresh, _always),
    Route("GET", "", "about", about.about, lambda config: config.about is not None),
    Route("GET", "/openapi.json", "openapi", about.openapi, lambda config: config.openapi),
    Route("GET", "/sessions", "sessions", sessions.list_sessions, _has_sessions),
    Route("DELETE", "/sessions", "end_sessions", sessions.end_sessions, _has_sessions),
    Route("DELETE", "/sessions/<session_id>", "end_session", sessions.end_session, _has_sessions),
    Route(
        "POST", "/logout", "logout", sessions.logout, lambda config: config.cookies or _has_sessions(config)
    ),
)


def add_routes(setup: BlueprintSetupState, config: AuthConfig) -> None:
    """Add the routes of one app. A rule that is added to the blueprint itself would be there for every
    app."""
    for route in ROUTES:
        if route.condition(config):
            rule = route.rule if route.rule or setup.url_prefix else "/"
            setup.add_url_rule(rule, route.endpoint, route.view, methods=[route.method])

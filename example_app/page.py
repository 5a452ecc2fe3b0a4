"""The page at ``/``, and headers that forbid a browser everything that the pages do not need."""

from __future__ import annotations

import importlib
import inspect
import typing as t

from flask import Blueprint, Response, current_app, render_template, url_for

if t.TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState

page = Blueprint("page", __name__)

#: The key of the Python sources in ``app.extensions``.
SOURCES = "example_app.sources"

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    # The script sends the form. Without the script, the browser must not send it, not even to this app.
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    # With these, the browser rejects strings as HTML, for example in innerHTML.
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(map(" ".join, POLICY.items())),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Route(t.NamedTuple):
    """A route that the page can call."""

    url: str
    purpose: str
    source: str


@page.record
def read_sources(state: BlueprintSetupState) -> None:
    """Read the Python source of every view of the app, and of its factory.

    At the start: later, the files may no longer be the ones that run. Register the page after the routes.
    """
    views = {
        endpoint: inspect.getsource(view)
        for endpoint, view in state.app.view_functions.items()
        if endpoint.startswith("routes.")
    }
    factory = inspect.getsource(importlib.import_module(state.app.import_name).create_app)
    state.app.extensions[SOURCES] = {**views, "create_app": factory}


@page.get("/")
def index() -> str:
    """Show the page."""
    prefix = url_for("core_auth.login").removesuffix("/login")
    return render_template(
        "index.html",
        prefix=prefix,
        routes=_routes(),
        sessions=_has_sessions(),
        factory=current_app.extensions[SOURCES]["create_app"],
    )


@page.after_app_request
def harden(response: Response) -> Response:
    """Set the headers, unless a view has set its own."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _routes() -> list[Route]:
    """Return the app's own routes, each with the first line of its view's docstring and its source."""
    return [
        Route(
            url_for(rule.endpoint),
            (current_app.view_functions[rule.endpoint].__doc__ or "").partition("\n")[0],
            current_app.extensions[SOURCES][rule.endpoint],
        )
        for rule in current_app.url_map.iter_rules()
        if rule.endpoint.startswith("routes.")
    ]


def _has_sessions() -> bool:
    path = f"{current_app.blueprints['core_auth'].url_prefix}/sessions"
    return any(rule.rule == path for rule in current_app.url_map.iter_rules())

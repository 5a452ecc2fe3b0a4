"""The page at ``/``, and headers that forbid a browser everything that the pages do not need."""

from __future__ import annotations

import typing as t

from flask import Blueprint, Response, current_app, render_template, url_for

page = Blueprint("page", __name__)

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


@page.get("/")
def index() -> str:
    """Show the page."""
    prefix = url_for("core_auth.login").removesuffix("/login")
    return render_template("index.html", prefix=prefix, routes=_routes(), sessions=_has_sessions())


@page.after_app_request
def harden(response: Response) -> Response:
    """Set the headers, unless a view has set its own."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _routes() -> list[Route]:
    """Return the app's own routes, each with the first line of its view's docstring."""
    return [
        Route(
            url_for(rule.endpoint),
            (current_app.view_functions[rule.endpoint].__doc__ or "").partition("\n")[0],
        )
        for rule in current_app.url_map.iter_rules()
        if rule.endpoint.startswith("routes.")
    ]


def _has_sessions() -> bool:
    path = f"{current_app.blueprints['core_auth'].url_prefix}/sessions"
    return any(rule.rule == path for rule in current_app.url_map.iter_rules())

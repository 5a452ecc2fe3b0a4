"""The page at ``/docs``: Swagger UI shows the description of the API, and sends requests."""

from __future__ import annotations

import typing as t
from importlib import resources

from flask import Blueprint, current_app, jsonify, make_response, render_template

from . import page
from .openapi import describe

if t.TYPE_CHECKING:
    from flask import Response

# Swagger UI loads its arrows from data: URLs, and makes HTML from descriptions, which it sanitizes.
LOOSENED = {"img-src": "'self' data:"}
DROPPED = {"require-trusted-types-for", "trusted-types"}
POLICY = {name: value for name, value in (page.POLICY | LOOSENED).items() if name not in DROPPED}

docs = Blueprint(
    "docs",
    __name__,
    # Only the files, not the page of flask_swagger_ui: the policy forbids its inline script.
    static_folder=str(resources.files("flask_swagger_ui") / "dist"),
    static_url_path="/docs/assets",
)


@docs.get("/docs")
def index() -> Response:
    """Show the page."""
    response = make_response(render_template("docs.html"))
    response.headers["Content-Security-Policy"] = "; ".join(map(" ".join, POLICY.items()))
    return response


@docs.get("/openapi.json")
def document() -> Response:
    """Serve the description of the API."""
    return jsonify(describe(current_app))

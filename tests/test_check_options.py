"""``flask core-auth check`` names the views under ``protect()`` that answer OPTIONS by themselves."""

from __future__ import annotations

from flask import Blueprint

from flask_core_auth import CoreAuth, auth_exempt
from flask_core_auth.check import examine


def options_warnings(app) -> list[str]:
    return [warning for warning in examine(lambda: app).warnings if "OPTIONS" in warning]


def test_check_warns_of_options_under_a_protected_app(make_app):
    core_auth = CoreAuth()
    app = make_app(core_auth)
    core_auth.protect(app)
    app.add_url_rule("/own", "own", lambda: "own", methods=["GET", "OPTIONS"])
    app.add_url_rule("/exempt", "exempt", auth_exempt(lambda: "exempt"), methods=["OPTIONS"])
    app.add_url_rule("/usual", "usual", lambda: "usual")
    [warning] = options_warnings(app)
    assert warning.startswith("/own answers OPTIONS itself")


def test_check_warns_of_options_under_a_protected_blueprint_and_those_nested_in_it(make_app):
    core_auth = CoreAuth()
    outer, inner, other = Blueprint("outer", "x"), Blueprint("inner", "x"), Blueprint("other", "x")
    for name, blueprint in (("outer", outer), ("inner", inner), ("other", other)):
        blueprint.add_url_rule(f"/{name}", "view", lambda: "view", methods=["OPTIONS"])
    core_auth.protect(outer)
    outer.register_blueprint(inner)
    app = make_app(core_auth)
    app.register_blueprint(outer)
    app.register_blueprint(other)
    assert sorted(warning.split()[0] for warning in options_warnings(app)) == ["/inner", "/outer"]

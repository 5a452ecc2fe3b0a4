"""Run the code blocks of docs/protecting.md, and check its claims."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask, abort

from flask_core_auth import CoreAuth, auth_required, current_identity
from flask_core_auth.errors import UnauthorizedError
from flask_core_auth.testing import AuthClient

from .blocks import Page


def new_app(**config):
    app = Flask(__name__)
    app.test_client_class = AuthClient
    app.config.update({"API_AUTH_JWT_SECRET": "made-with-flask-core-auth-generate-secret", **config})
    return app


def test_route_needs_an_access_token(page: Page) -> None:
    app = new_app()
    app.register_blueprint(CoreAuth())
    page.run("route", app=app)
    anonymous = app.test_client()
    assert anonymous.get("/api/v3/process").status_code == 401
    assert app.test_client(subject="alice").get("/api/v3/process").json == {"user": "alice"}
    with app.app_context():
        refresh_token = app.blueprints["core_auth"].issue("alice").refresh_token
    header = {"Authorization": f"Bearer {refresh_token}"}
    assert anonymous.get("/api/v3/process", headers=header).status_code == 401


def test_routes_demand_fresh_tokens_scopes_or_nothing(page: Page) -> None:
    app = new_app()
    app.register_blueprint(CoreAuth())
    page.run("fresh", app=app, auth_required=auth_required)
    page.run("scopes")
    page.run("optional", current_identity=current_identity)

    def challenge(response):
        return response.status_code, response.headers["WWW-Authenticate"]

    anonymous, alice = app.test_client(), app.test_client(subject="alice")
    stale = app.test_client(subject="alice", fresh=False)
    assert alice.post("/api/v3/password").json == {"changed": True}
    assert challenge(stale.post("/api/v3/password")) == (
        401,
        'Bearer realm="flask-core-auth", error="insufficient_user_authentication"',
    )
    reader = app.test_client(subject="alice", scopes=["metrics:read"])
    assert reader.get("/api/v3/metrics").status_code == 200
    assert challenge(reader.delete("/api/v3/metrics")) == (
        403,
        'Bearer realm="flask-core-auth", error="insufficient_scope", scope="metrics:read metrics:write"',
    )
    assert alice.get("/api/v3/metrics").status_code == 403
    admin = app.test_client(subject="admin", scopes=["*"])
    assert admin.delete("/api/v3/metrics").status_code == 200
    assert anonymous.get("/api/v3/welcome").json == {"hello": "stranger"}
    assert alice.get("/api/v3/welcome").json == {"hello": "alice"}
    bad = {"Authorization": "Bearer no-token"}
    assert challenge(anonymous.get("/api/v3/welcome", headers=bad)) == (
        401,
        'Bearer realm="flask-core-auth", error="invalid_token"',
    )
    for wrong in ({"fresh": True}, {"scopes": "a"}):
        with pytest.raises(ValueError, match="optional"):
            auth_required(optional=True, **wrong)


def test_protected_app_exempts_single_views(page: Page) -> None:
    app = new_app()
    page.run("protect", app=app, current_identity=current_identity)
    page.run("static")
    page.run("nested", auth_required=auth_required)
    Path("static").mkdir()
    Path("static/app.css").write_text("")
    app.static_folder = str(Path("static").absolute())
    anonymous, alice = app.test_client(), app.test_client(subject="alice")
    assert anonymous.get("/api/v3/process").status_code == 401
    assert alice.get("/api/v3/process").json == {"user": "alice"}
    assert anonymous.get("/health").json == {"ok": True}
    with anonymous.get("/static/app.css") as response:
        assert response.status_code == 200
    assert anonymous.get("/nowhere").status_code == 404
    assert anonymous.delete("/health").status_code == 405
    assert anonymous.post("/api/login", json={"username": "a", "password": "b"}).status_code == 403
    assert anonymous.get("/admin/users").status_code == 401
    assert alice.get("/admin/users").status_code == 403
    del app.view_functions["static"].__dict__["_core_auth_exempt"]
    assert anonymous.get("/static/app.css").status_code == 401


def test_class_based_and_async_views_are_protected(page: Page) -> None:
    app = new_app()
    app.register_blueprint(CoreAuth())
    page.run("class", app=app, auth_required=auth_required, current_identity=current_identity)
    page.run("async")
    anonymous, stale = app.test_client(), app.test_client(subject="alice", fresh=False)
    assert anonymous.get("/api/v3/process/a").status_code == 401
    assert stale.get("/api/v3/process/a").json == {"name": "a", "user": "alice"}
    assert stale.delete("/api/v3/process/a").status_code == 401
    assert app.test_client(subject="alice").delete("/api/v3/process/a").json == {"deleted": "a"}
    assert anonymous.get("/api/v3/session").status_code == 401
    assert stale.get("/api/v3/session").json == {"user": "alice"}


def test_identity_in_a_view_and_outside(page: Page) -> None:
    app = new_app()
    core_auth = CoreAuth()
    app.register_blueprint(core_auth)
    page.run("identity", app=app, auth_required=auth_required, current_identity=current_identity)
    page.run("verify", core_auth=core_auth)
    me = app.test_client(subject="alice", scopes=["edit"]).get("/api/v3/me").json
    assert me["same"] is me["editor"] is True
    assert me["expires"] > 0
    with app.app_context():
        pair = core_auth.issue("alice")
    on_connect = page["on_connect"]
    assert on_connect(pair.access_token) == "alice"
    with pytest.raises(UnauthorizedError):
        on_connect(pair.refresh_token)


def test_rejection_has_the_body_of_a_core(page: Page) -> None:
    app = new_app()
    app.register_blueprint(CoreAuth())
    app.get("/api/v3/process")(auth_required(lambda: "p"))
    page.run("error")
    assert app.test_client().get("/api/v3/process").json == json.loads(page.code)


def test_handler_of_a_status_handles_rejections(page: Page) -> None:
    app = new_app()
    app.register_blueprint(CoreAuth())
    app.get("/api/v3/process")(auth_required(lambda: "p"))
    page.run("own-401", app=app)
    response = app.test_client().get("/api/v3/process")
    assert response.text == "<h1>Please log in</h1>"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'
    assert response.content_type == "application/json"


def test_handler_of_auth_errors_handles_nothing_else(page: Page) -> None:
    app = new_app()
    app.register_blueprint(CoreAuth())
    app.get("/api/v3/process")(auth_required(lambda: "p"))
    app.get("/other", endpoint="other")(lambda: abort(401))
    page.run("own-errors", app=app)
    response = app.test_client().get("/api/v3/process")
    assert response.status_code == 401
    assert response.json == {"problem": "Unauthorized", "details": ["Missing or invalid JWT token"]}
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'
    assert "problem" not in app.test_client().get("/other").text


def test_view_with_options_runs_for_everybody(page: Page) -> None:
    app = new_app()
    app.register_blueprint(CoreAuth())
    page.run("options", app=app, auth_required=auth_required, current_identity=current_identity)
    anonymous = app.test_client()
    assert anonymous.options("/api/v3/upload").json == {"accepts": ["video/mp4"]}
    assert anonymous.put("/api/v3/upload").status_code == 401
    assert app.test_client(subject="alice").put("/api/v3/upload").json == {"uploaded_by": "alice"}


def test_protection_turned_off(page: Page) -> None:
    app = new_app(API_AUTH_ENABLE=False)
    app.register_blueprint(CoreAuth())
    page.run("off", app=app, auth_required=auth_required, current_identity=current_identity)
    assert app.test_client().get("/api/v3/secrets").json == {"authenticated": False}
    assert app.test_client(subject="alice").get("/api/v3/secrets").json == {"authenticated": True}
    bad = {"Authorization": "Bearer no-token"}
    assert app.test_client().get("/api/v3/secrets", headers=bad).json == {"authenticated": False}

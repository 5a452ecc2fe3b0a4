"""Run the code blocks of the README, and check its claims."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from unittest import mock

from flask import Flask, request
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.serving import make_server

from example_app import create_app
from flask_core_auth import CoreAuth, auth_exempt, auth_required, current_identity
from flask_core_auth.testing import AuthClient, FakeTenant

from .blocks import Page, move_clocks_by_sleep


def test_app_from_the_first_screen(page: Page) -> None:
    page.run("make")
    page.run("install")
    page.run("app.py")
    page.run("run")
    page.run("curl")


def test_more_features(page: Page) -> None:
    app = Flask(__name__)
    app.test_client_class = AuthClient
    app.config["API_AUTH_JWT_SECRET"] = "a-secret-of-at-least-thirty-two-bytes"

    class User:
        id, password_hash = 7, generate_password_hash("wonderland")

        class query:  # noqa: N801
            @staticmethod
            def filter_by(name):
                return SimpleNamespace(first=lambda: User if name == "alice" else None)

    page.run(
        "features",
        CoreAuth=CoreAuth,
        DUMMY_HASH=generate_password_hash("a password without a user"),
        User=User,
        app=app,
        auth_exempt=auth_exempt,
        auth_required=auth_required,
        check_password_hash=check_password_hash,
        current_identity=current_identity,
    )
    anonymous, alice = app.test_client(), app.test_client(subject="alice", fresh=False)
    wonderland = {"username": "alice", "password": "wonderland"}
    assert anonymous.post("/auth/login", json=wonderland).status_code == 200
    assert anonymous.post("/auth/login", json={**wonderland, "password": "x"}).status_code == 403
    assert anonymous.post("/password").status_code == 401
    assert alice.post("/password").status_code == 401
    assert app.test_client(subject="alice").post("/password").status_code == 200
    assert alice.get("/metrics").status_code == 403
    assert app.test_client(subject="alice", scopes=["metrics:read"]).get("/metrics").status_code == 200
    assert anonymous.get("/").text == "Hello, stranger"
    assert alice.get("/").text == "Hello, alice"
    assert anonymous.get("/", headers={"Authorization": "Bearer x"}).status_code == 401


def test_client_resumes_with_its_tokens(page: Page) -> None:
    tenant = FakeTenant()
    mock.patch.object(sys, "argv", ["client.py", "correct-horse"]).start()
    move_clocks_by_sleep(60)
    app = create_app(
        {
            "API_AUTH_USERNAME": "admin",
            "API_AUTH_PASSWORD": "correct-horse",
            "API_AUTH_JWT_SECRET": "made-with-flask-core-auth-generate-secret",
            "API_AUTH_JWT_ACCESS_EXPIRES": 5 * 60,
            **tenant.config,
        }
    )
    asked = []
    app.before_request(lambda: asked.append(request.path))
    server = make_server("127.0.0.1", page.ports[8080], app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page.run("client")
    profile = "/api/v3/profile"
    assert asked == ["/api/login", profile, "/api/login/refresh", profile]
    asked.clear()
    mock.patch.object(sys, "argv", ["client.py"]).start()
    page.run("client")
    assert "/api/login" not in asked
    assert asked.count(profile) == 2
    server.shutdown()
    server.server_close()

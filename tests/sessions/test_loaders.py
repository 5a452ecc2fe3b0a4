"""What the app's own loaders and settings mean for its sessions."""

from __future__ import annotations

import logging
import time
import typing as t
from pathlib import Path

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager

from flask_core_auth import CoreAuth, auth_required, current_identity
from flask_core_auth.sessions import time as clock

LOGIN = {"username": "admin", "password": "correct horse"}


def make_app(tmp_path: Path, **config: t.Any) -> Flask:
    app = Flask(__name__)
    app.config.update(
        API_AUTH_USERNAME="admin",
        API_AUTH_PASSWORD="correct horse",
        JWT_SECRET_KEY="a-secret-of-at-least-thirty-two-bytes",
        API_AUTH_SESSIONS=f"sqlite:///{tmp_path}/sessions.db",
        API_AUTH_REFRESH_ROTATION=True,
        API_AUTH_SESSION_CHECK="always",
    )
    app.config.update(config)
    JWTManager(app)
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/who", "who", auth_required(lambda: [current_identity.authenticated]))
    return app


def test_loader_that_fails_costs_no_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(tmp_path)
    client = app.test_client()
    refresh = {"Authorization": "Bearer " + client.post("/api/login", json=LOGIN).json["refresh_token"]}
    manager = app.extensions["flask-jwt-extended"]

    @manager.additional_claims_loader
    def down(subject: str) -> dict[str, object]:
        raise ConnectionError

    logging.getLogger("flask_core_auth").disabled = True
    assert client.get("/api/login/refresh", headers=refresh).status_code == 503
    logging.getLogger("flask_core_auth").disabled = False
    manager.additional_claims_loader(lambda subject: {})
    # Long after the grace: had the token been spent, this would be theft.
    later = time.time() + 60
    monkeypatch.setattr(clock, "time", lambda: later)
    assert client.get("/api/login/refresh", headers=refresh).status_code == 200


def test_ended_session_makes_nobody_of_a_request_where_every_route_is_open(tmp_path: Path) -> None:
    client = make_app(tmp_path, API_AUTH_ENABLE=False).test_client()
    header = {"Authorization": "Bearer " + client.post("/api/login", json=LOGIN).json["access_token"]}
    assert client.get("/who", headers=header).json == [True]
    assert client.post("/api/logout", headers=header).status_code == 204
    assert client.get("/who", headers=header).json == [False]

"""An app with sessions, and what a client of it does."""

from __future__ import annotations

import base64
import json
import typing as t

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_core_auth import CoreAuth, auth_required, current_identity

SECRET = "a secret of the tests that is long enough"
PASSWORD = "correct horse"


def make_session_app(sessions: str | None, *, instance_path: str | None = None, **config: object) -> Flask:
    """An app that ``admin`` and ``eve`` can log in to; config keys without their ``API_AUTH_``."""
    app = Flask("tests.sessions.app", instance_path=instance_path)
    settings = {
        "USERS": {
            "admin": {"password": PASSWORD, "scopes": ["*"]},
            "eve": {"password": PASSWORD, "scopes": ["view", "edit"]},
        },
        "JWT_SECRET": SECRET,
        "SESSIONS": sessions,
        **config,
    }
    app.config.update({f"API_AUTH_{key}": value for key, value in settings.items() if value is not None})
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/who", "who", auth_required(lambda: {"subject": current_identity.subject}))
    return app


def login(client: FlaskClient, username: str = "admin", **options: t.Any) -> dict[str, str]:
    response = client.post("/api/login", json={"username": username, "password": PASSWORD}, **options)
    assert response.status_code == 200, response.text
    return t.cast("dict[str, str]", response.json)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refresh(client: FlaskClient, token: str) -> TestResponse:
    return client.get("/api/login/refresh", headers=bearer(token))


def claims(token: str) -> dict[str, t.Any]:
    payload = token.split(".")[1]
    return t.cast("dict[str, t.Any]", json.loads(base64.urlsafe_b64decode(payload + "===")))

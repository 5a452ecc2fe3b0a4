"""Run the code blocks of docs/sessions.md, and check its claims."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask

from ..apps import Clock, bearer, log_in, refresh
from .blocks import Page


@pytest.fixture
def app(page: Page) -> Flask:
    """An app with the sessions of the page's first block, and with rotation."""
    app = Flask(__name__, instance_path=str(Path.cwd() / "instance"))
    app.config.update(API_AUTH_USERNAME="admin", API_AUTH_PASSWORD="correct-horse")
    app.config["API_AUTH_JWT_SECRET"] = "made-with-flask-core-auth-generate-secret"
    page.run("sessions", app=app)
    return app


def test_sessions_are_listed_and_their_refresh_tokens_rotate(page: Page, app: Flask) -> None:
    login = log_in(app, "admin", "correct-horse")
    refreshed = refresh(app, login["refresh_token"]).json
    assert set(refreshed) == {"access_token", "refresh_token"}
    header = bearer(refreshed["access_token"])
    [listed] = app.test_client().get("/api/sessions", headers=header).json["sessions"]
    page.run("list")
    assert set(listed) == set(json.loads(page.code)["sessions"][0])
    assert Path("instance/core-auth.db").exists()


def test_new_password_revokes_sessions(page: Page, app: Flask) -> None:
    saved = []
    page.run("revoke", save_password=lambda subject, password: saved.append((subject, password)))
    client, header = app.test_client(), bearer(log_in(app, "admin", "correct-horse")["access_token"])
    assert client.post("/api/v3/password", json={"password": "new"}, headers=header).status_code == 403
    with app.app_context():
        header = bearer(page["core_auth"].issue("admin", fresh=True).access_token)
    assert client.post("/api/v3/password", json={"password": "new"}, headers=header).status_code == 204
    assert saved == [("admin", "new")]
    assert client.get("/api/sessions", headers=header).status_code == 401


def test_app_hears_of_a_spent_refresh_token(page: Page, app: Flask, clock: Clock) -> None:
    mails = []
    page.run("signal", mail_to=lambda subject, text: mails.append(subject))
    spent = log_in(app, "admin", "correct-horse")["refresh_token"]
    assert refresh(app, spent).status_code == 200
    clock.move(11)
    assert refresh(app, spent).status_code == 401
    assert mails == ["admin"]

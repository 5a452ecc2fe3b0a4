"""Run the code blocks of docs/sessions.md, and check its claims."""

from __future__ import annotations

import pathlib
import time
from unittest import mock

from flask import Flask, request

from flask_core_auth import CoreAuth, auth_required, current_identity

from .blocks import Page


def test_sessions_are_listed_revoked_and_watched(page: Page) -> None:
    app = Flask(__name__, instance_path=str(pathlib.Path.cwd() / "instance"))
    app.config.update(API_AUTH_USERNAME="admin", API_AUTH_PASSWORD="correct-horse")
    app.config["API_AUTH_JWT_SECRET"] = "a-secret-of-at-least-thirty-two-bytes"
    page.run("sessions", CoreAuth=CoreAuth, app=app)
    client = app.test_client()
    login = client.post("/api/login", json={"username": "admin", "password": "correct-horse"}).json
    refreshed = client.get(
        "/api/login/refresh", headers={"Authorization": "Bearer " + login["refresh_token"]}
    ).json
    assert set(refreshed) == {"access_token", "refresh_token"}
    header = {"Authorization": "Bearer " + refreshed["access_token"]}
    [listed] = client.get("/api/sessions", headers=header).json["sessions"]
    assert set(listed) == {
        "id",
        "created_at",
        "last_used_at",
        "expires_at",
        "address",
        "user_agent",
        "current",
    }
    assert pathlib.Path("instance/core-auth.db").exists()
    app._got_first_request = False  # the page goes on to add routes

    saved = []

    def save_password(subject, password):
        saved.append((subject, password))

    page.run("list")
    page.run(
        "revoke",
        auth_required=auth_required,
        current_identity=current_identity,
        request=request,
        save_password=save_password,
    )
    header = {"Authorization": "Bearer " + login["access_token"]}
    assert client.post("/api/v3/password", json={"password": "new"}, headers=header).status_code == 204
    assert saved == [("admin", "new")]
    assert client.get("/api/sessions", headers=header).status_code == 401
    mails = []

    def mail_to(subject, text):
        mails.append(subject)

    page.run("signal", mail_to=mail_to)
    login = client.post("/api/login", json={"username": "admin", "password": "correct-horse"}).json
    spent = {"Authorization": "Bearer " + login["refresh_token"]}
    assert client.get("/api/login/refresh", headers=spent).status_code == 200
    with mock.patch("time.time", return_value=time.time() + 11):
        assert client.get("/api/login/refresh", headers=spent).status_code == 401
    assert mails == ["admin"]

"""Run the code blocks of docs/cookies.md, and check its claims."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager

from flask_core_auth import ConfigError, CoreAuth

from .blocks import Page


def test_tokens_travel_in_cookies(page: Page) -> None:
    app = Flask(__name__)
    app.config.update(API_AUTH_USERNAME="admin", API_AUTH_PASSWORD="correct-horse")
    app.config["API_AUTH_JWT_SECRET"] = "a-secret-of-at-least-thirty-two-bytes"
    page.run("cookies", app=app)
    client = app.test_client()
    response = client.post("/api/login", json={"username": "admin", "password": "correct-horse"})
    cookies = {line.partition("=")[0]: line for line in response.headers.getlist("Set-Cookie")}
    assert set(cookies) == {
        "access_token_cookie",
        "refresh_token_cookie",
        "csrf_access_token",
        "csrf_refresh_token",
    }
    assert all("Secure" in line and "SameSite=Lax" in line for line in cookies.values())
    assert "Path=/api" in cookies["refresh_token_cookie"]
    assert "HttpOnly" in cookies["refresh_token_cookie"]
    assert "HttpOnly" not in cookies["csrf_access_token"]
    csrf = client.get_cookie("csrf_access_token").value
    refresh_csrf = client.get_cookie("csrf_refresh_token").value
    assert client.get("/api/v3/process").status_code == 200
    assert client.post("/api/v3/process").status_code == 401
    assert client.post("/api/v3/process", headers={"X-CSRF-TOKEN": csrf}).status_code == 200
    assert client.get("/api/login/refresh").status_code == 401
    assert client.get("/api/login/refresh", headers={"X-CSRF-TOKEN": refresh_csrf}).status_code == 200
    csrf = client.get_cookie("csrf_access_token").value
    assert client.post("/api/logout").status_code == 401
    assert client.post("/api/logout", headers={"X-CSRF-TOKEN": csrf}).status_code == 204
    assert client.get("/api/v3/process").status_code == 401


def test_weak_settings_of_an_own_manager_are_named() -> None:
    host = Flask("host")
    host.config.update(API_AUTH_COOKIES=True, JWT_SECRET_KEY="a-secret-of-at-least-thirty-two-bytes")
    JWTManager(host)
    with pytest.raises(ConfigError) as error:
        host.register_blueprint(CoreAuth())
    assert {"JWT_TOKEN_LOCATION", "JWT_COOKIE_SECURE", "JWT_COOKIE_SAMESITE"} == {
        key for key, _ in error.value.problems
    }

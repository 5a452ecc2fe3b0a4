"""Run the code of docs/how-it-works.md, and check the order of the steps in its drawings."""

from __future__ import annotations

import typing as t

from flask import Flask

from flask_core_auth import CoreAuth, auth_required
from flask_core_auth.config import SETTINGS
from flask_core_auth.testing import FakeTenant

from ..apps import CREDENTIALS, PASSWORD, SECRET, USERNAME, Clock, bearer, log_in, post_login, refresh
from .blocks import Page

if t.TYPE_CHECKING:
    from pathlib import Path

WRONG = {**CREDENTIALS, "password": "wrong"}


def new_app(path: Path, **config: t.Any) -> Flask:
    app = Flask("works", instance_path=str(path))
    app.config.update(API_AUTH_USERNAME=USERNAME, API_AUTH_PASSWORD=PASSWORD, API_AUTH_JWT_SECRET=SECRET)
    app.config.update(config)
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/me", "me", auth_required(lambda: "me"))
    app.add_url_rule("/fresh", "fresh", auth_required(fresh=True)(lambda: "fresh"))
    return app


def test_claims_are_those_of_the_page(page: Page) -> None:
    page.run("claims")


def test_lifetimes_are_the_defaults() -> None:
    defaults = {setting.key: setting.default for setting in SETTINGS}
    assert defaults["API_AUTH_JWT_ACCESS_EXPIRES"] == 10 * 60
    assert defaults["API_AUTH_JWT_REFRESH_EXPIRES"] == 24 * 60 * 60
    assert defaults["API_AUTH_REFRESH_GRACE"] == 10
    assert not defaults["API_AUTH_SESSIONS"]


def test_login_reads_the_body_then_counts_then_checks_the_password(tmp_path: Path) -> None:
    client = new_app(tmp_path, API_AUTH_LOGIN_LIMIT="1/minute").test_client()
    assert client.post("/api/login", json=WRONG).status_code == 403
    assert client.post("/api/login", json={}).status_code == 400
    assert client.post("/api/login", json=CREDENTIALS).status_code == 429


def test_refresh_token_opens_no_route_and_a_refreshed_token_is_not_fresh(tmp_path: Path) -> None:
    app = new_app(tmp_path)
    tokens = log_in(app)
    client = app.test_client()
    assert client.get("/me", headers=bearer(tokens["refresh_token"])).status_code == 401
    assert client.get("/fresh", headers=bearer(tokens["access_token"])).status_code == 200
    refreshed = refresh(app, tokens["refresh_token"]).json
    assert refreshed is not None
    assert client.get("/me", headers=bearer(refreshed["access_token"])).status_code == 200
    assert client.get("/fresh", headers=bearer(refreshed["access_token"])).status_code == 401


def test_refresh_looks_at_the_config_as_it_is_now(tmp_path: Path) -> None:
    token = log_in(new_app(tmp_path))["refresh_token"]
    assert refresh(new_app(tmp_path), token).status_code == 200
    assert refresh(new_app(tmp_path, API_AUTH_PASSWORD="new"), token).status_code == 401
    assert refresh(new_app(tmp_path, API_AUTH_USERNAME="other"), token).status_code == 401


def test_provider_is_not_asked_after_the_exchange(tmp_path: Path) -> None:
    tenant = FakeTenant()
    app = new_app(tmp_path, **tenant.config)
    with tenant.serving():
        login = app.test_client().post("/api/login", headers=bearer(tenant.token())).json
    assert login is not None
    unlisted = [{**entry, "users": []} for entry in tenant.config["API_AUTH_AUTH0_TENANTS"]]
    assert app.test_client().get("/me", headers=bearer(login["access_token"])).status_code == 200
    assert refresh(app, login["refresh_token"]).status_code == 200
    later = new_app(tmp_path, **{**tenant.config, "API_AUTH_AUTH0_TENANTS": unlisted})
    assert refresh(later, login["refresh_token"]).status_code == 401


def test_rotated_token_is_accepted_within_the_grace_and_then_ends_the_session(
    tmp_path: Path, clock: Clock
) -> None:
    app = new_app(tmp_path, API_AUTH_SESSIONS="sqlite:///s.db", API_AUTH_REFRESH_ROTATION=True)
    first = log_in(app)["refresh_token"]
    second = refresh(app, first).json
    clock.move(9)
    again = refresh(app, first).json
    assert second is not None
    assert again is not None
    assert set(again) == {"access_token", "refresh_token"}
    clock.move(2)
    assert refresh(app, first).status_code == 401
    assert refresh(app, second["refresh_token"]).status_code == 401


def test_only_with_always_a_logout_ends_the_access_token(tmp_path: Path) -> None:
    for check, status in (("refresh", 200), ("always", 401)):
        app = new_app(tmp_path, API_AUTH_SESSIONS="sqlite:///s.db", API_AUTH_SESSION_CHECK=check)
        login = post_login(app).json
        assert login is not None
        access = bearer(login["access_token"])
        assert app.test_client().post("/api/logout", headers=access).status_code == 204
        assert app.test_client().get("/me", headers=access).status_code == status
        assert refresh(app, login["refresh_token"]).status_code == 401

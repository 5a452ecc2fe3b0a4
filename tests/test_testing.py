"""The helpers for tests of apps: a client that is logged in, and a tenant without a network."""

from __future__ import annotations

from flask import Flask

from flask_core_auth.testing import AuthClient, FakeTenant

from .apps import bearer
from .conftest import MakeApp
from .forge import read


def test_client_with_a_subject_is_logged_in(app: Flask) -> None:
    app.test_client_class = AuthClient
    who = app.test_client(subject="alice", scopes=["view"]).get("/who").json
    assert (who["subject"], who["idp"], who["scopes"]) == ("alice", "host", ["view"])


def test_client_without_a_subject_sends_no_token(app: Flask) -> None:
    app.test_client_class = AuthClient
    assert app.test_client().get("/who").status_code == 401


def test_token_of_a_client_is_fresh_unless_told_otherwise(app: Flask) -> None:
    app.test_client_class = AuthClient
    assert app.test_client(subject="alice").get("/fresh").status_code == 200
    assert app.test_client(subject="alice", fresh=False).get("/fresh").status_code == 401


def test_token_of_a_fake_tenant_logs_in_while_it_serves_its_keys(make_app: MakeApp) -> None:
    tenant = FakeTenant(users=["auth0|alice"])
    app = make_app(**tenant.config)
    with tenant.serving():
        response = app.test_client().post("/api/login", headers=bearer(tenant.token()))
        assert read(response.json["access_token"])["idp"] == tenant.domain
        expired = bearer(tenant.token(exp=1))
        assert app.test_client().post("/api/login", headers=expired).status_code == 403

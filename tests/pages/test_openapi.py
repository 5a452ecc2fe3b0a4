"""Run the code blocks of docs/openapi.md, and check its claims."""

from __future__ import annotations

from flask import Flask

from flask_core_auth import CoreAuth
from flask_core_auth.openapi import spec

from .blocks import Page


def test_document_is_served_and_merged(page: Page) -> None:
    app = Flask(__name__)
    app.config["API_AUTH_JWT_SECRET"] = "made-with-flask-core-auth-generate-secret"
    app.register_blueprint(CoreAuth())
    page.run("spec", app=app)
    page.run("serve")
    page.run("merge", "own-routes")
    merged = page["document"].to_dict()
    assert set(merged["paths"]) == {
        "/api/login",
        "/api/login/refresh",
        "/api/openapi.json",
        "/api/v3/process",
    }
    original = spec(page["app"])
    for path, operations in original["paths"].items():
        assert merged["paths"][path] == operations
    assert merged["components"] == original["components"]
    page.run("smorest")
    client = page["app"].test_client()
    described = client.get("/openapi.json").json
    assert set(described["paths"]) == {"/api/login", "/api/login/refresh", "/api/v3/process"}
    assert described["paths"]["/api/v3/process"]["get"]["security"] == [{"CoreAuthAccessToken": []}]
    assert "CoreAuthError" in described["components"]["schemas"]
    response = client.get("/api/v3/process")
    assert response.status_code == 401

"""Run the code blocks of docs/testing.md, and check its claims."""

from __future__ import annotations

import importlib

from .blocks import Page


def test_example_passes(page: Page) -> None:
    page.run("myapp.py", "conftest.py", "test_myapp.py", "run")


def test_tenant_without_a_network_issues_tokens(page: Page) -> None:
    page.run("myapp.py", "tenant")
    tenant = page["tenant"]
    create_app = importlib.import_module("myapp").create_app
    with tenant.serving():
        app = create_app(
            {"API_AUTH_JWT_SECRET": "a-secret-for-tests-of-at-least-32-bytes", **tenant.config}
        )
        client = app.test_client()

        def status(*args, **claims):
            header = {"Authorization": f"Bearer {tenant.token(*args, **claims)}"}
            return client.post("/api/login", headers=header).status_code

        assert status() == 200
        assert status("auth0|alice") == status(exp=0) == status(azp=None) == 403

"""Run the code blocks of docs/quickstart.md, and check its claims."""

from __future__ import annotations

from pathlib import Path

from flask_core_auth.testing import AuthClient

from .blocks import Page


def test_quickstart_from_the_install_to_the_refresh(page: Page) -> None:
    page.run("install", "app.py", "configure", "check", "mistake", "run", "anonymous", "log-in")
    state = Path(".exported").read_text()  # the tokens of the login before: only the commands set others
    Path(".exported").write_text(state.partition("declare -x ACCESS_TOKEN")[0])
    page.run("variables", "protected-route", "refresh", "wrong-password")


def test_larger_app_demands_scopes_and_fresh_logins(page: Page) -> None:
    page.run("larger-app")
    app = page["app"]
    app.test_client_class = AuthClient
    anonymous, alice = app.test_client(), app.test_client(subject="alice", fresh=False)
    wonderland = {"username": "alice", "password": "wonderland"}
    assert anonymous.post("/auth/login", json=wonderland).status_code == 200
    assert anonymous.post("/auth/login", json={**wonderland, "password": "x"}).status_code == 403
    assert anonymous.post("/auth/login", json={**wonderland, "username": "bob"}).status_code == 403
    assert anonymous.post("/password").status_code == 401
    assert alice.post("/password").status_code == 401
    assert app.test_client(subject="alice").post("/password").status_code == 200
    assert alice.get("/metrics").status_code == 403
    assert app.test_client(subject="alice", scopes=["metrics:read"]).get("/metrics").status_code == 200
    assert anonymous.get("/").text == "Hello, stranger"
    assert alice.get("/").text == "Hello, alice"
    assert anonymous.get("/", headers={"Authorization": "Bearer x"}).status_code == 401

from __future__ import annotations

import pytest
from werkzeug.security import generate_password_hash

from flask_core_auth.passwords import StoredPassword

FAST, SLOW = "pbkdf2:sha256:10", "pbkdf2:sha512:20"
USERS = {
    "bob": {"password": generate_password_hash("builder", FAST), "scopes": ["edit"]},
    "eve": {"password": generate_password_hash("dropper", FAST)},
    "ann": {"password": generate_password_hash("archer", SLOW), "scopes": "edit view"},
}


@pytest.fixture
def app(make_app):
    return make_app(API_AUTH_USERS=USERS)


@pytest.fixture
def attempt(app):
    """Tries to log in; gives the answer."""

    def attempt(username: str, password: str):
        credentials = {"username": username, "password": password}
        return app.test_client().post("/api/login", json=credentials)

    return attempt


@pytest.mark.parametrize(
    ("username", "password", "scopes"),
    [
        ("admin", "correct horse", ["*"]),
        ("bob", "builder", ["edit"]),
        ("eve", "dropper", []),
        ("ann", "archer", ["edit", "view"]),
    ],
)
def test_each_user_logs_in_with_the_password_and_gets_the_scopes_of_its_own(
    app, attempt, username, password, scopes
):
    token = attempt(username, password).json["access_token"]
    who = app.test_client().get("/who", headers={"Authorization": f"Bearer {token}"}).json
    assert (who["subject"], who["idp"], who["scopes"]) == (username, "local", scopes)


@pytest.mark.parametrize(
    ("username", "password"),
    [("bob", "dropper"), ("eve", "builder"), ("admin", "builder"), ("Bob", "builder"), ("bob ", "builder")],
)
def test_no_user_logs_in_with_another_s_password_or_name(attempt, username, password):
    assert attempt(username, password).status_code == 403


def test_an_unknown_name_costs_what_a_wrong_password_costs(attempt, monkeypatch):
    checked: list[str] = []
    matches = StoredPassword.matches

    def counting(self, password):
        checked.append(self.method)
        return matches(self, password)

    monkeypatch.setattr(StoredPassword, "matches", counting)
    costs = {}
    for username in ("nobody", "admin", "bob", "eve", "ann"):
        checked.clear()
        assert attempt(username, "wrong").status_code == 403
        costs[username] = sorted(checked)
    # One check of each method in use, whoever is asked for.
    assert set(map(tuple, costs.values())) == {("pbkdf2:sha256:10", "pbkdf2:sha512:20", "plain")}


def test_with_nobody_configured_nobody_logs_in(make_app):
    for config in ({}, {"API_AUTH_ENABLE": False}):
        app = make_app(API_AUTH_USERNAME=..., API_AUTH_PASSWORD=..., **config)
        for password in ("", "x"):
            answer = app.test_client().post("/api/login", json={"username": "admin", "password": password})
            assert answer.status_code in (400, 403)

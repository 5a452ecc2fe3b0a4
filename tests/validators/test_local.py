"""Logging in as a configured user."""

from __future__ import annotations

import pytest
from werkzeug.security import generate_password_hash

from flask_core_auth.passwords import StoredPassword

from ..apps import bearer, log_in, post_login
from ..forge import read

FAST, SLOW = "pbkdf2:sha256:10", "pbkdf2:sha512:20"
USERS = {
    "bob": {"password": generate_password_hash("builder", FAST), "scopes": ["edit"]},
    "eve": {"password": generate_password_hash("dropper", FAST)},
    "ann": {"password": generate_password_hash("archer", SLOW), "scopes": "edit view"},
}


@pytest.fixture
def app(make_app):
    return make_app(API_AUTH_USERS=USERS)


@pytest.mark.parametrize(
    ("username", "password", "scopes"),
    [
        ("admin", "correct horse", ["*"]),
        ("bob", "builder", ["edit"]),
        ("eve", "dropper", []),
        ("ann", "archer", ["edit", "view"]),
    ],
)
def test_each_user_logs_in_with_its_own_password_and_scopes(app, username, password, scopes):
    token = log_in(app, username, password)["access_token"]
    who = app.test_client().get("/who", headers=bearer(token)).json
    assert (who["subject"], who["idp"], who["scopes"]) == (username, "local", scopes)


@pytest.mark.parametrize(
    ("username", "password"),
    [("bob", "dropper"), ("eve", "builder"), ("admin", "builder"), ("Bob", "builder"), ("bob ", "builder")],
)
def test_password_of_another_user_is_rejected(app, username, password):
    assert post_login(app, username, password).status_code == 403


def test_unknown_username_costs_as_much_as_a_wrong_password(app, monkeypatch):
    checked: list[str] = []
    matches = StoredPassword.matches

    def counting(self, password):
        checked.append(self.method)
        return matches(self, password)

    monkeypatch.setattr(StoredPassword, "matches", counting)
    costs = {}
    for username in ("nobody", "admin", "bob", "eve", "ann"):
        checked.clear()
        assert post_login(app, username, "wrong").status_code == 403
        costs[username] = sorted(checked)
    # One check of each method in use, for any username.
    assert set(map(tuple, costs.values())) == {("pbkdf2:sha256:10", "pbkdf2:sha512:20", "plain")}


def test_digest_of_a_password_is_the_same_in_each_release(make_app):
    # Another digest would log every user out at an update. It is a keyed hash of username and password.
    credential = read(log_in(make_app())["refresh_token"])["cred"]
    assert credential == "e274658973ac6567e1127141"

"""Run the code blocks of docs/users.md, and check its claims."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

import pytest
from click.testing import CliRunner
from flask import Flask, abort
from werkzeug.security import generate_password_hash

from flask_core_auth import CoreAuth, auth_required, current_identity, load_env
from flask_core_auth.cli import core_auth as commands

from ..apps import SECRET, bearer, log_in, post_login, refresh
from .blocks import Page


def test_user_of_the_config_logs_in(page: Page) -> None:
    page.run("user")
    app = page["app"]
    assert post_login(app, "admin", "correct-horse").status_code == 200
    assert post_login(app, "admin", "wrong").status_code == 403
    assert post_login(app, "nobody", "wrong").status_code == 403


def test_hash_stands_in_for_the_password(page: Page) -> None:
    os.environ["PASSWORD"] = "correct-horse"
    page.run("hash")
    hashed = page.output.strip()
    page.run("argon2")
    page.run("hashed-user", CoreAuth=CoreAuth, Flask=Flask, hashed=hashed)
    app = page["app"]
    assert post_login(app, "admin", "correct-horse").status_code == 200
    assert post_login(app, "admin", hashed).status_code == 403


def test_command_asks_for_the_password_twice() -> None:
    twice = CliRunner().invoke(commands, ["hash-password"], input="correct-horse\ncorrect-horse\n")
    assert "Repeat" in twice.output
    assert "scrypt:" in twice.output
    differently = CliRunner().invoke(commands, ["hash-password"], input="correct-horse\nbattery\n")
    assert "scrypt:" not in differently.output


def test_users_of_the_config_have_their_own_scopes(page: Page) -> None:
    hashed = generate_password_hash("correct-horse")
    page.run("users", CoreAuth=CoreAuth, Flask=Flask, hashed=hashed)
    app = page["app"]
    app.get("/me")(auth_required(lambda: sorted(current_identity.scopes)))
    for username, scopes in (("grafana", ["metrics:read"]), ("viewer", [])):
        token = log_in(app, username, "correct-horse")["access_token"]
        assert app.test_client().get("/me", headers=bearer(token)).json == scopes


def test_variable_for_users_is_json(page: Page) -> None:
    page.run("users-variable")
    app = Flask(__name__)
    value = page.code.partition("'")[2].rpartition("'")[0]
    load_env(app.config, environ={"CORE_API_AUTH_USERS": value})
    app.config["API_AUTH_JWT_SECRET"] = SECRET
    app.register_blueprint(CoreAuth())
    assert post_login(app, "viewer", "correct-horse").status_code == 200


@dataclass
class User:
    """A stand-in for the model of an app."""

    id: int
    name: str
    password: str
    roles: list[str]

    all: t.ClassVar[list[User]] = []

    def check_password(self, password: str) -> bool:
        return password == self.password

    @classmethod
    def named(cls, name: str) -> User | None:
        return next((user for user in cls.all if user.name == name), None)


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> User:
    """The only user of the app's own database."""
    alice = User(7, "alice", "wonderland", ["edit"])
    monkeypatch.setattr(User, "all", [alice])
    return alice


def run_verifier(page: Page) -> Flask:
    app = Flask(__name__)
    app.config.update(
        API_AUTH_USERNAME="admin",
        API_AUTH_PASSWORD="correct-horse",
        API_AUTH_JWT_SECRET=SECRET,
    )
    page.run("verifier", CoreAuth=CoreAuth, User=User, app=app)
    return app


def test_function_of_the_app_validates_credentials(page: Page, alice: User) -> None:
    app = run_verifier(page)
    app.get("/me")(auth_required(lambda: [current_identity.subject, *current_identity.scopes]))
    token = log_in(app, "alice", "wonderland")["access_token"]
    assert app.test_client().get("/me", headers=bearer(token)).json == ["7", "edit"]
    assert post_login(app, "alice", "wrong").status_code == 403
    User.all.append(User(8, "admin", "usurper", []))
    assert post_login(app, "admin", "usurper").status_code == 403


@pytest.mark.parametrize(
    ("function", "status"),
    [
        (lambda username, password: True, 503),
        (lambda username, password: 1 / 0, 503),
        (lambda username, password: abort(418), 418),
    ],
    ids=["another type", "exception", "abort"],
)
def test_nobody_logs_in_by_a_broken_function(
    page: Page, alice: User, function: t.Callable[[str, str], t.Any], status: int
) -> None:
    app = run_verifier(page)
    page["core_auth"].password_verifier(function)
    assert post_login(app, "alice", "wonderland").status_code == status


def test_removed_user_is_rejected(page: Page, alice: User) -> None:
    app = Flask(__name__)
    app.config["API_AUTH_JWT_SECRET"] = SECRET
    core_auth = CoreAuth()
    page.run("lookup", User=User, app=app, core_auth=core_auth)
    with app.app_context():
        pair = core_auth.issue("7")
    client = app.test_client()
    assert client.get("/api/v3/me", headers=bearer(pair.access_token)).json == {"name": "alice"}
    assert refresh(client, pair.refresh_token).status_code == 200
    User.all.remove(alice)
    assert client.get("/api/v3/me", headers=bearer(pair.access_token)).status_code == 401
    assert refresh(client, pair.refresh_token).status_code == 401


def test_app_issues_tokens_after_a_sign_up(page: Page) -> None:
    app = Flask(__name__)
    app.config["API_AUTH_JWT_SECRET"] = SECRET
    core_auth = CoreAuth()
    app.register_blueprint(core_auth)

    def sign_up_user(form: t.Mapping[str, str]) -> User:
        return User(9, form["name"], form["password"], [])

    page.run("sign-up", app=app, core_auth=core_auth, sign_up_user=sign_up_user)
    response = app.test_client().post("/sign-up", data={"name": "bob", "password": "builder"}).json
    with app.app_context():
        identity = core_auth.verify(response["access_token"])
        assert (identity.subject, identity.idp, identity.scopes) == ("9", "host", {"edit"})
        assert identity.claims["fresh"] is True
        assert identity.claims["exp"] - identity.claims["iat"] == 600
        assert "eyJ" not in repr(core_auth.issue("9"))


def app_with(**users: t.Any) -> Flask:
    app = Flask(__name__)
    app.config["API_AUTH_JWT_SECRET"] = SECRET
    app.config["API_AUTH_USERS"] = users
    app.register_blueprint(CoreAuth())
    app.get("/me")(auth_required(lambda: sorted(current_identity.scopes)))
    return app


def test_refresh_checks_the_user_and_the_scopes() -> None:
    one = {"password": "one", "scopes": ["a", "b"]}
    token = log_in(app_with(u=one), "u", "one")["refresh_token"]

    def refreshed(**users: t.Any) -> t.Any:
        client = app_with(**users).test_client()
        response = refresh(client, token)
        if response.status_code != 200:
            return response.status_code
        return client.get("/me", headers=bearer(response.json["access_token"])).json

    assert refreshed(u=one) == ["a", "b"]
    assert refreshed(u={**one, "scopes": ["b", "c"]}) == ["b"]
    assert refreshed(u={**one, "password": "two"}) == 401
    assert refreshed(v=one) == 401

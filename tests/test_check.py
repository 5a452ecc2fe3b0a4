"""What an examination of an app finds, in this process."""

from __future__ import annotations

import typing as t

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo
from flask_jwt_extended import JWTManager
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_core_auth import CoreAuth, auth_required
from flask_core_auth.check import examine
from flask_core_auth.cli import core_auth

from .conftest import MakeApp


def found(make_app: MakeApp, **config: t.Any) -> t.Any:
    return examine(lambda: make_app(**config))


def test_app_that_is_set_up_well_has_neither_errors_nor_warnings(make_app, tmp_path):
    app = make_app(
        API_AUTH_PASSWORD="scrypt:32768:8:1$salt$" + "0" * 128,
        API_AUTH_LOGIN_LIMIT="5/minute",
        API_AUTH_SESSIONS=f"sqlite:///{tmp_path}/sessions.db",
    )
    app.wsgi_app = ProxyFix(app.wsgi_app)
    report = examine(lambda: app)
    assert report.errors == []
    assert report.warnings == [
        "API_AUTH_LIMIT_STORAGE is in memory: with several workers each of them counts for itself"
    ]
    assert "The settings can be used." in report.as_text()


def test_settings_that_cannot_be_used_are_all_there_is(make_app):
    report = found(make_app, API_AUTH_ENABLE="maybe", API_AUTH_JWT_SECRET="short")
    assert [error.split()[0] for error in report.errors] == ["API_AUTH_ENABLE", "API_AUTH_JWT_SECRET"]
    assert report.settings == []
    assert not report.as_dict()["ok"]


def test_app_without_the_blueprint_is_an_error():
    assert "No CoreAuth" in examine(lambda: Flask(__name__)).errors[0]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"API_AUTH_ENABLE": False}, "every route is open"),
        ({"API_AUTH_DISABLE_LOCALHOST": True}, "count as local"),
        ({"API_AUTH_USERNAME": ..., "API_AUTH_PASSWORD": ...}, "Nobody can log in"),
        ({"API_AUTH_LOGIN_LIMIT": None}, "can be guessed"),
        ({"API_AUTH_PASSWROD": "x"}, "API_AUTH_PASSWORD is meant"),
        ({}, "in plain text"),
        ({}, "No ProxyFix"),
    ],
)
def test_what_will_hurt_is_warned_of(make_app, config, words):
    report = found(make_app, **config)
    assert not report.errors
    assert any(words in warning for warning in report.warnings)


def test_views_that_only_look_protected_are_named(make_app):
    app = make_app()
    bare = lambda: "open"  # noqa: E731  # the route has it, not what auth_required makes of it
    app.add_url_rule("/bare", "bare", bare)
    auth_required(bare)
    app.add_url_rule("/options", "options", auth_required(lambda: ""), methods=["GET", "OPTIONS"])
    warnings = examine(lambda: app).warnings
    assert any(warning.startswith("/bare is open") for warning in warnings)
    assert any(warning.startswith("/options answers OPTIONS itself") for warning in warnings)


def test_manager_of_the_app_s_own_does_not_ask_for_sessions(make_app, tmp_path):
    config = {
        "API_AUTH_JWT_SECRET": ...,
        "JWT_SECRET_KEY": "a-secret-of-at-least-thirty-two-bytes",
        "API_AUTH_SESSIONS": f"sqlite:///{tmp_path}/sessions.db",
    }
    app = make_app(host=JWTManager, **config)
    assert any("jwt_required()" in warning for warning in examine(lambda: app).warnings)


def test_keys_of_tenants_are_fetched(make_app, tenant):
    config = {"API_AUTH_AUTH0_ENABLE": True, "API_AUTH_AUTH0_TENANTS": [tenant.settings(users=[])]}
    report = found(make_app, **config)
    assert report.tenants[tenant.domain].startswith(f"{tenant.key.kid} (")
    assert any("has no users" in warning for warning in report.warnings)
    tenant.keys.clear()
    assert any("publishes no key for RS256" in error for error in found(make_app, **config).errors)
    tenant.status = 500
    assert any("no keys can be fetched" in error for error in found(make_app, **config).errors)
    unused = found(make_app, API_AUTH_AUTH0_TENANTS=[tenant.settings()])
    assert any("API_AUTH_AUTH0_ENABLE is not true" in warning for warning in unused.warnings)


def test_stores_that_do_not_answer_are_errors(make_app):
    nowhere = "redis://user:hidden@127.0.0.1:1/0"
    report = found(make_app, API_AUTH_SESSIONS=nowhere, API_AUTH_LIMIT_STORAGE=nowhere)
    assert [error.split(":")[0] for error in report.errors] == [
        "API_AUTH_SESSIONS",
        "API_AUTH_LIMIT_STORAGE",
    ]
    assert "hidden" not in report.as_text()


def run(app: Flask, *arguments: str) -> t.Any:
    return CliRunner().invoke(core_auth, arguments, obj=ScriptInfo(create_app=lambda: app))


def test_commands_answer_in_words_and_in_json(make_app, tmp_path):
    app = make_app(API_AUTH_SESSIONS=f"sqlite:///{tmp_path}/sessions.db")
    assert run(app, "check").exit_code == 0
    assert run(app, "check", "--json").output.startswith("{")
    assert "--force" in run(app, "token", "alice").output
    assert run(app, "token", "alice", "--force").output.startswith("access_token: ")
    assert run(app, "token", "alice", "--force", "--json").output.startswith("{")
    assert len(run(app, "sessions", "list", "alice").output.splitlines()) == 2
    assert run(app, "sessions", "list", "alice", "--json").output.startswith("[")
    assert run(app, "sessions", "revoke", "alice").output == "Ended: 2\n"
    assert len(run(app, "generate-secret").output.strip()) == 64
    assert run(app, "hash-password", "--password", "x", "--method", "argon2").output.startswith(
        "$argon2id$"
    )


def test_commands_tell_what_is_wrong_in_words(make_app):
    app = make_app()
    for arguments in (
        ("sessions", "list", "alice"),
        ("token", "", "--force"),
        ("token", "a", "--scope", "b c"),
    ):
        done = run(app, *arguments, *(["--force"] if "--scope" in arguments else []))
        assert done.exit_code == 1
        assert done.output.startswith("Error: ")
    assert "No CoreAuth" in run(Flask(__name__), "sessions", "revoke", "alice").output
    broken = ScriptInfo(create_app=lambda: make_app(API_AUTH_ENABLE="maybe"))
    done = CliRunner().invoke(core_auth, ["token", "alice", "--force"], obj=broken)
    assert "API_AUTH_ENABLE" in done.output
    down = make_app(API_AUTH_SESSIONS="redis://127.0.0.1:1/0")
    assert "The session store is down" in run(down, "sessions", "list", "alice").output


def test_core_auth_that_is_made_with_an_app_says_how_it_is_done():
    with pytest.raises(TypeError, match="register_blueprint"):
        CoreAuth(Flask(__name__))

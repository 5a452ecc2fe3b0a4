"""The report of ``flask core-auth check``, in this process."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from flask import Blueprint, Flask
from flask_jwt_extended import JWTManager
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_core_auth import CoreAuth, auth_exempt, auth_required
from flask_core_auth.check import PRINTED_SECRETS, SETTINGS_BY_KEY, _display, examine

from .apps import SECRET
from .conftest import MakeApp


def found(make_app: MakeApp, **config: t.Any) -> t.Any:
    return examine(lambda: make_app(**config))


def test_good_app_has_no_errors_and_one_warning(make_app, sqlite_url):
    app = make_app(
        API_AUTH_PASSWORD="scrypt:32768:8:1$salt$" + "0" * 128,
        API_AUTH_LOGIN_LIMIT="5/minute",
        API_AUTH_SESSIONS=sqlite_url,
    )
    app.wsgi_app = ProxyFix(app.wsgi_app)
    report = examine(lambda: app)
    assert report.errors == []
    assert report.warnings == [
        "API_AUTH_LIMIT_STORAGE is in memory: with several workers each of them counts for itself"
    ]
    assert "The settings can be used." in report.as_text()


def test_config_errors_are_the_whole_report(make_app):
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
        ({"API_AUTH_JWT_SECRET": PRINTED_SECRETS[0]}, "printed in the documentation"),
        ({"API_AUTH_JWT_SECRET_FALLBACKS": [PRINTED_SECRETS[-1]]}, "printed in the documentation"),
        ({}, "in plain text"),
        ({}, "No ProxyFix"),
    ],
)
def test_risky_settings_get_a_warning(make_app, config, words):
    report = found(make_app, **config)
    assert not report.errors
    assert any(words in warning for warning in report.warnings)


def test_each_printed_secret_is_known_to_the_check():
    pages = [Path("README.md"), *Path("docs").glob("*.md"), *Path("example_app").rglob("*.py")]
    quoted = re.compile(r'"([a-z0-9-]*secret[a-z0-9-]*)"')
    printed = {secret for page in pages for secret in quoted.findall(page.read_text()) if len(secret) >= 32}
    assert printed == set(PRINTED_SECRETS)


def test_views_that_only_look_protected_get_a_warning(make_app):
    app = make_app()
    bare = lambda: "open"  # noqa: E731  # the route gets this function, not the one that auth_required returns
    app.add_url_rule("/bare", "bare", bare)
    auth_required(bare)
    app.add_url_rule("/options", "options", auth_required(lambda: ""), methods=["GET", "OPTIONS"])
    warnings = examine(lambda: app).warnings
    assert any(warning.startswith("/bare is open") for warning in warnings)
    assert any(warning.startswith("/options responds to OPTIONS itself") for warning in warnings)


def test_sessions_beside_the_apps_manager_get_a_warning(make_app, sqlite_url):
    config = {
        "API_AUTH_JWT_SECRET": ...,
        "JWT_SECRET_KEY": SECRET,
        "API_AUTH_SESSIONS": sqlite_url,
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


def test_stores_that_do_not_respond_are_errors(make_app):
    nowhere = "redis://user:hidden@127.0.0.1:1/0"
    report = found(make_app, API_AUTH_SESSIONS=nowhere, API_AUTH_LIMIT_STORAGE=nowhere)
    assert [error.split(":")[0] for error in report.errors] == [
        "API_AUTH_SESSIONS",
        "API_AUTH_LIMIT_STORAGE",
    ]
    assert "hidden" not in report.as_text()


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("redis://:hid/den@host:1/0", "********"),
        ("redis://user:12/hidden@host:1/0", "********"),
        ("redis://:hid#den@host:1/0", "********"),
        ("redis://:hid?den@host:1/0", "********"),
        ("redis://:hid@den@host:1/0", "redis://host:1/0"),
        ("redis://:hidden@host:1/0", "redis://host:1/0"),
        ("redis://host:1/0?password=hidden", "redis://host:1/0"),
        ("redis://[::1]:1/0", "redis://[::1]:1/0"),
        ("redis://host:1/0", "redis://host:1/0"),
        ("sqlite:///core-auth.db", "sqlite:///core-auth.db"),
    ],
)
@pytest.mark.parametrize("key", ["API_AUTH_LIMIT_STORAGE", "API_AUTH_SESSIONS"])
def test_check_shows_only_scheme_host_port_and_path_of_a_url(key, uri, shown):
    assert _display(SETTINGS_BY_KEY[key], uri) == shown


@pytest.mark.parametrize(
    "key",
    ["API_AUTH_PASSWORD", "API_AUTH_USERS", "API_AUTH_JWT_SECRET", "API_AUTH_JWT_SECRET_FALLBACKS"],
)
def test_check_masks_a_secret_that_looks_like_a_url(key):
    assert _display(SETTINGS_BY_KEY[key], "scheme://hidden") == "********"
    assert _display(SETTINGS_BY_KEY[key], {"hidden": "x"}) == "********"


def options_warnings(app) -> list[str]:
    return [warning for warning in examine(lambda: app).warnings if "OPTIONS" in warning]


def test_check_warns_of_options_under_a_protected_app(make_app):
    core_auth = CoreAuth()
    app = make_app(core_auth)
    core_auth.protect(app)
    app.add_url_rule("/own", "own", lambda: "own", methods=["GET", "OPTIONS"])
    app.add_url_rule("/exempt", "exempt", auth_exempt(lambda: "exempt"), methods=["OPTIONS"])
    app.add_url_rule("/usual", "usual", lambda: "usual")
    [warning] = options_warnings(app)
    assert warning.startswith("/own responds to OPTIONS itself")


def test_check_warns_of_options_under_a_protected_blueprint_and_those_nested_in_it(make_app):
    core_auth = CoreAuth()
    outer, inner, other = Blueprint("outer", "x"), Blueprint("inner", "x"), Blueprint("other", "x")
    for name, blueprint in (("outer", outer), ("inner", inner), ("other", other)):
        blueprint.add_url_rule(f"/{name}", "view", lambda: "view", methods=["OPTIONS"])
    core_auth.protect(outer)
    outer.register_blueprint(inner)
    app = make_app(core_auth)
    app.register_blueprint(outer)
    app.register_blueprint(other)
    assert sorted(warning.split()[0] for warning in options_warnings(app)) == ["/inner", "/outer"]

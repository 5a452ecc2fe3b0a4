"""``docs/compare.md``: the names of other libraries exist, and the versions are the README's."""

from __future__ import annotations

import re
from pathlib import Path

import flask_jwt_extended
import jwt
import pytest
from authlib.integrations import flask_client, flask_oauth2
from flask import Flask

from flask_core_auth import CoreAuth
from flask_core_auth.validators.auth0 import Auth0Validator

from .apps import SECRET, add_manager

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/compare.md").read_text()
VERSIONS = dict(re.findall(r"([\w-]+) (\d+\.\d[\w.]*\w)", PAGE.partition("\n\n|")[0]))


def test_versions_are_those_of_the_readme() -> None:
    readme = dict(re.findall(r"\| ([\w-]+) (\d+\.\d[\w.]*\w) ", (ROOT / "README.md").read_text()))
    assert set(VERSIONS) >= {"flask-jwt-extended", "Authlib"}
    assert {**VERSIONS, **readme} == VERSIONS


def test_names_of_authlib_exist() -> None:
    assert "AuthorizationServer" in PAGE
    assert hasattr(flask_oauth2, "AuthorizationServer")
    for name in ("authorize_redirect", "authorize_access_token"):
        assert name in PAGE
        assert hasattr(flask_client.FlaskOAuth2App, name)
    assert "authlib" in Auth0Validator.__mro__[1].__module__


def test_flask_jwt_extended_signs_with_other_algorithms() -> None:
    app = Flask("other")
    app.config.update(JWT_ALGORITHM="HS512", JWT_SECRET_KEY=2 * SECRET)
    add_manager(app)
    with app.app_context():
        token = flask_jwt_extended.create_access_token("alice")
    assert jwt.get_unverified_header(token)["alg"] == "HS512"
    with pytest.raises(ValueError, match="JWT_ALGORITHM: must be HS256"):
        app.register_blueprint(CoreAuth())


def test_tokens_can_be_verified_by_another_library() -> None:
    app = Flask("left")
    app.config["API_AUTH_JWT_SECRET"] = SECRET
    core_auth = CoreAuth()
    app.register_blueprint(core_auth)
    with app.app_context():
        token = core_auth.issue("alice").access_token
    assert jwt.decode(token, SECRET, ["HS256"])["sub"] == "alice"

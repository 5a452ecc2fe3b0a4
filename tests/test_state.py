"""Errors about an app that is not set up, or not any longer."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager

from flask_core_auth import ConfigError, CoreAuth, auth_required

from .apps import bearer, post_login, refresh
from .forge import claims, forge


def test_issue_and_verify_say_that_the_blueprint_is_missing():
    core_auth = CoreAuth()
    with Flask(__name__).app_context():
        with pytest.raises(RuntimeError, match=r"app\.register_blueprint\(CoreAuth\(\)\)"):
            core_auth.issue("x")
        with pytest.raises(RuntimeError, match=r"app\.register_blueprint\(CoreAuth\(\)\)"):
            core_auth.verify("x")


def test_auth_required_says_that_the_blueprint_is_missing():
    app = Flask(__name__)
    app.testing = True
    app.add_url_rule("/", "root", auth_required(lambda: "open"))
    for headers in ({}, bearer(forge(claims()))):
        with pytest.raises(RuntimeError, match=r"app\.register_blueprint\(CoreAuth\(\)\)"):
            app.test_client().get("/", headers=headers)
    app.testing = False
    assert app.test_client().get("/").status_code == 500


def test_manager_made_after_the_registration_is_an_error_everywhere(app):
    JWTManager(app)
    app.testing = True
    token = forge(claims())
    core_auth, client = app.blueprints["core_auth"], app.test_client()
    for call in (
        lambda: client.get("/who", headers=bearer(token)),
        lambda: post_login(client),
        lambda: refresh(client, token),
    ):
        with pytest.raises(ConfigError, match=r"create it before register_blueprint"):
            call()
    with app.app_context(), pytest.raises(ConfigError, match=r"create it before register_blueprint"):
        core_auth.verify(token)

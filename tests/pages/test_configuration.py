"""Run the code blocks of docs/configuration.md, and check its claims."""

from __future__ import annotations

import os

import pytest
from flask import Flask

from flask_core_auth import ConfigError, CoreAuth, auth_required, load_env

from .blocks import Page


def test_settings_come_from_the_config_or_from_variables(page: Page) -> None:
    page.run("settings", "load-env")
    os.environ["MYAPP_API_AUTH_USERNAME"], os.environ["CORE_API_AUTH_REALM"] = "other", ""
    app = Flask(__name__)
    load_env(app.config, prefix="MYAPP")
    assert app.config["API_AUTH_USERNAME"] == "other"
    assert "API_AUTH_JWT_ACCESS_EXPIRES" not in app.config
    app = Flask(__name__)
    load_env(app.config)
    assert "API_AUTH_REALM" not in app.config
    page.run("from-prefixed-env", raises="ConfigError")
    page.run("mistakes", raises="ConfigError")


def test_settings_of_flask_jwt_extended_count_too() -> None:
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = "made-with-flask-core-auth-generate-secret"
    app.config["JWT_TOKEN_LOCATION"] = ["query_string"]
    core_auth = CoreAuth()
    app.register_blueprint(core_auth)
    app.get("/x")(auth_required(lambda: "x"))
    with app.app_context():
        token = core_auth.issue("alice").access_token
    client = app.test_client()
    assert client.get(f"/x?jwt={token}").status_code == 200
    assert client.get("/x", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert client.get(f"/x?jwt={token}", headers={"Authorization": "Bearer x"}).status_code == 401
    for key, value in (("JWT_ALGORITHM", "HS512"), ("JWT_IDENTITY_CLAIM", "id")):
        app = Flask(__name__)
        app.config.update({"JWT_SECRET_KEY": "made-with-flask-core-auth-generate-secret", key: value})
        with pytest.raises(ConfigError, match=key):
            app.register_blueprint(CoreAuth())

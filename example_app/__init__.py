"""A small app with a login, as an example to copy from.

``make demo`` serves it. Its configuration comes from environment variables with the datarhei Core's names
(``CORE_API_AUTH_USERNAME`` and so on).
"""

from __future__ import annotations

import typing as t

from flask import Flask

from flask_core_auth import CoreAuth, load_env

from .docs import docs
from .page import page
from .routes import routes


def create_app(config: t.Mapping[str, t.Any] | None = None) -> Flask:
    """Make the app.

    :param config: settings that override the environment variables, for tests.
    """
    app = Flask(__name__)
    app.config["API_AUTH_ABOUT"] = {
        "app": "flask-core-auth-example",
        "name": "example",
        "id": "0c4b5d6e-example",
        "version": {"number": "1.0.0"},
    }
    app.config["API_AUTH_OPENAPI"] = True
    load_env(app.config)
    app.config.from_mapping(config or {})
    app.register_blueprint(CoreAuth())
    app.register_blueprint(routes)
    app.register_blueprint(page)
    app.register_blueprint(docs)
    return app

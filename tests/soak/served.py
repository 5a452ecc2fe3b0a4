"""The app that gunicorn serves in the soak: ``tests.soak.served:make_app()``."""

from __future__ import annotations

import json
import os

from flask import Flask

from flask_core_auth import CoreAuth, auth_required, current_identity

from ..apps import PASSWORD, SECRET

#: Time for which a client repeats a refresh whose response was lost.
GRACE_SECONDS = 60
#: Maximum number of sessions of a client.
LIMIT = 4
CLIENTS = tuple(f"client {number}" for number in range(8))


def make_app() -> Flask:
    app = Flask(__name__)
    users = {name: {"password": PASSWORD, "scopes": ["*"]} for name in CLIENTS}
    app.config.update(
        API_AUTH_USERS=users,
        API_AUTH_JWT_SECRET=SECRET,
        API_AUTH_LOGIN_LIMIT=None,
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_AUTH0_TENANTS=[json.loads(os.environ["TENANT"])],
        API_AUTH_SESSIONS=os.environ["SESSIONS"],
        API_AUTH_SESSION_CHECK="always",
        API_AUTH_SESSION_LIMIT=LIMIT,
        API_AUTH_REFRESH_ROTATION=True,
        API_AUTH_REFRESH_GRACE=GRACE_SECONDS,
        API_AUTH_COOKIES=True,
    )
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/who", "who", auth_required(lambda: {"subject": current_identity.subject}))
    app.add_url_rule("/open", "open", lambda: "open")
    return app

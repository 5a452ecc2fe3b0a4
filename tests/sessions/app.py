"""An app with sessions."""

from __future__ import annotations

from flask import Flask

from flask_core_auth import CoreAuth, auth_required, current_identity

from ..apps import PASSWORD, SECRET


def make_session_app(sessions: str | None, *, instance_path: str | None = None, **config: object) -> Flask:
    """Make an app with the users ``admin`` and ``eve``.

    :param sessions: the URL of the session store; None: no sessions.
    :param config: config keys without their ``API_AUTH_``; None removes a key.
    """
    app = Flask("tests.sessions.app", instance_path=instance_path)
    settings = {
        "USERS": {
            "admin": {"password": PASSWORD, "scopes": ["*"]},
            "eve": {"password": PASSWORD, "scopes": ["view", "edit"]},
        },
        "JWT_SECRET": SECRET,
        "SESSIONS": sessions,
        **config,
    }
    app.config.update({f"API_AUTH_{key}": value for key, value in settings.items() if value is not None})
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/who", "who", auth_required(lambda: {"subject": current_identity.subject}))
    return app

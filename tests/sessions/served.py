"""The app that gunicorn serves in tests: ``tests.sessions.served:app``."""

from __future__ import annotations

import os

from ..limits import extend_limits
from .app import make_session_app
from .load import GRACE_SECONDS

extend_limits()

app = make_session_app(
    os.environ["SESSIONS"],
    SESSION_CHECK="always",
    SESSION_LIMIT="none",  # clients of one user open sessions without end
    REFRESH_ROTATION=True,
    REFRESH_GRACE=GRACE_SECONDS,
)

# With --preload this runs in the master process. The workers are forked from it, and must not use its
# connection.
with app.app_context():
    app.blueprints["core_auth"].issue("eve")  # type: ignore[attr-defined]

app.add_url_rule("/pid", "pid", lambda: {"pid": os.getpid()})

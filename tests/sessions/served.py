"""The app that gunicorn serves in tests: ``tests.sessions.served:app``."""

from __future__ import annotations

import os

from .app import make_session_app
from .limits import take_time
from .load import GRACE

take_time()

app = make_session_app(
    os.environ["SESSIONS"], SESSION_CHECK="always", REFRESH_ROTATION=True, REFRESH_GRACE=GRACE
)

# With --preload this runs in the master: its connection must not be used by the workers that it forks.
with app.app_context():
    app.blueprints["core_auth"].issue("eve")  # type: ignore[attr-defined]

app.add_url_rule("/pid", "pid", lambda: {"pid": os.getpid()})

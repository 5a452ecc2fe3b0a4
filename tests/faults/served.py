"""The app that gunicorn serves in tests of faults: ``tests.faults.served:app``.

Its settings are JSON in the environment variable ``CONFIG``.
"""

from __future__ import annotations

import json
import os

from flask_core_auth.validators import jwks

from ..sessions.app import make_session_app

# Time limits are those of production, but for a test in which a tenant hangs for good.
jwks.FETCH_TIMEOUT_SECONDS = int(os.environ.get("FETCH_TIMEOUT", jwks.FETCH_TIMEOUT_SECONDS))

config = json.loads(os.environ["CONFIG"])
app = make_session_app(config.pop("SESSIONS", None), **config)
app.add_url_rule("/open", "open", dict)

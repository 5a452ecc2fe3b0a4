"""The example app's settings in tests: one user with every scope, and ``viewer`` without any."""

from __future__ import annotations

import json

from ..apps import PASSWORD, SECRET, USERNAME

USERS = {"viewer": {"password": PASSWORD}}
CONFIG = {
    "API_AUTH_USERNAME": USERNAME,
    "API_AUTH_PASSWORD": PASSWORD,
    "API_AUTH_USERS": USERS,
    "API_AUTH_JWT_SECRET": SECRET,
}
#: The same settings as environment variables.
ENVIRONMENT = {
    f"CORE_{key}": value if isinstance(value, str) else json.dumps(value) for key, value in CONFIG.items()
}

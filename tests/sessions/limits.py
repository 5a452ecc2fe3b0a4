"""What bounds the time that a store may take, and doing without."""

from __future__ import annotations

from flask_core_auth.sessions import redis, sql

#: Where the limits are, and under which names.
LIMITS = ((sql, "CALL_TIMEOUT_SECONDS"), (sql, "POOL_TIMEOUT_SECONDS"), (redis, "WAIT_TIMEOUT_SECONDS"))
#: What a test that does not ask for them gives to each instead, in seconds.
PLENTY = 60


def take_time() -> None:
    """Let stores that are opened in this process from now on take their time: the machine may be slow."""
    for module, name in LIMITS:
        setattr(module, name, PLENTY)

"""The time limits of session stores and of limit storages, and how tests extend them.

A test must not fail because the machine is slow.
"""

from __future__ import annotations

from flask_core_auth import throttle
from flask_core_auth.sessions import redis, sql

#: The time limits: each is the name of a number of seconds in a module.
LIMITS = (
    (sql, "CALL_TIMEOUT_SECONDS"),
    (sql, "POOL_TIMEOUT_SECONDS"),
    (redis, "WAIT_TIMEOUT_SECONDS"),
    (throttle, "STORAGE_TIMEOUT_SECONDS"),
)
_PRODUCTION = tuple((module, name, getattr(module, name)) for module, name in LIMITS)
EXTENDED_SECONDS = 60


def extend_limits() -> None:
    """Extend the time limits of stores and storages that this process opens from now on."""
    for module, name in LIMITS:
        setattr(module, name, EXTENDED_SECONDS)


def restore_limits() -> None:
    """Restore the time limits of production, in tests of the limits and after each test."""
    for module, name, seconds in _PRODUCTION:
        setattr(module, name, seconds)

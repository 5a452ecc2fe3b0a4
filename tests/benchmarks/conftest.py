"""The servers and the time limits of the session tests."""

from __future__ import annotations

from ..sessions.conftest import restore_limits
from ..stores import postgres_server, redis_server

__all__ = ["postgres_server", "redis_server", "restore_limits"]

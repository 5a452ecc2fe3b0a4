"""The servers and the time limits of the session tests."""

from __future__ import annotations

from ..sessions.conftest import extended_limits
from ..stores import postgres_server, redis_server

__all__ = ["extended_limits", "postgres_server", "redis_server"]

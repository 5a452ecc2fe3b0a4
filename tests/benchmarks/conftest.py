"""The benchmarks use the session stores of the session tests."""

from __future__ import annotations

from ..sessions.conftest import restore_limits

__all__ = ["restore_limits"]

"""The Python client of a datarhei Core, or of an app with flask-core-auth. It needs no Flask."""

from __future__ import annotations

from ..token_pair import TokenPair
from .auth import CoreTokenAuth
from .client import AsyncCoreClient, CoreClient
from .errors import CoreClientError, LoginError, RefreshError

__all__ = [
    "AsyncCoreClient",
    "CoreClient",
    "CoreClientError",
    "CoreTokenAuth",
    "LoginError",
    "RefreshError",
    "TokenPair",
]

"""The login of the datarhei Core API for any Flask app: register one blueprint, protect routes with one
decorator, configure it through the app's own config."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .blueprint import CoreAuth as CoreAuth
    from .config import load_env as load_env
    from .decorators import auth_exempt as auth_exempt
    from .decorators import auth_required as auth_required
    from .errors import AuthError as AuthError
    from .errors import ConfigError as ConfigError
    from .identity import Identity as Identity
    from .identity import current_identity as current_identity

__version__ = "0.1.0"

_ROOMS = {
    "CoreAuth": "blueprint",
    "auth_required": "decorators",
    "auth_exempt": "decorators",
    "current_identity": "identity",
    "Identity": "identity",
    "load_env": "config",
    "AuthError": "errors",
    "ConfigError": "errors",
}

__all__ = [*_ROOMS]


def __getattr__(name: str) -> t.Any:
    # PEP 562: the client and the command line share this package and must not pay for the server
    # side, nor need Flask to be installed.
    if name in _ROOMS:
        from importlib import import_module

        return getattr(import_module(f".{_ROOMS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

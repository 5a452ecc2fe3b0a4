"""The login of the datarhei Core API for any Flask app.

Register one blueprint, protect routes with one decorator, and configure both through the app's own config.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .blueprint import CoreAuth as CoreAuth
    from .config import load_env as load_env
    from .errors import AuthError as AuthError
    from .errors import ConfigError as ConfigError
    from .identity import Identity as Identity
    from .identity import current_identity as current_identity
    from .protection import auth_exempt as auth_exempt
    from .protection import auth_required as auth_required

__version__ = "0.1.0"

_EXPORTS = {
    "CoreAuth": "blueprint",
    "auth_required": "protection",
    "auth_exempt": "protection",
    "current_identity": "identity",
    "Identity": "identity",
    "load_env": "config",
    "AuthError": "errors",
    "ConfigError": "errors",
}

__all__ = [*_EXPORTS]


def __getattr__(name: str) -> t.Any:
    # PEP 562: the client and the command line are part of this package. They must not import the server
    # side, and the client must work without Flask.
    if name in _EXPORTS:
        from importlib import import_module

        return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

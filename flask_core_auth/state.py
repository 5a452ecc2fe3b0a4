"""Per-app state, in ``app.extensions["core_auth"]``."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from flask import current_app

from .errors import ConfigError

if t.TYPE_CHECKING:
    from .callbacks import HostCallbacks
    from .concurrency import PasswordChecks
    from .config import AuthConfig
    from .grants import Grants
    from .sessions import Sessions
    from .throttle import LoginThrottle
    from .tokens import Tokens
    from .validators import Validators

KEY = "core_auth"


@dataclass(frozen=True, slots=True)
class State:
    """The parts of flask-core-auth on one app, made at the registration and never changed.

    :param blueprint: the blueprint's name on this app, with the names of the blueprints around it.
    """

    blueprint: str
    config: AuthConfig
    callbacks: HostCallbacks
    validators: Validators
    tokens: Tokens
    grants: Grants
    throttle: LoginThrottle
    password_checks: PasswordChecks
    sessions: Sessions | None

    @staticmethod
    def current() -> State:
        """Return the current app's state.

        :raises RuntimeError: if the blueprint is not registered on the app.
        :raises ConfigError: if the app has another JWTManager than at the registration.
        """
        state: State | None = current_app.extensions.get(KEY)
        if state is None or current_app.extensions.get("flask-jwt-extended") is not state.callbacks.manager:
            raise setup_error(state)
        return state


def setup_error(state: State | None) -> Exception:
    """Make the error for an app without state, or with a JWTManager that was made after the
    registration."""
    if state is None:
        return RuntimeError(
            "No CoreAuth on this app. Register it first: app.register_blueprint(CoreAuth())"
        )
    return ConfigError(
        [("JWTManager", "was made after the CoreAuth: create it before register_blueprint()")]
    )

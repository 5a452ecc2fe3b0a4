"""What one app has of us, in ``app.extensions["core_auth"]``."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from flask import current_app

from .errors import ConfigError

if t.TYPE_CHECKING:
    from .config import AuthConfig
    from .jwt_extended import Loaders
    from .sessions import Sessions
    from .throttle import LoginThrottle
    from .tokens import Tokens
    from .validators.auth0 import Auth0Validators
    from .validators.host import HostValidator
    from .validators.local import LocalValidator

KEY = "core_auth"


@dataclass(frozen=True, slots=True)
class State:
    """Made when the blueprint is registered on an app, and never changed.

    :param blueprint: the name that the blueprint has on this app, those that it is nested in included.
    """

    blueprint: str
    config: AuthConfig
    loaders: Loaders
    tokens: Tokens
    throttle: LoginThrottle
    local: LocalValidator
    host: HostValidator
    auth0: Auth0Validators | None
    sessions: Sessions | None

    @staticmethod
    def of_app() -> State:
        """The current app's state.

        :raises RuntimeError: if the blueprint is not registered on the app.
        :raises ConfigError: if another JWTManager has replaced the one that it was registered with.
        """
        state: State | None = current_app.extensions.get(KEY)
        if state is None or current_app.extensions.get("flask-jwt-extended") is not state.loaders.manager:
            raise set_up_wrongly(state)
        return state


def set_up_wrongly(state: State | None) -> Exception:
    """What is wrong with an app that has no state, or one that another JWTManager has gone past."""
    if state is None:
        return RuntimeError(
            "No CoreAuth on this app. Register it first: app.register_blueprint(CoreAuth())"
        )
    return ConfigError(
        [("JWTManager", "was made after the CoreAuth: create it before register_blueprint()")]
    )

"""Reading settings from an app's config."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_core_auth import ConfigError
from flask_core_auth.config import AuthConfig

from ..apps import SECRET
from ..tenant import EXAMPLE


def read_config(app: Flask | None = None, **config) -> AuthConfig:
    """Read settings from a config; ``...`` leaves a key out."""
    app = app or Flask(__name__)
    config = {"API_AUTH_JWT_SECRET": SECRET, **config}
    app.config.update({key: value for key, value in config.items() if value is not ...})
    return AuthConfig.from_app(app)


def problems(app: Flask | None = None, **config) -> dict[str, str]:
    """Return the problems of a config, by key."""
    with pytest.raises(ConfigError) as caught:
        read_config(app, **config)
    return dict(caught.value.problems)


def tenant_settings(**changes) -> dict[str, object]:
    """Settings with one tenant: the good one, with changes."""
    element = {key: value for key, value in {**EXAMPLE, **changes}.items() if value is not ...}
    return {"API_AUTH_AUTH0_ENABLE": True, "API_AUTH_AUTH0_TENANTS": [element]}

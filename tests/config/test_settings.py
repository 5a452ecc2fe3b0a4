"""The table of settings."""

from __future__ import annotations

import dataclasses

from flask_core_auth.config import SETTINGS
from flask_core_auth.config.values import default_concurrency

from ..apps import SECRET
from .reading import read_config


def test_defaults():
    assert dataclasses.asdict(read_config()) == {
        "enable": True,
        "disable_localhost": False,
        "users": {},
        "secrets": (SECRET,),
        "access_expires": 600,
        "refresh_expires": 86400,
        "realm": "flask-core-auth",
        "tenants": (),
        "about": None,
        "login_limit": "10/minute",
        "login_concurrency": default_concurrency(),
        "limit_storage": "memory://",
        "sessions": None,
        "session_check": "refresh",
        "session_max_age": 30 * 86400,
        "session_limit": 100,
        "refresh_rotation": False,
        "refresh_grace": 10,
        "cookies": False,
        "openapi": False,
    }


def test_every_setting_has_a_prefixed_key_and_a_description():
    for setting in SETTINGS:
        assert setting.key.startswith("API_AUTH_")
        assert setting.meaning.endswith(".")

"""The cost of importing: slow and optional dependencies are imported when they are first needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import flask_core_auth


def modules_after(code: str) -> set[str]:
    """The top-level modules that a new interpreter holds after running ``code``."""
    report = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_package_alone_imports_no_flask():
    found = modules_after("import flask_core_auth; flask_core_auth.__version__")
    assert "flask_core_auth" in found
    assert not found & {"flask", "werkzeug", "flask_jwt_extended", "jwt", "httpx2", "authlib", "joserfc"}


SLOW = {"httpx2", "httpcore2", "limits", "authlib", "sqlalchemy", "redis", "argon2", "pymemcache", "click"}


def test_public_names_import_nothing_slow():
    found = modules_after(
        "from flask_core_auth import (CoreAuth, auth_required, current_identity, Identity, load_env,"
        " AuthError, ConfigError, auth_exempt)"
    )
    # Flask itself imports click.
    assert not found & (SLOW - {"click"})


def test_registration_without_tenants_imports_nothing_slow():
    found = modules_after(
        "from flask import Flask\n"
        "from flask_core_auth import CoreAuth\n"
        "app = Flask('x')\n"
        "app.config.update(API_AUTH_USERNAME='x', API_AUTH_PASSWORD='y', API_AUTH_JWT_SECRET='x' * 32)\n"
        "app.register_blueprint(CoreAuth())\n"
        "assert app.test_client().get('/api/login/refresh').status_code == 401\n"
    )
    assert not found & (SLOW - {"click"})


def test_every_public_name_exists_and_is_listed():
    for name in flask_core_auth.__all__:
        assert getattr(flask_core_auth, name) is not None
    assert set(flask_core_auth.__all__) <= set(dir(flask_core_auth))
    assert set(flask_core_auth.__all__) == {
        "CoreAuth",
        "auth_required",
        "auth_exempt",
        "current_identity",
        "Identity",
        "load_env",
        "AuthError",
        "ConfigError",
    }


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        flask_core_auth.Nothing  # noqa: B018
    with pytest.raises(ImportError):
        from flask_core_auth import Nothing  # noqa: F401

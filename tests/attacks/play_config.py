"""Plays the cases of the surface config: settings are accepted, or rejected without showing a secret.

``config`` changes :data:`VALID`, the keys of ``app.config``; null removes a key. A request may have these
members:

- ``environ``: variables for :func:`.load_env`, in place of :data:`VALID`;
- ``manager``: true if the app has a JWTManager of its own.

A case expects one of these:

- ``accepted``: the app registers the blueprint, and its :class:`.AuthConfig` has these values;
- ``rejected``: a :exc:`.ConfigError` names these keys and no others.

``warns`` is a text that the log contains, too. Each word that begins with ``canary`` is a secret.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import typing as t
from collections.abc import Callable, Mapping
from datetime import timedelta
from urllib.parse import quote

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager

from flask_core_auth import ConfigError, CoreAuth, load_env

from ..client.test_secrecy import everything_about
from ..stores import close_store
from .cases import Case
from .filling import fill

VALID = {
    "API_AUTH_USERNAME": "admin",
    "API_AUTH_PASSWORD": "canary-of-the-valid-password",
    "API_AUTH_JWT_SECRET": "canary-of-the-valid-secret-thirty-two-bytes",
}
_SECRET = re.compile(r"canary[\w-]*")
#: Values that JSON does not have. Each is an object with one of these members.
_SPECIAL: Mapping[str, Callable[[t.Any], object]] = {
    "$bytes": str.encode,
    "$seconds": lambda seconds: timedelta(seconds=seconds),
    "$float": float,
    "$power_of_ten": lambda exponent: 10**exponent,
    "$base64": lambda text: base64.b64encode(text.encode()).decode(),
    "$json": json.dumps,
}


def play(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Play one case."""
    caplog.set_level(logging.DEBUG)
    [request], [expect] = case.request or ({},), case.expect
    config = _native(fill(case.config or {}, {}))
    app = Flask(__name__)
    if "environ" in request:
        load_env(app.config, environ=request["environ"])
    else:
        app.config.update({key: value for key, value in {**VALID, **config}.items() if value is not None})
    if request.get("manager"):
        JWTManager(app)

    shown = (
        _rejected(app, expect["rejected"]) if "rejected" in expect else _accepted(app, expect["accepted"])
    )

    assert expect.get("warns", "") in caplog.text
    for secret in _SECRET.findall(json.dumps([VALID, case.config, case.request])):
        for form in (secret, quote(secret), base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]):
            assert form not in shown
            assert form not in caplog.text


def _rejected(app: Flask, keys: list[str]) -> str:
    """Return all that the error shows."""
    with pytest.raises(ConfigError) as caught:
        app.register_blueprint(CoreAuth())
    assert sorted({key for key, _ in caught.value.problems}) == sorted(keys)
    for key in keys:
        assert f"\n  {key}: " in str(caught.value)
    return everything_about(caught.value)


def _accepted(app: Flask, values: Mapping[str, t.Any]) -> str:
    """Return the ``repr()`` of the state."""
    app.register_blueprint(CoreAuth())
    state = app.extensions["core_auth"]
    for name, value in values.items():
        assert _plain(getattr(state.config, name)) == value, name
    if state.sessions is not None:
        close_store(state.sessions._store)
    return repr(state)


def _native(value: t.Any) -> t.Any:
    """Return a value of a case as the app gets it."""
    if isinstance(value, dict):
        if len(value) == 1 and (special := _SPECIAL.get(*value)):
            return special(_native(*value.values()))
        return {name: _native(member) for name, member in value.items()}
    return [_native(element) for element in value] if isinstance(value, list) else value


def _plain(value: t.Any) -> t.Any:
    """Return a value of a config in the form of a case: users and tenants by their names."""
    if isinstance(value, Mapping):
        return list(value)
    if isinstance(value, tuple):
        return [getattr(element, "domain", element) for element in value]
    return value

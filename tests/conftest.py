from __future__ import annotations

import time
import typing as t

import pytest
from flask import Flask
from flask_jwt_extended import get_jwt

from flask_core_auth import CoreAuth, auth_required, current_identity

from .forge import SECRET
from .tenant import (
    make_tenant,
    tenant,
    tenant_authority,
    tenant_certificate,
    tenant_key,
    tenant_trust,
)

__all__ = [
    "make_tenant",
    "tenant",
    "tenant_authority",
    "tenant_certificate",
    "tenant_key",
    "tenant_trust",
]

MakeApp = t.Callable[..., Flask]


@pytest.fixture
def make_app() -> MakeApp:
    """Makes apps that the user ``admin`` can log in to with the password ``correct horse``.

    Config keys are changed by keyword, or left out with ``...``. ``host`` is called with the app before the
    blueprint is registered.
    """

    def make(
        core_auth: CoreAuth | None = None,
        *,
        host: t.Callable[[Flask], object] | None = None,
        **config: t.Any,
    ) -> Flask:
        app = Flask(__name__)
        settings = {
            "API_AUTH_USERNAME": "admin",
            "API_AUTH_PASSWORD": "correct horse",
            "API_AUTH_JWT_SECRET": SECRET,
            **config,
        }
        app.config.update({key: value for key, value in settings.items() if value is not ...})
        if host is not None:
            host(app)
        app.register_blueprint(core_auth or CoreAuth())

        def who() -> dict[str, t.Any]:
            return {
                "subject": current_identity.subject,
                "idp": current_identity.idp,
                "scopes": sorted(current_identity.scopes),
                "authenticated": current_identity.authenticated,
                "claims": get_jwt(),
            }

        def add(path: str, view: t.Callable[..., t.Any]) -> None:
            app.add_url_rule(path, path, view, methods=["GET", "POST"])

        add("/open", lambda: "open")
        add("/who", auth_required(who))
        add("/fresh", auth_required(fresh=True)(who))
        add("/optional", auth_required(optional=True)(who))
        add("/scoped", auth_required(scopes=["edit"])(who))
        return app

    return make


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask):
    return app.test_client()


@pytest.fixture
def login(client) -> dict[str, str]:
    """What a login of ``admin`` answers."""
    response = client.post("/api/login", json={"username": "admin", "password": "correct horse"})
    assert response.status_code == 200
    return response.json


class Clock:
    """A clock that stands still until it is moved, in seconds."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock

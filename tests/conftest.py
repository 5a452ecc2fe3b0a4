from __future__ import annotations

import time
import types
import typing as t
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import get_jwt

from flask_core_auth import CoreAuth, auth_required, circuit_breaker, current_identity

from .apps import PASSWORD, SECRET, USERNAME, Clock, log_in
from .bad_tokens import BAD_TOKENS
from .explaining import stage
from .limits import extend_limits, restore_limits
from .shown import Shown
from .stores import (
    black_hole,
    close_store,
    postgres_server,
    postgres_url,
    redis_server,
    redis_url,
    sqlite_url,
    store_url,
)
from .tenant import (
    make_tenant,
    tenant,
    tenant_authority,
    tenant_certificate,
    tenant_key,
    tenant_trust,
)

__all__ = [
    "black_hole",
    "make_tenant",
    "postgres_server",
    "postgres_url",
    "redis_server",
    "redis_url",
    "sqlite_url",
    "stage",
    "store_url",
    "tenant",
    "tenant_authority",
    "tenant_certificate",
    "tenant_key",
    "tenant_trust",
]

MakeApp = Callable[..., Flask]


#: The test that looks at what all others have shown, and so must be the last one.
LAST = "test_no_test_before_has_shown_a_secret"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == LAST)


@pytest.fixture(autouse=True, scope="session")
def shown() -> Iterator[Shown]:
    """What the tests so far have logged and raised that has a secret."""
    shown = Shown()
    with shown.watching():
        yield shown


@pytest.fixture(autouse=True)
def extended_limits() -> Iterator[None]:
    """Extend the time limits of stores and limit storages during a test: the machine may be slow.

    A test of the limits calls ``restore_limits()`` before it opens a store.
    """
    extend_limits()
    yield
    restore_limits()


@pytest.fixture
def make_app() -> Iterator[MakeApp]:
    """Make apps that the user ``admin`` can log in to with the password ``correct horse``.

    Keywords change config keys, or leave them out with ``...``. ``host`` is called with the app before the
    blueprint is registered. Connections of session stores are closed after the test.
    """
    apps: list[Flask] = []

    def make(
        core_auth: CoreAuth | None = None,
        *,
        host: t.Callable[[Flask], object] | None = None,
        **config: t.Any,
    ) -> Flask:
        app = Flask(__name__)
        settings = {
            "API_AUTH_USERNAME": USERNAME,
            "API_AUTH_PASSWORD": PASSWORD,
            "API_AUTH_JWT_SECRET": SECRET,
            **config,
        }
        app.config.update({key: value for key, value in settings.items() if value is not ...})
        if host is not None:
            host(app)
        app.register_blueprint(core_auth or CoreAuth())
        apps.append(app)

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

    yield make
    for app in apps:
        sessions = app.extensions["core_auth"].sessions
        if sessions is not None:
            close_store(sessions._store)
    # Until the test's own end, pytest holds ``make``, which holds the list.
    apps.clear()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def everywhere(make_app: MakeApp) -> Flask:
    """An app that accepts tokens in every place."""
    return make_app(JWT_TOKEN_LOCATION=["headers", "cookies", "json", "query_string"])


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def login(client: FlaskClient) -> dict[str, str]:
    """Both tokens of a login of ``admin``."""
    return log_in(client)


@pytest.fixture(params=BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def bad(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Make a token that is wrong in one way, for a use: "access" or "refresh"."""
    return t.cast("Callable[[str], str]", request.param)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that :func:`time.time` reads."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that measures the pauses after a failure of a store, a storage or a tenant."""
    clock = Clock()
    monkeypatch.setattr(circuit_breaker, "time", types.SimpleNamespace(monotonic=clock))
    return clock

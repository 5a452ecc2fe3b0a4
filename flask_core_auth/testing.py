"""Fixtures for the tests of apps that use flask-core-auth.

``pytest_plugins = ["flask_core_auth.testing"]`` in a ``conftest.py`` gives the fixture
:func:`auth0_tenant`.

PYTEST_DONT_REWRITE: a ``conftest.py`` imports this module before pytest does. Without this mark, pytest
warns that it cannot rewrite the module's assertions.
"""

from __future__ import annotations

import contextlib
import time
import typing as t
from collections.abc import Iterable, Iterator
from unittest import mock

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey

from .blueprint import CoreAuth
from .state import State
from .validators import jwks


class AuthClient(FlaskClient):
    """A test client that is logged in.

    ::

        app.test_client_class = AuthClient
        client = app.test_client(subject="alice", scopes=["metrics:read"])
        assert client.get("/api/v3/metrics").status_code == 200

    :param subject: the subject of the access token that it sends, or None for no token.
    :param scopes: the scopes of the token.
    :param fresh: whether the token counts as issued by a login.
    """

    def __init__(
        self,
        *args: t.Any,
        subject: str | None = None,
        scopes: Iterable[str] = (),
        fresh: bool = True,
        **kwargs: t.Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if subject is not None:
            with self.application.app_context():
                core_auth = t.cast(CoreAuth, self.application.blueprints[State.current().blueprint])
                tokens = core_auth.issue(subject, scopes=scopes, fresh=fresh)
            self.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {tokens.access_token}"


class FakeTenant:
    """An Auth0 tenant for tests.

    The access tokens are verified with its keys, like the tokens of a real tenant. While it is
    :meth:`serving`, the keys are fetched without a network.

    :param domain: the tenant's domain.
    :param audience: the identifier of the app's API in it.
    :param clientid: the client that its tokens are issued to.
    :param users: the subjects that may log in.
    """

    def __init__(
        self,
        domain: str = "tenant.example",
        *,
        audience: str = "https://api.example/",
        clientid: str = "example-client",
        users: Iterable[str] = ("auth0|alice",),
    ) -> None:
        self.domain = domain
        self.audience = audience
        self.clientid = clientid
        self.users = list(users)
        self._key = RSAKey.generate_key(2048, {"kid": "fake", "use": "sig", "alg": "RS256"})

    @property
    def config(self) -> dict[str, t.Any]:
        """The app's settings for this tenant, for ``app.config.update()``."""
        tenant = {
            "domain": self.domain,
            "audience": self.audience,
            "clientid": self.clientid,
            "users": self.users,
        }
        return {"API_AUTH_AUTH0_ENABLE": True, "API_AUTH_AUTH0_TENANTS": [tenant]}

    def token(self, subject: str | None = None, **claims: t.Any) -> str:
        """Issue an access token.

        :param subject: the subject of the token, or None for the first user.
        :param claims: claims that replace the usual claims. None removes a claim.
        """
        now = int(time.time())
        members = {
            "iss": f"https://{self.domain}/",
            "sub": self.users[0] if subject is None else subject,
            "aud": [self.audience, f"https://{self.domain}/userinfo"],
            "azp": self.clientid,
            "iat": now,
            "exp": now + 86400,
            "scope": "openid profile email",
            **claims,
        }
        payload = {name: value for name, value in members.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "fake"}, payload, self._key)

    @contextlib.contextmanager
    def serving(self) -> Iterator[t.Self]:
        """Serve the tenant's keys to every app in this process; other tenants are not affected."""
        jwks_uri = f"https://{self.domain}/.well-known/jwks.json"
        published = jwks.parse_keys([self._key.as_dict(private=False)])
        read = jwks.Fetch.read

        def read_here(fetch: jwks.Fetch) -> jwks.Keys:
            return published if fetch.jwks_uri == jwks_uri else read(fetch)

        with mock.patch.object(jwks.Fetch, "read", read_here):
            yield self


@pytest.fixture
def auth0_tenant() -> Iterator[FakeTenant]:
    """A :class:`FakeTenant` that is :meth:`~FakeTenant.serving` during the test."""
    with FakeTenant().serving() as tenant:
        yield tenant

from __future__ import annotations

import threading
import types
import typing as t
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from joserfc.jwk import RSAKey
from joserfc.util import urlsafe_b64encode

from flask_core_auth.errors import ForbiddenError
from flask_core_auth.identity import Identity
from flask_core_auth.validators import jwks
from flask_core_auth.validators.auth0 import Auth0Validator, parse_token
from flask_core_auth.validators.jwks import TenantKeys

from ..apps import Clock
from ..limits import EXTENDED_SECONDS
from ..tenant import Tenant


def validate(validator: Auth0Validator, token: str) -> Identity:
    """Return the identity of a tenant's token."""
    return validator.validate(parse_token(token)).identity


@pytest.fixture(autouse=True)
def monotonic(pauses: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that measures pauses and the age of keys; a fetch may take its time."""
    monkeypatch.setattr(jwks, "time", types.SimpleNamespace(monotonic=pauses))
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", EXTENDED_SECONDS)
    return pauses


@pytest.fixture
def keys(tenant: Tenant) -> TenantKeys:
    return TenantKeys(tenant.jwks_uri)


@pytest.fixture
def validator(tenant: Tenant) -> Auth0Validator:
    return Auth0Validator(tenant.config())


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return when a number of threads wait for a fetch."""
    arrived = threading.Semaphore(0)
    wait = jwks.Fetch.wait

    def counting(fetch: jwks.Fetch) -> None:
        arrived.release()
        wait(fetch)

    def until(number: int) -> None:
        for _ in range(number):
            assert arrived.acquire(timeout=EXTENDED_SECONDS)

    monkeypatch.setattr(jwks.Fetch, "wait", counting)
    return until


def rejection(validator: Auth0Validator, token: str) -> str:
    """The reason why a validator rejects a token."""
    with pytest.raises(ForbiddenError) as raised:
        validate(validator, token)
    [detail] = raised.value.details
    return detail


def segment(data: bytes | str) -> str:
    """A part of a compact token."""
    return urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def rsa(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid})


def public(key: t.Any, **members: object) -> dict[str, object]:
    """A JWK; a member that is ``...`` is left out."""
    jwk = {**key.as_dict(private=False), **members}
    return {name: value for name, value in jwk.items() if value is not ...}


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The messages of flask-core-auth."""
    return [message for name, level, message in caplog.record_tuples if name == "flask_core_auth"]

"""Any token at all is accepted or rejected, without another error."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey

from flask_core_auth.errors import ForbiddenError
from flask_core_auth.validators.auth0 import Auth0Validator, Auth0Validators

from ..tenant import ALICE, AUDIENCE, CLIENT, Tenant
from .conftest import segment, validate

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
HEADER = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["RS256", "ES256", "ES384", "EdDSA", "PS256", "none", "HS256"]) | JSON,
        "kid": st.sampled_from(["key-1", "P-256", "Ed25519"]) | JSON,
        "typ": st.sampled_from(["JWT", "at+jwt"]) | JSON,
        **dict.fromkeys(("jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "cty", "crit", "b64"), JSON),
    },
)
CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.sampled_from([time.time() + 60]) | JSON for name in ("exp", "nbf", "iat")},
        "iss": JSON,
        "sub": st.just(ALICE) | JSON,
        "aud": st.just(AUDIENCE) | JSON,
        "azp": st.just(CLIENT) | JSON,
        "client_id": JSON,
        "scope": JSON,
        "permissions": JSON,
    },
)
ANYWAY = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]


def outcome(validator: Auth0Validator, token: str) -> None:
    with contextlib.suppress(ForbiddenError):
        validate(validator, token)


@pytest.fixture
def open_validator(tenant: Tenant) -> Auth0Validator:
    """A validator that has fetched keys of all kinds."""
    curves = [ECKey.generate_key("P-256", {"kid": "P-256"}), OKPKey.generate_key(None, {"kid": "Ed25519"})]
    tenant.keys += curves
    algorithms = frozenset(("RS256", "PS256", "ES256", "ES384", "EdDSA"))
    validator = Auth0Validator(tenant.config(algorithms=algorithms))
    validate(validator, tenant.token())
    return validator


@settings(deadline=None, max_examples=200, suppress_health_check=ANYWAY)
@given(header=HEADER, signature=st.binary(max_size=140) | st.just(bytes(64)))
def test_any_header_is_accepted_or_rejected(
    open_validator: Auth0Validator, header: dict[str, object], signature: bytes
) -> None:
    outcome(open_validator, f"{segment(json.dumps(header))}.{segment('{}')}.{segment(signature)}")


@settings(deadline=None, max_examples=200, suppress_health_check=ANYWAY)
@given(claims=CLAIMS, header=HEADER)
def test_any_claims_are_accepted_or_rejected(
    open_validator: Auth0Validator, tenant: Tenant, claims: dict[str, object], header: dict[str, object]
) -> None:
    claims = {"iss": tenant.issuer, **claims}
    outcome(open_validator, tenant.sign(tenant.header(), claims))
    outcome(open_validator, tenant.sign({**tenant.header(), **header}, tenant.claims()))
    Auth0Validators([tenant.config()]).find(tenant.sign(header, claims))


@settings(deadline=None, max_examples=200, suppress_health_check=ANYWAY)
@given(st.text(st.characters() | st.sampled_from(".eyJ0")))
def test_any_string_is_accepted_or_rejected(open_validator: Auth0Validator, token: str) -> None:
    outcome(open_validator, token)

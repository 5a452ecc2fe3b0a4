"""Access tokens of tenants: users, claims, scopes."""

from __future__ import annotations

import json
import types
from collections.abc import Callable

import pytest
from authlib.oauth2.rfc6749.errors import OAuth2Error
from authlib.oauth2.rfc6749.resource_protector import ResourceProtector
from authlib.oauth2.rfc6750 import BearerTokenValidator

from flask_core_auth.errors import ForbiddenError, ServiceUnavailableError
from flask_core_auth.validators.auth0 import Auth0Validator, Auth0Validators, SignedToken

from ..apps import Clock
from ..tenant import ALICE, AUDIENCE, CLIENT, Tenant
from .conftest import rejection, segment, validate

# Who is admitted


def test_access_token_of_a_user_is_admitted(validator: Auth0Validator, tenant: Tenant) -> None:
    identity = validate(validator, tenant.token())
    assert identity.subject == ALICE
    assert identity.idp == tenant.domain
    assert identity.scopes == frozenset()
    assert identity.claims["azp"] == CLIENT
    assert identity.authenticated


def test_keys_are_fetched_once(validator: Auth0Validator, tenant: Tenant) -> None:
    assert not tenant.requests
    for _ in range(3):
        validate(validator, tenant.token())
    assert len(tenant.requests) == 1


def test_unreachable_tenant_gets_a_503(validator: Auth0Validator, tenant: Tenant) -> None:
    tenant.status = 500
    with pytest.raises(ServiceUnavailableError) as raised:
        validate(validator, tenant.token())
    assert raised.value.details == ("The identity provider's keys cannot be fetched",)


def test_user_that_is_not_listed_is_rejected(validator: Auth0Validator, tenant: Tenant) -> None:
    assert rejection(validator, tenant.token(sub="auth0|mallory")) == "The user is not admitted"


def test_tenant_without_users_admits_nobody(tenant: Tenant) -> None:
    validator = Auth0Validator(tenant.config(users=frozenset()))
    assert rejection(validator, tenant.token()) == "The user is not admitted"


def test_star_admits_everybody_of_the_tenant(tenant: Tenant) -> None:
    validator = Auth0Validator(tenant.config(users=frozenset("*")))
    assert validate(validator, tenant.token(sub="auth0|bob")).subject == "auth0|bob"


@pytest.mark.parametrize("sub", [..., None, "", 5, True, ["auth0|alice"], {}, "a\0b", "\ud800"])
def test_subject_must_be_a_proper_string(tenant: Tenant, sub: object) -> None:
    validator = Auth0Validator(tenant.config(users=frozenset("*")))
    assert rejection(validator, tenant.token(sub=sub)) == "The token has no subject (sub)"


def test_keys_are_fetched_once_the_tenant_is_up_again(
    validator: Auth0Validator, tenant: Tenant, monotonic: Clock
) -> None:
    tenant.status = 502
    with pytest.raises(ServiceUnavailableError):
        validate(validator, tenant.token())
    tenant.status = 200
    monotonic.move(1)
    assert validate(validator, tenant.token())


# The claims


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "[]",
        "null",
        "5",
        '"claims"',
        "{",
        "not json",
        "[" * 5000,
        '{"a":' * 1000,
        '{"sub":"auth0|alice","sub":"auth0|mallory"}',
        '{"exp":NaN}',
        '{"exp":Infinity}',
        '{"exp":-Infinity}',
        '{"exp":1' + "0" * 4400 + "}",
    ],
    ids=lambda payload: payload[:40],
)
def test_payload_must_be_one_json_object(validator: Auth0Validator, tenant: Tenant, payload: str) -> None:
    token = tenant.sign(tenant.header(), payload)
    assert rejection(validator, token) == "The token's payload is not a JSON object"


def test_claim_that_is_repeated_is_rejected(validator: Auth0Validator, tenant: Tenant) -> None:
    payload = json.dumps(tenant.claims())[:-1] + f',"exp":{2**40}}}'
    token = tenant.sign(tenant.header(), payload)
    assert rejection(validator, token) == "The token's payload is not a JSON object"


@pytest.mark.parametrize("change", [lambda iss: iss[:-1], str.upper, lambda iss: [iss], lambda iss: ...])
def test_issuer_must_be_the_tenants_to_the_letter(
    validator: Auth0Validator, tenant: Tenant, change: Callable[[str], object]
) -> None:
    token = tenant.token(iss=change(tenant.issuer))
    assert rejection(validator, token) == "The token is of another issuer (iss)"


@pytest.mark.parametrize("aud", [AUDIENCE, [AUDIENCE], ["x", AUDIENCE]])
def test_audience_is_one_string_or_several(validator: Auth0Validator, tenant: Tenant, aud: object) -> None:
    assert validate(validator, tenant.token(aud=aud))


@pytest.mark.parametrize(
    "aud",
    [
        "",
        AUDIENCE[:-1],
        f"{AUDIENCE}x",
        f"x {AUDIENCE}",
        CLIENT,
        [],
        ["x"],
        [[AUDIENCE]],
        [AUDIENCE, 1],
        [AUDIENCE, None],
        {AUDIENCE: 1},
        None,
        1,
    ],
    ids=json.dumps,
)
def test_token_for_another_audience_is_rejected(
    validator: Auth0Validator, tenant: Tenant, aud: object
) -> None:
    assert rejection(validator, tenant.token(aud=aud)) == "The token is for another audience (aud)"


def test_token_without_an_audience_is_rejected(validator: Auth0Validator, tenant: Tenant) -> None:
    assert rejection(validator, tenant.token(aud=...)) == "The token has no audience (aud)"


def test_token_without_an_expiry_is_rejected(validator: Auth0Validator, tenant: Tenant) -> None:
    assert rejection(validator, tenant.token(exp=...)) == "The token has no expiry (exp)"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    ["1e400", "-1e400", "9" * 400, str(2**53), "true", "null", '"99999999999"', "[9999999]", "{}"],
)
def test_time_that_is_not_a_finite_number_is_rejected(
    validator: Auth0Validator, tenant: Tenant, name: str, value: str
) -> None:
    payload = json.dumps(tenant.claims(**{name: ...}))[:-1] + f',"{name}":{value}}}'
    token = tenant.sign(tenant.header(), payload)
    assert rejection(validator, token) == f"The token has a malformed time ({name})"


def test_token_expires_ten_seconds_late(validator: Auth0Validator, tenant: Tenant, clock: Clock) -> None:
    now = clock.now
    assert validate(validator, tenant.token(iat=..., exp=now - 9.5))
    for exp in (now - 10, now - 1000, 0, -1, -1e15, 0.5):
        assert rejection(validator, tenant.token(iat=..., exp=exp)) == "The token has expired"


def test_token_is_valid_ten_seconds_early(validator: Auth0Validator, tenant: Tenant, clock: Clock) -> None:
    now = clock.now
    exp = now + 60
    assert validate(validator, tenant.token(iat=now + 10, nbf=now + 10, exp=exp))
    assert validate(validator, tenant.token(iat=..., nbf=-5, exp=exp))
    late = tenant.token(iat=..., nbf=now + 10.5, exp=exp)
    assert rejection(validator, late) == "The token is not valid yet (nbf)"
    late = tenant.token(iat=now + 10.5, exp=exp)
    assert rejection(validator, late) == "The token was issued in the future (iat)"


@pytest.mark.parametrize(
    "claims",
    [
        {"azp": ...},
        {"azp": None},
        {"azp": ""},
        {"azp": "other"},
        {"azp": [CLIENT]},
        {"azp": ..., "client_id": "other"},
        {"azp": ..., "client_id": None},
        {"azp": "other", "client_id": CLIENT},
        {"azp": None, "client_id": CLIENT},
        {"azp": ..., "cid": CLIENT},
    ],
    ids=str,
)
def test_token_of_another_client_is_rejected(
    validator: Auth0Validator, tenant: Tenant, claims: dict[str, object]
) -> None:
    why = "The token was issued to another client (azp)"
    assert rejection(validator, tenant.token(**claims)) == why


@pytest.mark.parametrize(
    "claims", [{"azp": ..., "client_id": CLIENT}, {"azp": CLIENT, "client_id": "other"}], ids=str
)
def test_client_is_azp_or_else_client_id(
    validator: Auth0Validator, tenant: Tenant, claims: dict[str, object]
) -> None:
    assert validate(validator, tenant.token(**claims))


@pytest.mark.parametrize("claims", [{"azp": ...}, {"azp": "other"}, {"azp": ..., "client_id": 1}], ids=str)
def test_any_client_is_accepted_if_none_is_configured(tenant: Tenant, claims: dict[str, object]) -> None:
    assert validate(Auth0Validator(tenant.config(clientid="")), tenant.token(**claims))


@pytest.mark.parametrize(
    "typ", [..., "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"]
)
def test_type_of_an_access_token_is_accepted(
    validator: Auth0Validator, tenant: Tenant, typ: object
) -> None:
    assert validate(validator, tenant.sign(tenant.header(typ=typ), tenant.claims()))


@pytest.mark.parametrize(
    "typ", ["", "logout+jwt", "dpop+jwt", "JWS", "jwt ", "text/jwt", "application/application/jwt"]
)
def test_token_of_another_type_is_rejected(validator: Auth0Validator, tenant: Tenant, typ: str) -> None:
    token = tenant.sign(tenant.header(typ=typ), tenant.claims())
    assert rejection(validator, token) == "The token is of a type (typ) that is not accepted"


def test_id_token_is_rejected(validator: Auth0Validator, tenant: Tenant) -> None:
    token = tenant.token(aud=CLIENT, azp=..., nonce="n", email="alice@example.test")
    assert rejection(validator, token) == "The token is for another audience (aud)"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ({"iss": "x", "aud": "x", "exp": 0, "azp": "x", "sub": "x"}, "(iss)"),
        ({"aud": "x", "exp": 0, "azp": "x", "sub": "x"}, "(aud)"),
        ({"exp": 0, "azp": "x", "sub": "x"}, "expired"),
        ({"azp": "x", "sub": "x"}, "(azp)"),
        ({"sub": "x"}, "not admitted"),
    ],
)
def test_claims_are_checked_in_order(
    validator: Auth0Validator, tenant: Tenant, token: dict[str, object], why: str
) -> None:
    assert why in rejection(validator, tenant.token(**token))
    head, payload, _ = tenant.token(**token).split(".")
    assert "signature" in rejection(validator, f"{head}.{payload}.AAAA")


# Scopes


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "read write delete"}, {"read", "write"}),
        ({"scope": "read", "permissions": ["write", "delete"]}, {"read", "write"}),
        ({"scope": ..., "permissions": ["write"]}, {"write"}),
        ({"scope": ...}, set()),
        ({"scope": ""}, set()),
        ({"scope": "*"}, set()),
        ({"scope": "* read", "permissions": ["*"]}, {"read"}),
        ({"scope": "READ"}, set()),
        ({"scope": ["read"]}, set()),
        ({"scope": None, "permissions": "read"}, set()),
        ({"scope": 1, "permissions": {"read": 1}}, set()),
        ({"scope": ..., "permissions": [["read"], None, {"read": 1}, "write"]}, {"write"}),
    ],
    ids=str,
)
def test_configured_scopes_are_granted(tenant: Tenant, claims: dict[str, object], scopes: set[str]) -> None:
    validator = Auth0Validator(tenant.config(scopes=frozenset(("read", "write"))))
    assert validate(validator, tenant.token(**claims)).scopes == scopes


def test_no_scope_is_granted_by_default(validator: Auth0Validator, tenant: Tenant) -> None:
    identity = validate(validator, tenant.token(scope="* admin", permissions=["*"]))
    assert identity.scopes == frozenset()
    assert not identity.has_scopes(("admin",))


# Authlib's resource protector


class Request:
    def __init__(self, token: str) -> None:
        self.headers = {"Authorization": f"Bearer {token}"}


def test_validator_works_with_authlibs_resource_protector(tenant: Tenant) -> None:
    validator = Auth0Validator(tenant.config(scopes=frozenset(("read", "write"))))
    assert isinstance(validator, BearerTokenValidator)
    protector = ResourceProtector()
    protector.register_token_validator(validator)
    request = Request(tenant.token(scope="read write"))
    for scopes in (None, [], ["read"], ["read write"], ["delete", "write"]):
        token = protector.validate_request(scopes, request)
        assert isinstance(token, SignedToken)
        assert token.claims["sub"] == ALICE
        assert token.header["kid"] == "key-1"
    for scopes in (["delete"], ["read delete"]):
        with pytest.raises(ForbiddenError) as raised:
            protector.validate_request(scopes, request)
        assert raised.value.details == ("The token lacks a scope that is required",)
    with pytest.raises(ForbiddenError, match="expired"):
        protector.validate_request(None, Request(tenant.token(exp=0)))
    with pytest.raises(OAuth2Error):
        protector.validate_request(None, types.SimpleNamespace(headers={}))


# Several tenants


def test_token_belongs_to_the_tenant_that_it_names(make_tenant: Callable[[], Tenant]) -> None:
    one, two, stranger = make_tenant(), make_tenant(), make_tenant()
    validators = Auth0Validators([one.config(), two.config()])
    for tenant in (one, two):
        found = validators.find(tenant.token())
        assert found is not None
        assert found.validator.tenant.domain == tenant.domain
        assert found.validate().identity.idp == tenant.domain
        assert validators.find(tenant.token()).validator is found.validator, "the validator keeps its keys"
    assert validators.find(stranger.token()) is None
    assert not stranger.requests
    assert validators.find(two.token(exp=0)), "the claims are not checked here"


@pytest.mark.parametrize(
    "token",
    ["", "opaque", "a.b.c", "a.b.c.d.e", "\ud800.\ud800.\ud800", "x" * 9000, f"{segment('{}')}..", "é.é.é"]
    + [
        f"{segment('{}')}.{segment(payload)}."
        for payload in ("", "[]", "{", "{}", '{"iss":1}', '{"iss":[]}', '{"iss":{}}', "[" * 5000, "\xff")
    ],
    ids=lambda token: token[:30],
)
def test_garbage_belongs_to_no_tenant(tenant: Tenant, token: str) -> None:
    assert Auth0Validators([tenant.config()]).find(token) is None

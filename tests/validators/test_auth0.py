from __future__ import annotations

import base64
import contextlib
import json
import time
import types
import typing as t
from collections.abc import Callable

import pytest
from authlib.oauth2.rfc6749.errors import OAuth2Error
from authlib.oauth2.rfc6749.resource_protector import ResourceProtector
from authlib.oauth2.rfc6750 import BearerTokenValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from flask_core_auth.errors import ForbiddenError, ServiceUnavailableError
from flask_core_auth.identity import Identity
from flask_core_auth.validators import auth0
from flask_core_auth.validators.auth0 import Auth0Validator, Auth0Validators, SignedToken, parse_token

from ..tenant import ALICE, AUDIENCE, CLIENT, Tenant


@pytest.fixture
def validator(tenant: Tenant) -> Auth0Validator:
    return Auth0Validator(tenant.config())


def validate(validator: Auth0Validator, token: str) -> Identity:
    return validator.validate(parse_token(token)).identity


def refused(validator: Auth0Validator, token: str) -> str:
    """Why ``token`` is refused."""
    with pytest.raises(ForbiddenError) as raised:
        validate(validator, token)
    [detail] = raised.value.details
    return detail


def segment(data: bytes | str) -> str:
    return urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def publish(tenant: Tenant, key: t.Any) -> t.Any:
    """Make ``key`` the one that the tenant signs with."""
    tenant.key = key
    tenant.keys = [key]
    return key


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


def test_tenant_that_cannot_be_reached_is_no_refusal(validator: Auth0Validator, tenant: Tenant) -> None:
    tenant.status = 500
    with pytest.raises(ServiceUnavailableError):
        validate(validator, tenant.token())


def test_user_that_is_not_listed_is_refused(validator: Auth0Validator, tenant: Tenant) -> None:
    assert refused(validator, tenant.token(sub="auth0|mallory")) == "The user is not admitted"


def test_nobody_is_admitted_where_nobody_is_listed(tenant: Tenant) -> None:
    validator = Auth0Validator(tenant.config(users=frozenset()))
    assert refused(validator, tenant.token()) == "The user is not admitted"


def test_star_admits_everybody_of_the_tenant(tenant: Tenant) -> None:
    validator = Auth0Validator(tenant.config(users=frozenset("*")))
    assert validate(validator, tenant.token(sub="auth0|bob")).subject == "auth0|bob"


@pytest.mark.parametrize("sub", [..., None, "", 5, True, ["auth0|alice"], {}, "a\0b", "\ud800"])
def test_subject_must_be_a_proper_string(tenant: Tenant, sub: object) -> None:
    validator = Auth0Validator(tenant.config(users=frozenset("*")))
    assert refused(validator, tenant.token(sub=sub)) == "The token has no subject (sub)"


# The shape of the token


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", "opaque"),
        ("opaque", "opaque"),
        ("a.b", "opaque"),
        ("a.b.c.d", "opaque"),
        ("a.b.c.d.e", "encrypted"),
        ("..", "malformed"),
        ("a.b.c", "malformed"),
        ("ä.ö.ü", "malformed"),
        ("\ud800.\0.\n", "malformed"),
        ("x" * 8193, "larger than 8192 bytes"),
        ("." * 8000, "opaque"),
    ],
)
def test_what_is_no_signed_token_is_refused(validator: Auth0Validator, token: str, why: str) -> None:
    assert why in refused(validator, token)


def test_token_of_8_kib_is_read_and_a_larger_one_is_not(validator: Auth0Validator, tenant: Tenant) -> None:
    def padded(size: int) -> str:
        return tenant.token(padding="x" * size)

    size = next(size for size in range(5400, 6000) if len(padded(size)) > 8192)
    assert "larger" in refused(validator, padded(size))
    assert validate(validator, padded(size - 1))


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        "null",
        '"RS256"',
        "{",
        '{"alg":"RS256","kid":"key-1","kid":"key-1"}',
        '{"alg":"RS256","alg":"RS256","kid":"key-1"}',
        '{"alg":"RS256","kid":"key-1","x":NaN}',
        '{"alg":"RS256","kid":"key-1","x":' + "9" * 5000 + "}",
        '{"alg":"RS256","kid":"key-1","x":' + "[" * 5000,
        '\ufeff{"alg":"RS256","kid":"key-1"}',
        '{"alg":"RS256","kid":"key-1","crit":[]}',
        '{"alg":"RS256","kid":"key-1","crit":["exp"]}',
        '{"alg":"RS256","kid":"key-1","crit":null}',
        '{"alg":"RS256","kid":"key-1","b64":true}',
        '{"alg":"RS256","kid":"key-1","b64":false}',
        '{"alg":"RS256","kid":"key-1","b64":false,"crit":["b64"]}',
    ],
    ids=lambda header: header[:60],
)
def test_header_that_is_malformed_or_asks_for_an_extension_is_refused(
    validator: Auth0Validator, tenant: Tenant, header: str
) -> None:
    assert refused(validator, tenant.sign(header, tenant.claims())) in (
        "The token is malformed",
        "The token asks for an extension",
    )
    assert not tenant.requests


@pytest.mark.parametrize(
    "header",
    [
        {"jku": 5},
        {"jku": "ftp://evil.example/"},
        {"jwk": "key"},
        {"jwk": None},
        {"x5u": ["https://evil.example/"]},
        {"x5c": "MII"},
        {"x5c": [1]},
        {"x5t": 1},
        {"x5t#S256": {}},
        {"cty": 1},
        {"typ": 1},
        {"typ": None},
    ],
    ids=json.dumps,
)
def test_header_member_of_a_wrong_type_is_refused(
    validator: Auth0Validator, tenant: Tenant, header: dict[str, object]
) -> None:
    token = tenant.sign(tenant.header(**header), tenant.claims())
    assert refused(validator, token) == "The token's header is malformed"


def changed(position: int, change: Callable[[str], str]) -> Callable[[str], str]:
    def apply(token: str) -> str:
        segments = token.split(".")
        segments[position] = change(segments[position])
        return ".".join(segments)

    return apply


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    "change",
    [
        lambda part: part + "=",
        lambda part: part + "==",
        lambda part: part + "A",
        lambda part: part + "AAAA",
        lambda part: part + " ",
        lambda part: part + "\n",
        lambda part: " " + part,
        lambda part: part[:8] + "\n" + part[8:],
        lambda part: part[:8] + "+/+/" + part[12:],
        lambda part: part[:-1],
        lambda part: part[:-4],
        lambda part: part[1:],
        lambda part: "",
    ],
)
def test_segment_that_was_changed_is_refused(
    validator: Auth0Validator, tenant: Tenant, position: int, change: Callable[[str], str]
) -> None:
    assert refused(validator, changed(position, change)(tenant.token()))


def test_unused_bits_of_a_segment_must_be_zero(validator: Auth0Validator, tenant: Tenant) -> None:
    """A 256-byte signature ends in a letter that holds two bits more than it has."""
    token = tenant.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(token[-1]) + 1]
    twin = token[:-1] + last
    assert base64.urlsafe_b64decode(twin.split(".")[2] + "==") == urlsafe_b64decode(
        token.split(".")[2].encode()
    )
    assert refused(validator, twin) == "The token's signature does not match"


# The algorithm


def test_unsigned_token_is_refused(validator: Auth0Validator, tenant: Tenant) -> None:
    for name in ("none", "None", "NONE"):
        unsigned = f"{segment(json.dumps(tenant.header(alg=name)))}.{segment(json.dumps(tenant.claims()))}."
        assert refused(validator, unsigned) == "The token is signed with an algorithm that is not accepted"


@pytest.mark.parametrize("encoding", ["PEM", "DER"])
def test_public_key_is_no_secret(
    validator: Auth0Validator, tenant: Tenant, encoding: t.Literal["PEM", "DER"]
) -> None:
    secret = OctKey.import_key(base64.b64encode(b"0" * 32))
    secret._raw_value = tenant.key.as_bytes(encoding, private=False)
    for name in ("HS256", "HS384", "HS512"):
        token = tenant.sign(tenant.header(alg=name), tenant.claims(), key=secret, algorithm=name)
        assert refused(validator, token) == "The token is signed with an algorithm that is not accepted"


@pytest.mark.parametrize(
    "alg", [..., None, "", "rs256", "RS256 ", "RS384", "PS256", "XX", 256, ["RS256"], {"RS256": 1}, True]
)
def test_algorithm_must_be_one_of_the_tenants(
    validator: Auth0Validator, tenant: Tenant, alg: object
) -> None:
    token = tenant.sign(tenant.header(alg=alg), tenant.claims())
    assert refused(validator, token) == "The token is signed with an algorithm that is not accepted"
    assert not tenant.requests


def test_other_padding_under_the_tenants_algorithm_is_refused(
    validator: Auth0Validator, tenant: Tenant
) -> None:
    token = tenant.sign(tenant.header(), tenant.claims(), algorithm="PS256")
    assert refused(validator, token) == "The token's signature does not match"


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS384", None),
        ("RS512", None),
        ("PS256", None),
        ("PS384", None),
        ("PS512", None),
        ("ES256", ECKey.generate_key("P-256", {"kid": "key-1"})),
        ("ES384", ECKey.generate_key("P-384", {"kid": "key-1"})),
        ("ES512", ECKey.generate_key("P-521", {"kid": "key-1"})),
        ("EdDSA", OKPKey.generate_key("Ed25519", {"kid": "key-1"})),
        ("EdDSA", OKPKey.generate_key("Ed448", {"kid": "key-1"})),
    ],
)
def test_other_algorithms_work_where_they_are_configured(
    tenant: Tenant, algorithm: str, key: t.Any
) -> None:
    if key:
        publish(tenant, key)
    validator = Auth0Validator(tenant.config(algorithms=frozenset((algorithm,))))
    token = tenant.sign(tenant.header(alg=algorithm), tenant.claims(), algorithm=algorithm)
    assert validate(validator, token).subject == ALICE
    head, payload, signature = token.split(".")
    for forged in ("", "AAAA", segment(bytes(len(urlsafe_b64decode(signature.encode()))))):
        assert refused(validator, f"{head}.{payload}.{forged}") == "The token's signature does not match"
    assert refused(Auth0Validator(tenant.config()), token).startswith("The token is signed with an alg")


def test_key_on_another_curve_is_refused(tenant: Tenant) -> None:
    publish(tenant, ECKey.generate_key("P-384", {"kid": "key-1"}))
    validator = Auth0Validator(tenant.config(algorithms=frozenset(("ES256", "ES384"))))
    token = tenant.sign(tenant.header(alg="ES256"), tenant.claims(), algorithm="ES384")
    assert refused(validator, token) == "The token's key (kid) is not one of its tenant's"


# The key


@pytest.mark.parametrize("kid", [..., None, "", 1, ["key-1"], {"key-1": 1}, True])
def test_token_must_name_its_key(validator: Auth0Validator, tenant: Tenant, kid: object) -> None:
    token = tenant.sign(tenant.header(kid=kid), tenant.claims())
    assert refused(validator, token) == "The token does not name its key (kid)"
    assert not tenant.requests


@pytest.mark.parametrize("kid", ["key-2", "KEY-1", "key-1 ", "\ud800", "../key-1", "k" * 4000])
def test_key_must_be_one_of_the_tenants(validator: Auth0Validator, tenant: Tenant, kid: str) -> None:
    token = tenant.sign(tenant.header(kid=kid), tenant.claims())
    assert refused(validator, token) == "The token's key (kid) is not one of its tenant's"


def test_signature_of_another_key_is_refused(validator: Auth0Validator, tenant: Tenant) -> None:
    token = tenant.sign(tenant.header(), tenant.claims(), key=RSAKey.generate_key(2048))
    assert refused(validator, token) == "The token's signature does not match"


@pytest.mark.parametrize("position", [0, 1])
def test_signature_covers_header_and_payload(
    validator: Auth0Validator, tenant: Tenant, position: int
) -> None:
    segments = tenant.token().split(".")
    segments[position] = tenant.sign(tenant.header(cty="x"), tenant.claims(x=1)).split(".")[position]
    assert refused(validator, ".".join(segments)) == "The token's signature does not match"


def test_each_key_of_the_same_name_is_tried(validator: Auth0Validator, tenant: Tenant) -> None:
    tenant.keys = [RSAKey.generate_key(2048, {"kid": "key-1"}), tenant.key]
    assert validate(validator, tenant.token())


def test_keys_that_the_token_brings_along_are_not_used(validator: Auth0Validator, tenant: Tenant) -> None:
    evil = RSAKey.generate_key(2048, {"kid": "key-1"})
    elsewhere = {"jku": f"{tenant.issuer}evil.json", "x5u": f"{tenant.issuer}evil.pem"}
    embedded = {"jwk": evil.as_dict(private=False), "x5c": ["MIIB"], "nonce": "n", "unknown": {}}
    header = tenant.header(**elsewhere, **embedded)
    token = tenant.sign(header, tenant.claims(), key=evil)
    assert refused(validator, token) == "The token's signature does not match"
    assert [request["path"] for request in tenant.requests] == ["/.well-known/jwks.json"]


def test_header_members_that_are_not_known_do_no_harm(validator: Auth0Validator, tenant: Tenant) -> None:
    header = tenant.header(jku="https://evil.example/", jwk={}, nonce="n", unknown=[])
    assert validate(validator, tenant.sign(header, tenant.claims()))


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
    assert refused(validator, token) == "The token's payload is not a JSON object"


def test_claim_that_is_repeated_is_refused(validator: Auth0Validator, tenant: Tenant) -> None:
    payload = json.dumps(tenant.claims())[:-1] + f',"exp":{2**40}}}'
    token = tenant.sign(tenant.header(), payload)
    assert refused(validator, token) == "The token's payload is not a JSON object"


@pytest.mark.parametrize("change", [lambda iss: iss[:-1], str.upper, lambda iss: [iss], lambda iss: ...])
def test_issuer_must_be_the_tenants_to_the_letter(
    validator: Auth0Validator, tenant: Tenant, change: Callable[[str], object]
) -> None:
    token = tenant.token(iss=change(tenant.issuer))
    assert refused(validator, token) == "The token is of another issuer (iss)"


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
def test_token_for_another_audience_is_refused(
    validator: Auth0Validator, tenant: Tenant, aud: object
) -> None:
    assert refused(validator, tenant.token(aud=aud)) == "The token is for another audience (aud)"


def test_token_without_an_audience_is_refused(validator: Auth0Validator, tenant: Tenant) -> None:
    assert refused(validator, tenant.token(aud=...)) == "The token has no audience (aud)"


def test_token_without_an_expiry_is_refused(validator: Auth0Validator, tenant: Tenant) -> None:
    assert refused(validator, tenant.token(exp=...)) == "The token has no expiry (exp)"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    ["1e400", "-1e400", "9" * 400, str(2**53), "true", "null", '"99999999999"', "[9999999]", "{}"],
)
def test_time_that_is_no_finite_number_is_refused(
    validator: Auth0Validator, tenant: Tenant, name: str, value: str
) -> None:
    payload = json.dumps(tenant.claims(**{name: ...}))[:-1] + f',"{name}":{value}}}'
    token = tenant.sign(tenant.header(), payload)
    assert refused(validator, token) == f"The token has a malformed time ({name})"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> float:
    now = 1_700_000_000.0
    monkeypatch.setattr(auth0, "time", types.SimpleNamespace(time=lambda: now))
    return now


def test_token_expires_ten_seconds_late(validator: Auth0Validator, tenant: Tenant, now: float) -> None:
    assert validate(validator, tenant.token(iat=..., exp=now - 9.5))
    for exp in (now - 10, now - 1000, 0, -1, -1e15, 0.5):
        assert refused(validator, tenant.token(iat=..., exp=exp)) == "The token has expired"


def test_token_is_valid_ten_seconds_early(validator: Auth0Validator, tenant: Tenant, now: float) -> None:
    exp = now + 60
    assert validate(validator, tenant.token(iat=now + 10, nbf=now + 10, exp=exp))
    assert validate(validator, tenant.token(iat=..., nbf=-5, exp=exp))
    late = tenant.token(iat=..., nbf=now + 10.5, exp=exp)
    assert refused(validator, late) == "The token is not valid yet (nbf)"
    late = tenant.token(iat=now + 10.5, exp=exp)
    assert refused(validator, late) == "The token was issued in the future (iat)"


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
def test_token_of_another_client_is_refused(
    validator: Auth0Validator, tenant: Tenant, claims: dict[str, object]
) -> None:
    why = "The token was issued to another client (azp)"
    assert refused(validator, tenant.token(**claims)) == why


@pytest.mark.parametrize(
    "claims", [{"azp": ..., "client_id": CLIENT}, {"azp": CLIENT, "client_id": "other"}], ids=str
)
def test_client_is_azp_or_else_client_id(
    validator: Auth0Validator, tenant: Tenant, claims: dict[str, object]
) -> None:
    assert validate(validator, tenant.token(**claims))


@pytest.mark.parametrize("claims", [{"azp": ...}, {"azp": "other"}, {"azp": ..., "client_id": 1}], ids=str)
def test_any_client_will_do_where_none_is_configured(tenant: Tenant, claims: dict[str, object]) -> None:
    assert validate(Auth0Validator(tenant.config(clientid="")), tenant.token(**claims))


@pytest.mark.parametrize(
    "typ", [..., "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"]
)
def test_access_token_may_say_that_it_is_one(
    validator: Auth0Validator, tenant: Tenant, typ: object
) -> None:
    assert validate(validator, tenant.sign(tenant.header(typ=typ), tenant.claims()))


@pytest.mark.parametrize(
    "typ", ["", "logout+jwt", "dpop+jwt", "JWS", "jwt ", "text/jwt", "application/application/jwt"]
)
def test_token_of_another_type_is_refused(validator: Auth0Validator, tenant: Tenant, typ: str) -> None:
    token = tenant.sign(tenant.header(typ=typ), tenant.claims())
    assert refused(validator, token) == "The token is of a type (typ) that is not accepted"


def test_id_token_is_refused(validator: Auth0Validator, tenant: Tenant) -> None:
    token = tenant.token(aud=CLIENT, azp=..., nonce="n", email="alice@example.test")
    assert refused(validator, token) == "The token is for another audience (aud)"


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
    assert why in refused(validator, tenant.token(**token))
    head, payload, _ = tenant.token(**token).split(".")
    assert "signature" in refused(validator, f"{head}.{payload}.AAAA")


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
def test_scopes_that_are_configured_are_taken_over(
    tenant: Tenant, claims: dict[str, object], scopes: set[str]
) -> None:
    validator = Auth0Validator(tenant.config(scopes=frozenset(("read", "write"))))
    assert validate(validator, tenant.token(**claims)).scopes == scopes


def test_no_scope_is_taken_over_by_default(validator: Auth0Validator, tenant: Tenant) -> None:
    identity = validate(validator, tenant.token(scope="* admin", permissions=["*"]))
    assert identity.scopes == frozenset()
    assert not identity.has_scopes(("admin",))


# In Authlib's hands


class Request:
    def __init__(self, token: str) -> None:
        self.headers = {"Authorization": f"Bearer {token}"}


def test_validator_serves_authlibs_resource_protector(tenant: Tenant) -> None:
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
        with pytest.raises(ForbiddenError, match="lacks a scope"):
            protector.validate_request(scopes, request)
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
        assert validators.find(tenant.token()).validator is found.validator, "its keys are kept"
    assert validators.find(stranger.token()) is None
    assert not stranger.requests
    assert validators.find(two.token(exp=0)), "which is not to say that it is admitted"


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


# Whatever comes

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
    """A validator with keys of all kinds, which are fetched."""
    curves = [ECKey.generate_key("P-256", {"kid": "P-256"}), OKPKey.generate_key(None, {"kid": "Ed25519"})]
    tenant.keys += curves
    algorithms = frozenset(("RS256", "PS256", "ES256", "ES384", "EdDSA"))
    validator = Auth0Validator(tenant.config(algorithms=algorithms))
    validate(validator, tenant.token())
    return validator


@settings(deadline=None, max_examples=200, suppress_health_check=ANYWAY)
@given(header=HEADER, signature=st.binary(max_size=140) | st.just(bytes(64)))
def test_no_header_is_an_error_of_ours(
    open_validator: Auth0Validator, header: dict[str, object], signature: bytes
) -> None:
    outcome(open_validator, f"{segment(json.dumps(header))}.{segment('{}')}.{segment(signature)}")


@settings(deadline=None, max_examples=200, suppress_health_check=ANYWAY)
@given(claims=CLAIMS, header=HEADER)
def test_no_claim_is_an_error_of_ours(
    open_validator: Auth0Validator, tenant: Tenant, claims: dict[str, object], header: dict[str, object]
) -> None:
    claims = {"iss": tenant.issuer, **claims}
    outcome(open_validator, tenant.sign(tenant.header(), claims))
    outcome(open_validator, tenant.sign({**tenant.header(), **header}, tenant.claims()))
    Auth0Validators([tenant.config()]).find(tenant.sign(header, claims))


@settings(deadline=None, max_examples=200, suppress_health_check=ANYWAY)
@given(st.text(st.characters() | st.sampled_from(".eyJ0")))
def test_no_string_is_an_error_of_ours(open_validator: Auth0Validator, token: str) -> None:
    outcome(open_validator, token)


def test_keys_come_to_life_after_the_tenant_has(validator: Auth0Validator, tenant: Tenant) -> None:
    tenant.status = 502
    with pytest.raises(ServiceUnavailableError):
        validate(validator, tenant.token())
    tenant.status = 200
    assert validate(validator, tenant.token())

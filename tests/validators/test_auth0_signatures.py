"""Signatures of tenants' access tokens: the parts of a token, its algorithm, its key."""

from __future__ import annotations

import base64
import json
import typing as t
from collections.abc import Callable

import pytest
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from flask_core_auth.validators.auth0 import Auth0Validator, _Registry

from ..tenant import ALICE, Tenant
from .conftest import rejection, segment, validate


def publish(tenant: Tenant, key: t.Any) -> t.Any:
    """Have the tenant sign with ``key``, and publish only that."""
    tenant.key = key
    tenant.keys = [key]
    return key


# The parts of a token


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
def test_malformed_token_is_rejected(validator: Auth0Validator, token: str, why: str) -> None:
    assert why in rejection(validator, token)


def test_token_of_8_kib_is_read_and_a_larger_one_is_not(validator: Auth0Validator, tenant: Tenant) -> None:
    def padded(size: int) -> str:
        return tenant.token(padding="x" * size)

    size = next(size for size in range(5400, 6000) if len(padded(size)) > 8192)
    assert "larger" in rejection(validator, padded(size))
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
def test_header_that_is_malformed_or_asks_for_an_extension_is_rejected(
    validator: Auth0Validator, tenant: Tenant, header: str
) -> None:
    assert rejection(validator, tenant.sign(header, tenant.claims())) in (
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
def test_header_member_of_a_wrong_type_is_rejected(
    validator: Auth0Validator, tenant: Tenant, header: dict[str, object]
) -> None:
    token = tenant.sign(tenant.header(**header), tenant.claims())
    assert rejection(validator, token) == "The token's header is malformed"


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
def test_changed_part_of_a_token_is_rejected(
    validator: Auth0Validator, tenant: Tenant, position: int, change: Callable[[str], str]
) -> None:
    assert rejection(validator, changed(position, change)(tenant.token()))


def test_unused_bits_of_a_signature_must_be_zero(validator: Auth0Validator, tenant: Tenant) -> None:
    """A 256-byte signature ends in a letter that holds two bits more than it has."""
    token = tenant.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(token[-1]) + 1]
    twin = token[:-1] + last
    assert base64.urlsafe_b64decode(twin.split(".")[2] + "==") == urlsafe_b64decode(
        token.split(".")[2].encode()
    )
    assert rejection(validator, twin) == "The token's signature does not match"


# The algorithm


def test_unsigned_token_is_rejected(validator: Auth0Validator, tenant: Tenant) -> None:
    for name in ("none", "None", "NONE"):
        unsigned = f"{segment(json.dumps(tenant.header(alg=name)))}.{segment(json.dumps(tenant.claims()))}."
        assert (
            rejection(validator, unsigned) == "The token is signed with an algorithm that is not accepted"
        )


@pytest.mark.parametrize("encoding", ["PEM", "DER"])
def test_public_key_is_not_accepted_as_a_secret(
    validator: Auth0Validator, tenant: Tenant, encoding: t.Literal["PEM", "DER"]
) -> None:
    secret = OctKey.import_key(base64.b64encode(b"0" * 32))
    secret._raw_value = tenant.key.as_bytes(encoding, private=False)
    for name in ("HS256", "HS384", "HS512"):
        token = tenant.sign(tenant.header(alg=name), tenant.claims(), key=secret, algorithm=name)
        assert rejection(validator, token) == "The token is signed with an algorithm that is not accepted"


@pytest.mark.parametrize(
    "alg", [..., None, "", "rs256", "RS256 ", "RS384", "PS256", "XX", 256, ["RS256"], {"RS256": 1}, True]
)
def test_algorithm_must_be_one_of_the_tenants(
    validator: Auth0Validator, tenant: Tenant, alg: object
) -> None:
    token = tenant.sign(tenant.header(alg=alg), tenant.claims())
    assert rejection(validator, token) == "The token is signed with an algorithm that is not accepted"
    assert not tenant.requests


def test_other_padding_under_the_tenants_algorithm_is_rejected(
    validator: Auth0Validator, tenant: Tenant
) -> None:
    token = tenant.sign(tenant.header(), tenant.claims(), algorithm="PS256")
    assert rejection(validator, token) == "The token's signature does not match"


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
def test_other_algorithms_are_accepted_if_configured(tenant: Tenant, algorithm: str, key: t.Any) -> None:
    if key:
        publish(tenant, key)
    validator = Auth0Validator(tenant.config(algorithms=frozenset((algorithm,))))
    token = tenant.sign(tenant.header(alg=algorithm), tenant.claims(), algorithm=algorithm)
    assert validate(validator, token).subject == ALICE
    head, payload, signature = token.split(".")
    for forged in ("", "AAAA", segment(bytes(len(urlsafe_b64decode(signature.encode()))))):
        assert rejection(validator, f"{head}.{payload}.{forged}") == "The token's signature does not match"
    assert rejection(Auth0Validator(tenant.config()), token).startswith("The token is signed with an alg")


def test_key_on_another_curve_is_rejected(tenant: Tenant) -> None:
    publish(tenant, ECKey.generate_key("P-384", {"kid": "key-1"}))
    validator = Auth0Validator(tenant.config(algorithms=frozenset(("ES256", "ES384"))))
    token = tenant.sign(tenant.header(alg="ES256"), tenant.claims(), algorithm="ES384")
    assert rejection(validator, token) == "The token's key (kid) is not one of its tenant's"


# The key


@pytest.mark.parametrize("kid", [..., None, "", 1, ["key-1"], {"key-1": 1}, True])
def test_token_must_name_its_key(validator: Auth0Validator, tenant: Tenant, kid: object) -> None:
    token = tenant.sign(tenant.header(kid=kid), tenant.claims())
    assert rejection(validator, token) == "The token does not name its key (kid)"
    assert not tenant.requests


@pytest.mark.parametrize("kid", ["key-2", "KEY-1", "key-1 ", "\ud800", "../key-1", "k" * 4000])
def test_key_must_be_one_of_the_tenants(validator: Auth0Validator, tenant: Tenant, kid: str) -> None:
    token = tenant.sign(tenant.header(kid=kid), tenant.claims())
    assert rejection(validator, token) == "The token's key (kid) is not one of its tenant's"


def test_signature_of_another_key_is_rejected(validator: Auth0Validator, tenant: Tenant) -> None:
    token = tenant.sign(tenant.header(), tenant.claims(), key=RSAKey.generate_key(2048))
    assert rejection(validator, token) == "The token's signature does not match"


@pytest.mark.parametrize("position", [0, 1])
def test_signature_covers_header_and_payload(
    validator: Auth0Validator, tenant: Tenant, position: int
) -> None:
    segments = tenant.token().split(".")
    segments[position] = tenant.sign(tenant.header(cty="x"), tenant.claims(x=1)).split(".")[position]
    assert rejection(validator, ".".join(segments)) == "The token's signature does not match"


def test_each_key_of_the_same_name_is_tried(validator: Auth0Validator, tenant: Tenant) -> None:
    tenant.keys = [RSAKey.generate_key(2048, {"kid": "key-1"}), tenant.key]
    assert validate(validator, tenant.token())


def test_keys_that_the_token_brings_along_are_not_used(validator: Auth0Validator, tenant: Tenant) -> None:
    evil = RSAKey.generate_key(2048, {"kid": "key-1"})
    elsewhere = {"jku": f"{tenant.issuer}evil.json", "x5u": f"{tenant.issuer}evil.pem"}
    embedded = {"jwk": evil.as_dict(private=False), "x5c": ["MIIB"], "nonce": "n", "unknown": {}}
    header = tenant.header(**elsewhere, **embedded)
    token = tenant.sign(header, tenant.claims(), key=evil)
    assert rejection(validator, token) == "The token's signature does not match"
    assert [request["path"] for request in tenant.requests] == ["/.well-known/jwks.json"]


def test_unknown_header_members_are_ignored(validator: Auth0Validator, tenant: Tenant) -> None:
    header = tenant.header(jku="https://evil.example/", jwk={}, nonce="n", unknown=[])
    assert validate(validator, tenant.sign(header, tenant.claims()))


# The second check of the algorithm, should a caller forget the first one.


@pytest.mark.parametrize("allowed", [[], ["RS256"], ["RS256", "nonsense"]], ids=str)
@pytest.mark.parametrize("name", ["HS256", "none", "nonsense", ""])
def test_registry_has_no_algorithm_but_known_ones_that_are_allowed(allowed: list[str], name: str) -> None:
    registry = _Registry(algorithms=allowed)
    with pytest.raises(UnsupportedAlgorithmError):
        registry.get_alg(name)

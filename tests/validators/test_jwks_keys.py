"""Which published keys count, and for which algorithms."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey

from flask_core_auth.validators import jwks
from flask_core_auth.validators.jwks import TenantKeys, UnknownKeyError

from ..tenant import Tenant
from .conftest import public, rsa

GOOD = rsa("good")
OTHER = rsa("odd")
EC = ECKey.generate_key("P-256", {"kid": "odd"})
ED = OKPKey.generate_key("Ed25519", {"kid": "odd"})


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        "key",
        [],
        {},
        {"kid": "odd"},
        OctKey.generate_key(256, {"kid": "odd"}).as_dict(),
        public(OTHER, kty="oct", k="c2VjcmV0"),
        public(OTHER, kty="rsa"),
        public(OTHER, kty=["RSA"]),
        public(OTHER, kty=...),
        public(OTHER, kty="EC"),
        public(OTHER, use="enc"),
        public(OTHER, use=None),
        public(OTHER, use=["sig"]),
        public(OTHER, key_ops=[]),
        public(OTHER, key_ops=["sign"]),
        public(OTHER, key_ops=["encrypt"]),
        public(OTHER, key_ops="verify"),
        public(OTHER, key_ops={"verify": 1}),
        public(OTHER, key_ops=None),
        public(OTHER, alg="PS256"),
        public(OTHER, alg="RS512"),
        public(OTHER, alg="RSA-OAEP"),
        public(OTHER, alg="HS256"),
        public(OTHER, alg="rs256"),
        public(OTHER, alg=None),
        public(OTHER, alg=["RS256"]),
        public(OTHER, n=...),
        public(OTHER, e=...),
        public(OTHER, n=""),
        public(OTHER, n=5),
        public(OTHER, n=None),
        public(OTHER, n="\ud800"),
        public(OTHER, n=f"{OTHER.as_dict()['n']}="),
        public(OTHER, e="AQ"),
        public(OTHER, e="Ag"),
        public(OTHER, e=""),
        public(OTHER, e=65537),
        OTHER.as_dict(private=True),
        public(OTHER, d=None),
        public(OTHER, p=OTHER.as_dict(private=True)["p"]),
        {"kty": "RSA", "kid": "odd", "e": "AQAB", "n": "_" * 170},
        {"kty": "RSA", "kid": "odd", "e": "AQAB", "n": "A" * 172 + "_" * 170},
        {"kty": "RSA", "kid": "odd", "e": "AQAB", "n": "f" + "_" * 340 + "w"},
    ],
    ids=lambda jwk: json.dumps(jwk)[:60],
)
def test_unusable_key_is_ignored_beside_a_good_one(keys: TenantKeys, tenant: Tenant, jwk: object) -> None:
    tenant.body = json.dumps({"keys": [jwk, public(GOOD)]}).encode()
    assert keys.find("good", "RS256")
    with pytest.raises(UnknownKeyError):
        keys.find("odd", "RS256")


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_key_with_any_member_of_a_private_key_is_ignored(
    keys: TenantKeys, tenant: Tenant, member: str
) -> None:
    tenant.body = json.dumps({"keys": [public(OTHER, **{member: "AQ"}), public(GOOD)]}).encode()
    assert keys.find("good", "RS256")
    with pytest.raises(UnknownKeyError):
        keys.find("odd", "RS256")


@pytest.mark.parametrize("kid", [..., None, "", 1, ["odd"], {}])
def test_key_without_a_name_is_ignored(keys: TenantKeys, tenant: Tenant, kid: object) -> None:
    tenant.body = json.dumps({"keys": [public(OTHER, kid=kid), public(GOOD)]}).encode()
    assert keys.find("good", "RS256")
    assert set(keys._keys) == {"good"}


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        (public(EC, crv="P-384"), "ES384"),
        (public(EC, crv="P-384"), "ES256"),
        (public(EC, crv="secp256k1"), "ES256K"),
        (public(EC, x="AA"), "ES256"),
        (public(EC, x="_" * 6000), "ES256"),
        (public(EC, y=...), "ES256"),
        (public(EC, crv=...), "ES256"),
        (public(EC, crv=["P-256"]), "ES256"),
        (public(EC, alg="ECDH-ES"), "ES256"),
        (public(ED, x="AA"), "EdDSA"),
        (public(ED, crv="Ed448"), "EdDSA"),
        (public(ED, crv="X25519"), "EdDSA"),
        (public(ED, alg="Ed25519"), "EdDSA"),
        (public(OKPKey.generate_key("X25519"), kid="odd"), "EdDSA"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_malformed_curve_key_is_ignored(
    keys: TenantKeys, tenant: Tenant, jwk: object, algorithm: str
) -> None:
    tenant.body = json.dumps({"keys": [jwk, public(GOOD)]}).encode()
    assert keys.find("good", "RS256")
    with pytest.raises(UnknownKeyError):
        keys.find("odd", algorithm)


PRIME = 2**255 - 19
ORDER_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
SMALL_ORDER = {
    "order 1": (1).to_bytes(32, "little"),
    "order 2": (PRIME - 1).to_bytes(32, "little"),
    "order 4": bytes(32),
    "order 4, other sign": bytes(31) + b"\x80",
    "order 8": bytes.fromhex(ORDER_8),
    "order 8, other sign": bytes.fromhex(ORDER_8[:-2] + "fa"),
    "order 8, negative": (PRIME - int.from_bytes(bytes.fromhex(ORDER_8), "little")).to_bytes(32, "little"),
    "order 1, not canonical": (PRIME + 1).to_bytes(32, "little"),
    "order 4, not canonical": PRIME.to_bytes(32, "little"),
}


@pytest.mark.parametrize("point", SMALL_ORDER.values(), ids=SMALL_ORDER)
def test_ed25519_key_for_which_anybody_can_sign_is_ignored(
    keys: TenantKeys, tenant: Tenant, point: bytes
) -> None:
    jwk = public(ED, x=base64.urlsafe_b64encode(point).rstrip(b"=").decode())
    tenant.body = json.dumps({"keys": [jwk, public(GOOD)]}).encode()
    assert keys.find("good", "RS256")
    with pytest.raises(UnknownKeyError):
        keys.find("odd", "EdDSA")


def test_ed25519_key_of_small_order_verifies_a_signature_that_nobody_made() -> None:
    key = Ed25519PublicKey.from_public_bytes(SMALL_ORDER["order 1"])
    key.verify(SMALL_ORDER["order 1"] + bytes(32), b"any message")


@pytest.mark.parametrize("y", [0, 1, 2**448 - 2**224 - 2])
def test_ed448_key_for_which_anybody_can_sign_is_ignored(keys: TenantKeys, tenant: Tenant, y: int) -> None:
    x = base64.urlsafe_b64encode(y.to_bytes(57, "little")).rstrip(b"=").decode()
    jwk = public(OKPKey.generate_key("Ed448", {"kid": "odd"}), x=x)
    tenant.body = json.dumps({"keys": [jwk, public(GOOD)]}).encode()
    assert keys.find("good", "RS256")
    with pytest.raises(UnknownKeyError):
        keys.find("odd", "EdDSA")


ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@pytest.mark.parametrize(
    ("key", "fitting"),
    [
        (GOOD, ALGORITHMS[:6]),
        (ECKey.generate_key("P-256"), ("ES256",)),
        (ECKey.generate_key("P-384"), ("ES384",)),
        (ECKey.generate_key("P-521"), ("ES512",)),
        (ECKey.generate_key("secp256k1"), ()),
        (OKPKey.generate_key("Ed25519"), ("EdDSA",)),
        (OKPKey.generate_key("Ed448"), ("EdDSA",)),
    ],
    ids=["RSA", "P-256", "P-384", "P-521", "secp256k1", "Ed25519", "Ed448"],
)
def test_key_fits_the_algorithms_of_its_type_and_curve(
    keys: TenantKeys, tenant: Tenant, key: t.Any, fitting: tuple[str, ...]
) -> None:
    tenant.body = json.dumps({"keys": [public(key, kid="key")]}).encode()
    for algorithm in (*ALGORITHMS, "ES256K", "HS256", "none", ""):
        if algorithm in fitting:
            assert keys.find("key", algorithm)
        else:
            with pytest.raises(UnknownKeyError):
                keys.find("key", algorithm)


def test_key_that_names_an_algorithm_verifies_no_other(keys: TenantKeys, tenant: Tenant) -> None:
    tenant.body = json.dumps({"keys": [public(GOOD, alg="RS256")]}).encode()
    assert keys.find("good", "RS256")
    for algorithm in ALGORITHMS[1:]:
        with pytest.raises(UnknownKeyError):
            keys.find("good", algorithm)


def test_known_kid_with_another_algorithm_causes_no_fetch(keys: TenantKeys, tenant: Tenant) -> None:
    keys.find("key-1", "RS256")
    with pytest.raises(UnknownKeyError):
        keys.find("key-1", "ES256")
    assert len(tenant.requests) == 1


def test_all_keys_of_the_same_name_are_found(keys: TenantKeys, tenant: Tenant) -> None:
    twins = [public(GOOD, kid="twin"), public(OTHER, kid="twin"), public(EC, kid="twin")]
    tenant.body = json.dumps({"keys": twins}).encode()
    found = keys.find("twin", "RS256")
    assert [key.as_dict()["n"] for key in found] == [GOOD.as_dict()["n"], OTHER.as_dict()["n"]]
    assert len(keys.find("twin", "ES256")) == 1


def test_certificates_of_a_key_are_ignored(keys: TenantKeys, tenant: Tenant) -> None:
    jwk = public(GOOD, x5c="nonsense", x5u="file:///etc/passwd", x5t=1, use="sig", key_ops=["verify"])
    tenant.body = json.dumps({"keys": [jwk]}).encode()
    assert keys.find("good", "RS256")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
MEMBER = JSON | st.sampled_from(["sig", "verify", "RS256", "ES256", "AQAB", "AA", "_" * 342, "_" * 43])


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.differing_executors])
@given(
    st.fixed_dictionaries(
        {
            "kty": st.sampled_from(["RSA", "EC", "OKP", "oct"]) | JSON,
            "kid": st.just("key") | JSON,
        },
        optional={
            "crv": st.sampled_from(["P-256", "P-384", "P-521", "Ed25519", "Ed448", "X25519"]) | JSON,
            **dict.fromkeys(("n", "e", "x", "y", "d", "use", "key_ops", "alg", "oth"), MEMBER),
        },
    )
)
def test_no_key_invalidates_the_others(jwk: dict[str, object]) -> None:
    assert "good" in jwks.parse_keys([jwk, public(GOOD)])

"""The keys that recipes name, each made at its first use."""

from __future__ import annotations

import functools
import json
import typing as t

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

#: The algorithms that a key signs with if a recipe names only the algorithm.
KEY_OF_ALGORITHM = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "rsa"),
    "ES256": "p256",
    "ES384": "p384",
    "ES512": "p521",
    "ES256K": "secp256k1",
    "EdDSA": "ed25519",
    "Ed25519": "ed25519",
    "Ed448": "ed448",
}
#: The keys that the tenant publishes.
PUBLISHED = ("rsa", "p256", "p384", "p521", "ed25519", "ed448")


@functools.cache
def named_key(name: str) -> Key:
    """Return a key of a name: ``rsa``, ``rsa-1024``, ``p256``; any word may follow, for another such key.

    The name is also its kid.
    """
    kind, _, rest = name.partition("-")
    if kind == "rsa":
        bits = int(rest) if rest.isdecimal() else 2048
        key: t.Any = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        return RSAKey(key, key, {"kid": name})
    curves = {"p256": "P-256", "p384": "P-384", "p521": "P-521", "secp256k1": "secp256k1"}
    if kind in curves:
        return ECKey.generate_key(curves[kind], {"kid": name})
    curve: t.Any = {"ed25519": "Ed25519", "ed448": "Ed448", "x25519": "X25519"}[kind]
    return OKPKey.generate_key(curve, {"kid": name})


def public_jwk(name: str) -> dict[str, t.Any]:
    """The public JWK of a named key."""
    return {**named_key(name).as_dict(private=False), "kid": name}


def public_bytes(name: str, form: str) -> bytes:
    """The public key in a form in which a careless verifier may take it as the secret of an HMAC."""
    public = t.cast(t.Any, named_key(name)).public_key
    if form == "jwk":
        return json.dumps(public_jwk(name)).encode()
    if form in ("n", "x", "y"):
        return str(public_jwk(name)[form]).encode()
    encoding = Encoding.DER if form.startswith("der") else Encoding.PEM
    kind = PublicFormat.PKCS1 if form.endswith("pkcs1") else PublicFormat.SubjectPublicKeyInfo
    data: bytes = public.public_bytes(encoding, kind)
    return data.rstrip(b"\n") if form == "pem-stripped" else data

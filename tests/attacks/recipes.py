"""Recipes of tokens: what is signed, with which key, and what is changed then."""

from __future__ import annotations

import hmac
import json
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from joserfc import jwe
from joserfc.jws import JWSRegistry

from ..apps import PASSWORD, SECRET, USERNAME
from ..forge import CORE_SECRET, OTHER_SECRET, REALM
from ..tenant import ALICE, AUDIENCE, CLIENT
from .encodings import ENCODINGS, canonical
from .filling import fill, raw
from .keys import KEY_OF_ALGORITHM, named_key, public_bytes
from .signatures import SIGNATURE_CHANGES
from .stage import FALLBACK_SECRET

_DIGESTS = {"HS1": "sha1", "HS224": "sha224", "HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
SECRETS = {
    "secret": SECRET,
    "fallback": FALLBACK_SECRET,
    "other": OTHER_SECRET,
    "core": CORE_SECRET,
    "password": PASSWORD,
    "username": USERNAME,
    "realm": REALM,
}


@dataclass(frozen=True)
class Recipe:
    """The recipe of a token. Without changes it makes a valid token.

    :param issuer: ``"app"``, ``"core"`` (a datarhei Core) or ``"tenant"``.
    :param use: ``"access"`` or ``"refresh"``.
    :param to: the place that it is sent to: ``"access"``, ``"refresh"``, ``"login"`` or ``"jwt_required"``;
        None: as usual.
    :param header: members of the header that differ.
    :param claims: claims that differ.
    :param times: claims that are times, in seconds from now.
    :param without: claims that are left out.
    :param without_header: members of the header that are left out.
    :param append: JSON text of further claims, for what no JSON library writes.
    :param append_header: the same for the header.
    :param header_text: the whole header, as text; see :func:`.filling.raw`.
    :param payload_text: the whole payload, as text.
    :param charset: the encoding of the payload's text.
    :param key: the name of a key or secret, ``{"secret": text}``, or ``{"public": name, "form": form}``
        for a public key as the secret of an HMAC; None: the one for ``alg``.
    :param alg: the algorithm that signs; None: the one that the header names, if it is known.
    :param sign_over: text that is signed instead of header and payload.
    :param signature: a change of the signature; see ``signatures.py``.
    :param encode: encodings of the parts, by ``header``, ``payload``, ``signature``; see ``encodings.py``.
    :param form: the token, with its parts and the whole token in braces.
    :param length: the length that the token is padded to with a claim.
    :param encrypt: wraps the token in a JWE with this header, for the key that ``kid`` names.
    """

    issuer: str = "app"
    use: str = "access"
    to: str | None = None
    header: Mapping[str, t.Any] = field(default_factory=dict)
    claims: Mapping[str, t.Any] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)
    without: Sequence[str] = ()
    without_header: Sequence[str] = ()
    append: str = ""
    append_header: str = ""
    header_text: str | None = None
    payload_text: str | None = None
    charset: str = "utf-8"
    key: str | Mapping[str, str] | None = None
    alg: str | None = None
    sign_over: str | None = None
    signature: str | None = None
    encode: Mapping[str, str] = field(default_factory=dict)
    form: str = "{token}"
    length: int | None = None
    encrypt: Mapping[str, t.Any] | None = None


def make(recipe: Recipe, *, now: float, values: Mapping[str, str]) -> str:
    """Make the token of a recipe.

    :param now: the time that its times count from, in seconds since the epoch.
    :param values: are filled in; see :func:`.filling.fill`.
    """
    default = {"tenant": "RS256"}.get(recipe.issuer, "HS256")
    named = recipe.header.get("alg")
    is_known = isinstance(named, str) and (named in _DIGESTS or named in KEY_OF_ALGORITHM)
    algorithm: str = recipe.alg or (named if is_known else default)  # type: ignore[assignment]
    key = recipe.key or KEY_OF_ALGORITHM.get(algorithm) or ("core" if recipe.issuer == "core" else "secret")

    header = {"alg": default if recipe.alg is None else algorithm, "typ": "JWT"}
    if recipe.issuer == "tenant":
        header["kid"] = key if isinstance(key, str) else "rsa"
    header = _without(header | fill(recipe.header, values), recipe.without_header)
    header_text = fill(recipe.header_text, values) or _joined(header, fill(recipe.append_header, values))
    claims = _claims(recipe, now, values) | fill(recipe.claims, values)
    claims |= {name: now + seconds for name, seconds in recipe.times.items()}
    claims = _without(claims, recipe.without)
    token = _compact(recipe, raw(header_text), _payload(recipe, claims, values), algorithm, key)
    if recipe.length is not None:
        # Four letters are three bytes. The estimate is a little too short.
        padding = (recipe.length - len(token)) * 3 // 4 - 20
        while len(token) < recipe.length:
            padding += 1
            payload = _payload(recipe, {**claims, "padding": "x" * padding}, values)
            token = _compact(recipe, raw(header_text), payload, algorithm, key)
    assert recipe.length is None or len(token) == recipe.length, "no claim gives this length"
    if recipe.encrypt is not None:
        encrypted = named_key(recipe.encrypt["kid"])
        names = [recipe.encrypt["alg"], recipe.encrypt["enc"], "DEF"]
        token = jwe.encrypt_compact(dict(recipe.encrypt), token, encrypted, algorithms=names)
    return token


def _payload(recipe: Recipe, claims: Mapping[str, t.Any], values: Mapping[str, str]) -> bytes:
    text = recipe.payload_text
    text = _joined(claims, fill(recipe.append, values)) if text is None else fill(text, values)
    return raw(text) if recipe.charset == "utf-8" else text.encode(recipe.charset)


def _compact(
    recipe: Recipe, header: bytes, payload: bytes, algorithm: str, key: str | Mapping[str, str]
) -> str:
    encoded = {
        name: ENCODINGS[recipe.encode.get(name, "base64url")](data)
        for name, data in (("header", header), ("payload", payload))
    }
    message = f"{encoded['header']}.{encoded['payload']}" if recipe.sign_over is None else recipe.sign_over
    signature = _sign(raw(message), algorithm, key)
    if recipe.signature is not None:
        signature = SIGNATURE_CHANGES[recipe.signature](signature)
    encoded["signature"] = ENCODINGS[recipe.encode.get("signature", "base64url")](signature)
    for name, data in (("header", header), ("payload", payload), ("signature", signature)):
        assert name not in recipe.encode or encoded[name] != canonical(data), "the encoding changes nothing"
    encoded["token"] = ".".join((encoded["header"], encoded["payload"], encoded["signature"]))
    return t.cast(str, fill(recipe.form, encoded))


def _sign(message: bytes, algorithm: str, key: str | Mapping[str, str]) -> bytes:
    if algorithm in _DIGESTS:
        return hmac.digest(_secret(key), message, _DIGESTS[algorithm])
    assert isinstance(key, str)
    model: t.Any = JWSRegistry.algorithms["EdDSA" if algorithm.startswith("Ed") else algorithm]
    signature: bytes = model.sign(message, named_key(key))
    return signature


def _secret(key: str | Mapping[str, str]) -> bytes:
    if isinstance(key, str):
        return SECRETS[key].encode()
    if "secret" in key:
        return raw(fill(key["secret"], {}))
    return public_bytes(key["public"], key["form"])


def _claims(recipe: Recipe, now: float, values: Mapping[str, str]) -> dict[str, t.Any]:
    now = int(now)
    if recipe.issuer == "tenant":
        tenant_issuer = values["tenant_issuer"]
        return {
            "iss": tenant_issuer,
            "sub": ALICE,
            "aud": [AUDIENCE, f"{tenant_issuer}userinfo"],
            "iat": now,
            "exp": now + 86400,
            "azp": CLIENT,
            "scope": "openid profile",
        }
    claims = {
        "iss": "datarhei-core" if recipe.issuer == "core" else REALM,
        "sub": USERNAME,
        "usefor": recipe.use,
        "iat": now,
        "exp": now + 600,
        "exi": 600,
        "jti": "8a3f7a4e-6a31-4c37-9a0b-3c0f6d0a7a11",
    }
    if recipe.issuer == "app":
        # A local user's refresh token has a digest of the password; the app's own does not.
        idp = "local" if recipe.use == "access" else "host"
        claims |= {"type": recipe.use, "fresh": False, "idp": idp, "scope": "*"}
    return claims


def _without(members: Mapping[str, t.Any], names: Sequence[str]) -> dict[str, t.Any]:
    return {name: value for name, value in members.items() if name not in names}


def _joined(members: Mapping[str, t.Any], text: str) -> str:
    written = json.dumps(members)
    return f"{written[:-1]}, {text}}}" if text else written

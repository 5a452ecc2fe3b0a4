"""Tokens that are wrong in one way each."""

from __future__ import annotations

import json
from collections.abc import Callable

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from .forge import OTHER_SECRET, claims, encode, forge


def header(**changes) -> dict[str, object]:
    return {"alg": "HS256", "typ": "JWT", **changes}


def raw(name: str, literal: str, use: str = "access") -> str:
    """Make claims with one that no JSON library would write."""
    rest = json.dumps(claims(use, **{name: ...}))
    return f'{rest[:-1]}, "{name}": {literal}}}'


def resigned(use: str, change) -> str:
    """Change the encoded signature of a good token."""
    message, _, signature = forge(claims(use)).rpartition(".")
    return f"{message}.{change(signature)}"


def next_letter(letter: str) -> str:
    # The last of 43 letters holds four bits of the signature and two unused ones.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) ^ 1]


RSA = RSAKey.generate_key(2048)

#: Each makes a token for a use, "access" or "refresh".
BAD_TOKENS: dict[str, Callable[[str], str]] = {
    "no token": lambda use: "x",
    "opaque": lambda use: "a" * 100,
    "two parts": lambda use: "a.b",
    "empty parts": lambda use: "..",
    "encrypted": lambda use: "a.b.c.d.e",
    "other secret": lambda use: forge(claims(use), secret=OTHER_SECRET),
    "no signature": lambda use: resigned(use, lambda signature: ""),
    "signature cut short": lambda use: resigned(use, lambda signature: signature[:-2]),
    "signature of other claims": lambda use: resigned(
        use, lambda signature: forge(claims(use, sub="root")).rpartition(".")[2]
    ),
    "signature with trailing bits": lambda use: resigned(
        use, lambda signature: signature[:-1] + next_letter(signature[-1])
    ),
    "signature with padding": lambda use: resigned(use, lambda signature: signature + "="),
    "signature with a letter more": lambda use: resigned(use, lambda signature: signature + "A"),
    "signature in another alphabet": lambda use: resigned(
        use, lambda signature: "+/" + signature.replace("-", "+").replace("_", "/")[2:]
    ),
    "signature with a character that is ignored": lambda use: resigned(
        use, lambda signature: signature + "!"
    ),
    "alg none": lambda use: b".".join((encode({"alg": "none"}), encode(claims(use)), b"")).decode(),
    "alg none, signed": lambda use: forge(claims(use), header=header(alg="none")),
    "alg in lower case": lambda use: forge(claims(use), header=header(alg="hs256")),
    "alg HS512": lambda use: forge(claims(use), header=header(alg="HS512"), digest="sha512"),
    "alg HS384": lambda use: forge(claims(use), header=header(alg="HS384"), digest="sha384"),
    "alg HS512, signed as HS256": lambda use: forge(claims(use), header=header(alg="HS512")),
    "alg RS256": lambda use: jwt.encode({"alg": "RS256"}, claims(use), RSA),
    "alg RS256, signed as HS256": lambda use: forge(claims(use), header=header(alg="RS256")),
    "alg unknown": lambda use: forge(claims(use), header=header(alg="XX1")),
    "alg missing": lambda use: forge(claims(use), header={"typ": "JWT"}),
    "alg a list": lambda use: forge(claims(use), header=header(alg=["HS256"])),
    "alg null": lambda use: forge(claims(use), header=header(alg=None)),
    "alg twice": lambda use: forge(claims(use), header='{"alg":"none","alg":"HS256"}'),
    "crit": lambda use: forge(claims(use), header=header(crit=["exp"])),
    "crit empty": lambda use: forge(claims(use), header=header(crit=[])),
    "b64 false": lambda use: forge(claims(use), header=header(b64=False, crit=["b64"])),
    "b64 false, not critical": lambda use: forge(claims(use), header=header(b64=False)),
    "jwk embedded": lambda use: forge(
        claims(use), header=header(jwk=OctKey.import_key(OTHER_SECRET).as_dict()), secret=OTHER_SECRET
    ),
    "jwk embedded, RSA": lambda use: jwt.encode(
        {"alg": "RS256", "jwk": RSA.as_dict(private=False)}, claims(use), RSA
    ),
    "jku": lambda use: forge(claims(use), header=header(jku="https://evil.example/"), secret=OTHER_SECRET),
    "x5u": lambda use: forge(claims(use), header=header(x5u="https://evil.example/"), secret=OTHER_SECRET),
    "kid": lambda use: forge(claims(use), header=header(kid="../../dev/null"), secret="\0" * 32),
    "header no object": lambda use: forge(claims(use), header='["HS256"]'),
    "header not UTF-8": lambda use: "gA." + forge(claims(use)).partition(".")[2],
    "exp missing": lambda use: forge(claims(use, exp=...)),
    "exp null": lambda use: forge(claims(use, exp=None)),
    "exp a string": lambda use: forge(claims(use, exp="99999999999")),
    "exp a boolean": lambda use: forge(claims(use, exp=True)),
    "exp a list": lambda use: forge(claims(use, exp=[99999999999])),
    "exp Infinity": lambda use: forge(raw("exp", "Infinity", use)),
    "exp NaN": lambda use: forge(raw("exp", "NaN", use)),
    "exp 1e400": lambda use: forge(raw("exp", "1e400", use)),
    "exp 10 to the 400th": lambda use: forge(raw("exp", "1" + "0" * 400, use)),
    "exp of 5000 digits": lambda use: forge(raw("exp", "1" * 5000, use)),
    "exp 2 to the 53rd": lambda use: forge(claims(use, exp=2**53)),
    "iat a string": lambda use: forge(claims(use, iat="0")),
    "iat null": lambda use: forge(claims(use, iat=None)),
    "iat Infinity": lambda use: forge(raw("iat", "1e400", use)),
    "nbf a string": lambda use: forge(claims(use, nbf="0")),
    "nbf true": lambda use: forge(claims(use, nbf=True)),
    "iss missing": lambda use: forge(claims(use, iss=...)),
    "iss other": lambda use: forge(claims(use, iss="datarhei-core")),
    "iss a list": lambda use: forge(claims(use, iss=["flask-core-auth"])),
    "iss in other case": lambda use: forge(claims(use, iss="Flask-Core-Auth")),
    "sub missing": lambda use: forge(claims(use, sub=...)),
    "sub a number": lambda use: forge(claims(use, sub=5)),
    "sub an object": lambda use: forge(claims(use, sub={"$ne": None})),
    "sub empty": lambda use: forge(claims(use, sub="")),
    "sub with NUL": lambda use: forge(claims(use, sub="admin\0")),
    "sub no Unicode": lambda use: forge(claims(use, sub="\ud800")),
    "usefor missing": lambda use: forge(claims(use, usefor=...)),
    "usefor other": lambda use: forge(claims(use, usefor={"access": "refresh", "refresh": "access"}[use])),
    "usefor a list": lambda use: forge(claims(use, usefor=[use])),
    "usefor unknown": lambda use: forge(claims(use, usefor="everything")),
    "type other": lambda use: forge(claims(use, type={"access": "refresh", "refresh": "access"}[use])),
    "type null": lambda use: forge(claims(use, type=None)),
    "scope no scope": lambda use: forge(claims(use, scope='a"b')),
    "scope not ASCII": lambda use: forge(claims(use, scope="ä")),
    "duplicate member": lambda use: forge(raw("sub", '"admin", "sub": "root"', use)),
    "duplicate in a nested object": lambda use: forge(raw("x", '{"a": 1, "a": 2}', use)),
    "huge member name": lambda use: forge(claims(use, **{"x" * 9000: 1})),
    "payload nested 10,000 deep": lambda use: forge(raw("x", "[" * 10000 + "]" * 10000, use)),
    "payload a list": lambda use: forge("[]"),
    "payload a string": lambda use: forge('"admin"'),
    "payload empty": lambda use: forge(""),
    "payload no JSON": lambda use: forge("{"),
    "payload not UTF-8": lambda use: forge(b'{"sub":"\xff"}'),
    "payload UTF-16": lambda use: forge(json.dumps(claims(use)).encode("utf-16")),
    "payload with a BOM": lambda use: forge("\ufeff" + json.dumps(claims(use))),
    "over 8 KiB": lambda use: forge(claims(use, x="x" * 6200)),
}

"""The first inputs of each target: a few of its own, and the texts of the attack corpus."""

from __future__ import annotations

import functools
import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

from joserfc.jwk import ECKey, OKPKey, RSAKey

from flask_core_auth.config import SETTINGS

from ..apps import CREDENTIALS, EVE, SECRET
from ..bad_tokens import BAD_TOKENS
from ..forge import claims, core_token, forge
from ..tenant import EXAMPLE

CORPUS = Path(__file__).parents[1] / "attacks"
#: Longer inputs are cut off: a token has at most 8 KiB, a login's body 16 KiB.
MAX_BYTES = 20_000
_NUMBERS = {setting.key: number for number, setting in enumerate(SETTINGS)}
_HEADER = '{"alg":"HS256","typ":"JWT"}'
#: Values of each kind of setting; the reference has others.
_SETTINGS: dict[str, list[object]] = {
    "API_AUTH_ENABLE": ["true", "off", 1],
    "API_AUTH_USERNAME": ["admin", "ädmin", "a\0b"],
    "API_AUTH_PASSWORD": [
        "correct horse",
        "scrypt:32768:8:1$salt$" + "0" * 128,
        "pbkdf2:sha256:1000$salt$" + "0" * 64,
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$" + "A" * 43,
        "$2b$12$" + "a" * 53,
    ],
    "API_AUTH_USERS": [EVE, {"eve": {"password": "x", "scope": []}}],
    "API_AUTH_JWT_SECRET": [SECRET, "-----BEGIN PUBLIC KEY-----\n" + "A" * 64],
    "API_AUTH_JWT_SECRET_FALLBACKS": [[SECRET], "[]"],
    "API_AUTH_JWT_ACCESS_EXPIRES": ["600", 600, "1e5", "-1", "9" * 12],
    "API_AUTH_REALM": ["datarhei-core", 'a"b'],
    "API_AUTH_AUTH0_TENANTS": [
        [EXAMPLE],
        "auth0://client@tenant.example:8443?aud=api&user=auth0%7Calice&user=b",
        "eyJkb21haW4iOiJ0ZW5hbnQuZXhhbXBsZSIsImF1ZGllbmNlIjoiYXBpIn0=",
        "auth0://client@[::1]:1?aud=api",
    ],
    "API_AUTH_ABOUT": [{"app": "x", "version": {"number": "16.16.0"}}],
    "API_AUTH_LOGIN_LIMIT": ["10/minute", "1 per 2 hours; 5/day", "None"],
    "API_AUTH_LIMIT_STORAGE": [
        "memory://",
        "redis://:p%2Fw@localhost:6379/0",
        "redis+unix:///run/redis.sock?db=1",
        "memcached://127.0.0.1:11211,127.0.0.2:11211",
        "valkey://[::1]:6379",
    ],
    "API_AUTH_LOGIN_CONCURRENCY": ["2", "none"],
    "API_AUTH_SESSIONS": [
        "sqlite:///core-auth.db",
        "postgresql+psycopg://user:p%40w@localhost:5432/db?sslmode=require",
        "redis://:pw@localhost:6379/0?socket_timeout=1",
        "unix:///run/redis.sock",
    ],
    "API_AUTH_SESSION_CHECK": ["always"],
    "API_AUTH_REFRESH_GRACE": ["0", 10],
}
_TOKEN_ANSWER = b'{"access_token":"a.b.c","refresh_token":"d.e.f"}'


def seeds(name: str) -> list[bytes]:
    """Return the seeds of a target, shortest first."""
    found = {*_OWN[name](), *_of_corpus(name)}
    return sorted((seed[:MAX_BYTES] for seed in found), key=lambda seed: (len(seed), seed))


def _tokens() -> Iterator[bytes]:
    yield from (make("access").encode("latin-1") for make in BAD_TOKENS.values())
    yield from (forge(claims()).encode(), core_token().encode())
    yield json.dumps(claims(exp=2**33)).encode()
    yield f"{_HEADER}\n{json.dumps(claims(exp=2**33))}".encode()


def _tenant() -> Iterator[bytes]:
    header = {"alg": "RS256", "kid": "fake", "typ": "at+jwt"}
    payload = {
        "iss": "https://tenant.example/",
        "sub": "auth0|alice",
        "aud": ["https://api.example/"],
        "azp": "example-client",
        "iat": 1,
        "exp": 2**33,
        "scope": "openid edit",
        "permissions": ["edit"],
    }
    for change in (
        {},
        {"cnf": {"jkt": "x"}},
        {"token_use": "id"},
        {"typ": "ID"},
        {"events": {}},
        {"nbf": 1},
    ):
        yield f"{json.dumps(header)}\n{json.dumps(payload | change)}".encode()


def _login() -> Iterator[bytes]:
    yield json.dumps(CREDENTIALS).encode()
    yield b'{"username":"\\ud800","password":{"$ne":""},"username":1e400}'
    yield b"[" * 2000


def _authorization() -> Iterator[bytes]:
    yield from (b"Bearer " + token for token in _tokens())
    yield from (b"", b"bearer a b", b"Basic YTpi", b"Bearer \xff.\xff.\xff", b"Bearer a.b.c.d.e")


def _jwks() -> Iterator[bytes]:
    keys: list[dict[str, t.Any]] = [
        RSAKey.generate_key(2048).as_dict(private=False),
        *(ECKey.generate_key(curve).as_dict(private=False) for curve in ("P-256", "P-384", "P-521")),
        OKPKey.generate_key("Ed25519").as_dict(private=False),
    ]
    for key in keys:
        yield json.dumps({"keys": [key | {"kid": "1", "use": "sig", "key_ops": ["verify"]}]}).encode()
    yield json.dumps({"keys": [key | {"kid": "1"} for key in keys]}).encode()
    yield b'{"keys":[{"kty":"oct","k":"AA","kid":"1"}]}'
    yield b'{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"2"}]}'


def _config() -> Iterator[bytes]:
    for key, values in _SETTINGS.items():
        for value in values:
            yield _setting(key, value)


def _setting(key: str, value: object) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return bytes([_NUMBERS[key]]) + text.encode("utf-8", "surrogatepass")


def _client() -> Iterator[bytes]:
    yield b"200\nContent-Type: application/json\n\n" + _TOKEN_ANSWER
    yield b'403\nRetry-After: 5\n\n{"code":403,"message":"Forbidden","details":["No"]}'
    yield b"503\nRetry-After: Thu, 01 Jan 2026 00:00:10 GMT\nDate: Thu, 01 Jan 2026 00:00:00 GMT\n\n"
    # A time zone that is too large for datetime.
    date = b"Thu, 01 Jan 2026 00:00:00"
    yield b"503\nRetry-After: " + date + b" +99999999999999\nDate: " + date + b" GMT\n\n"
    yield b"302\nLocation: https://core.example/elsewhere?x=y\n\n"
    yield b'401\nSet-Cookie: a=b; Domain=example\nWWW-Authenticate: Bearer realm="x"\n\n{"message":[]}'
    yield b"200\nContent-Encoding: gzip\n\n\x1f\x8b\x08\x00"
    claims = forge({"exi": 600, "exp": 2**33, "iat": 0})
    yield b'200\n\n{"access_token":"' + claims.encode() + b'","refresh_token":5}'


_OWN = {
    "tokens": _tokens,
    "tenant": _tenant,
    "login": _login,
    "authorization": _authorization,
    "jwks": _jwks,
    "config": _config,
    "client": _client,
}


#: The surfaces of the attack corpus that each target takes texts of.
_SURFACES: dict[str, set[str]] = {
    "tokens": {"token", "refresh"},
    "tenant": {"tenant"},
    "login": {"login"},
    "authorization": {"guard", "login"},
    "jwks": {"jwks"},
    "config": {"config"},
    "client": {"client"},
}
#: The members of a case that are no input.
_NO_INPUT = {"id", "source", "surface", "expect"}


def _of_corpus(name: str) -> Iterator[bytes]:
    for surface, key, text in _corpus():
        if surface in _SURFACES[name]:
            data = text.encode("utf-8", "surrogatepass")
            if name == "client":
                yield b"200\n\n" + data
            elif name == "config":
                if key in _NUMBERS:
                    yield bytes([_NUMBERS[key]]) + data
            else:
                yield data


@functools.cache
def _corpus() -> frozenset[tuple[str, str, str]]:
    """Return the texts of the attack corpus, each with its surface and the name of its member."""
    return frozenset(
        (case["surface"], key, text)
        for path in CORPUS.glob("*.json")
        for case in json.loads(path.read_text())
        for name in case.keys() - _NO_INPUT
        for key, text in _texts(case[name], name)
    )


def _texts(value: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for element in value:
            yield from _texts(element, key)
    elif isinstance(value, dict):
        yield key, json.dumps(value)
        for name, member in value.items():
            yield from _texts(member, name)

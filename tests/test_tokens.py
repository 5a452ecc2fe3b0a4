"""Which tokens are accepted, and what is remembered of them."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from flask_core_auth import CoreAuth, auth_required
from flask_core_auth.callbacks import RESERVED_CLAIMS
from flask_core_auth.identity import ANONYMOUS, Admitted
from flask_core_auth.tokens import REMEMBERED_TOKEN_BYTES, REMEMBERED_TOKENS

from .forge import OTHER_SECRET, SECRET, bearer, claims, encode, forge, read

INVALID = 'Bearer realm="flask-core-auth", error="invalid_token"'


def header(**changes) -> dict[str, object]:
    return {"alg": "HS256", "typ": "JWT", **changes}


def raw(name: str, literal: str, use: str = "access") -> str:
    """Claims with one that is spelled as no JSON library does."""
    rest = json.dumps(claims(use, **{name: ...}))
    return f'{rest[:-1]}, "{name}": {literal}}}'


def resigned(use: str, spell) -> str:
    """A good token whose signature is spelled otherwise."""
    message, _, signature = forge(claims(use)).rpartition(".")
    return f"{message}.{spell(signature)}"


def next_letter(letter: str) -> str:
    # The last of 43 letters holds four bits and two that mean nothing.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) ^ 1]


RSA = RSAKey.generate_key(2048)

#: Each gives a token that is wrong in one way, for a use.
BAD = {
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


@pytest.fixture(params=BAD.values(), ids=BAD.keys())
def bad(request):
    return request.param


def test_a_bad_token_opens_no_route(app, bad):
    response = app.test_client().get("/who", headers=bearer(bad("access")))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID
    assert response.json["details"] == ["Missing or invalid JWT token"]


def test_a_bad_token_opens_no_route_where_a_token_is_optional(app, bad):
    assert app.test_client().get("/optional", headers=bearer(bad("access"))).status_code == 401


def test_a_bad_token_does_not_refresh(app, bad):
    response = app.test_client().get("/api/login/refresh", headers=bearer(bad("refresh")))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID
    assert response.json["details"] == ["Missing or invalid JWT token"]


def test_a_bad_token_logs_nobody_in(app, bad):
    response = app.test_client().post("/api/login", headers=bearer(bad("access")))
    assert response.status_code in (400, 403)
    assert response.json["code"] == response.status_code
    assert isinstance(response.json["details"], list)


def test_a_good_token_of_each_use_is_accepted(app):
    # What the bad ones are made of is good, so that they are refused for nothing else.
    client = app.test_client()
    assert client.get("/who", headers=bearer(forge(claims()))).status_code == 200
    good = forge(claims("refresh"))
    assert client.get("/api/login/refresh", headers=bearer(good)).status_code == 200


@pytest.mark.parametrize(
    "changes", [{"jku": "https://evil.example/"}, {"x5u": "x"}, {"kid": 5}, {"typ": None}]
)
def test_header_members_that_point_elsewhere_are_not_followed(app, changes):
    # RFC 7515, 4: what is not understood is ignored; the signature is checked with our secret anyway.
    token = forge(claims(), header=header(**changes))
    assert app.test_client().get("/who", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize("expires", [0, -1, -(2**52), 1.5])
def test_an_expired_token_is_told_so(app, expires):
    response = app.test_client().get("/who", headers=bearer(forge(claims(exp=expires))))
    assert response.status_code == 401
    assert response.json["details"] == ["Expired JWT token"]
    assert response.headers["WWW-Authenticate"] == INVALID


def test_an_expired_token_of_somebody_else_is_not_told_so(app):
    token = forge(claims(exp=1), secret=OTHER_SECRET)
    response = app.test_client().get("/who", headers=bearer(token))
    assert response.json["details"] == ["Missing or invalid JWT token"]


def test_exp_may_have_a_fraction_and_is_met_to_the_second(app, clock):
    token = forge(claims(exp=clock.now + 10.5))
    client = app.test_client()
    clock.move(10.4)
    assert client.get("/who", headers=bearer(token)).status_code == 200
    clock.move(0.1)
    assert client.get("/who", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize(("ahead", "status"), [(0, 200), (9, 200), (10, 200), (11, 401), (86400, 401)])
def test_clocks_may_differ_by_ten_seconds(app, clock, name, ahead, status):
    token = forge(claims(**{name: clock.now + ahead}))
    assert app.test_client().get("/who", headers=bearer(token)).status_code == status


@pytest.mark.parametrize(
    "token",
    [
        lambda: forge(raw("x", "[" * 2500 + "]" * 2500)),
        lambda: forge(raw("x", '{"a":' * 900 + "1" + "}" * 900)),
        lambda: forge(claims(), header='{"alg":"HS256","x":' + "[" * 2500 + "]" * 2500 + "}"),
    ],
    ids=["list", "object", "header"],
)
def test_deep_nesting_is_never_an_error_of_ours(app, token):
    # How deep JSON may be is up to the Python; a signed token alone gets so far.
    @app.get("/deep")
    @auth_required
    def deep():
        return "ok"

    for _ in range(2):
        assert app.test_client().get("/deep", headers=bearer(token())).status_code in (200, 401)


def test_iat_may_be_missing(app):
    assert app.test_client().get("/who", headers=bearer(forge(claims(iat=...)))).status_code == 200


@pytest.mark.parametrize("fresh", [None, 1, "true", 99999999999, [True]])
def test_only_true_is_fresh(app, fresh):
    token = forge(claims(fresh=fresh))
    assert app.test_client().get("/fresh", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("scope", [["edit"], {"edit": 1}, 5, None, ..., ""])
def test_a_scope_that_is_no_string_grants_nothing(app, scope):
    token = forge(claims(scope=scope))
    assert app.test_client().get("/who", headers=bearer(token)).json["scopes"] == []


# What our own tokens look like


def test_the_claims_of_a_login(app, login, clock):
    access, refresh = read(login["access_token"]), read(login["refresh_token"])
    common = {"iss", "sub", "usefor", "type", "iat", "exp", "exi", "jti", "fresh", "idp", "scope"}
    assert set(access) == common
    assert set(refresh) == common | {"cred"}
    assert (access["usefor"], access["type"], access["fresh"]) == ("access", "access", True)
    assert (refresh["usefor"], refresh["type"], refresh["fresh"]) == ("refresh", "refresh", False)
    assert (access["sub"], access["idp"], access["scope"]) == ("admin", "local", "*")
    assert (access["exi"], refresh["exi"]) == (600, 86400)
    for token in (access, refresh):
        assert all(type(token[name]) is int for name in ("iat", "exp", "exi"))
        assert token["exp"] == token["iat"] + token["exi"]
    assert access["jti"] != refresh["jti"]
    assert read(login["access_token"], 0) == {"alg": "HS256", "typ": "JWT"}


def test_lifetimes_are_those_of_the_config(make_app):
    app = make_app(API_AUTH_JWT_ACCESS_EXPIRES=5, API_AUTH_JWT_REFRESH_EXPIRES="70")
    tokens = app.test_client().post("/api/login", json={"username": "admin", "password": "correct horse"})
    assert read(tokens.json["access_token"])["exi"] == 5
    assert read(tokens.json["refresh_token"])["exi"] == 70


def test_every_claim_of_ours_is_reserved(login):
    for token in login.values():
        assert set(read(token)) <= RESERVED_CLAIMS


def test_an_anonymous_identity_has_no_tokens(app):
    with app.app_context(), pytest.raises(ValueError, match="anonymous"):
        app.extensions["core_auth"].grants.issue(Admitted(ANONYMOUS), fresh=False)


# What is remembered


def seen(app: Flask) -> dict:
    return app.extensions["core_auth"].tokens._remembered


def test_a_token_is_verified_once_and_remembered(app, monkeypatch):
    tokens = app.extensions["core_auth"].tokens
    verified = []
    monkeypatch.setattr(
        tokens, "_verify", lambda *args, original=tokens._verify: verified.append(args) or original(*args)
    )
    token = forge(claims())
    for _ in range(3):
        assert app.test_client().get("/who", headers=bearer(token)).json["subject"] == "admin"
    assert len(verified) == 1


def test_a_remembered_token_expires(app, clock):
    client, token = app.test_client(), forge(claims())
    assert client.get("/who", headers=bearer(token)).status_code == 200
    assert seen(app)
    clock.move(599)
    assert client.get("/who", headers=bearer(token)).status_code == 200
    clock.move(1)
    response = client.get("/who", headers=bearer(token))
    assert response.status_code == 401
    assert response.json["details"] == ["Expired JWT token"]


def test_a_remembered_token_serves_only_as_an_access_token(app):
    client, token = app.test_client(), forge(claims())
    client.get("/who", headers=bearer(token))
    assert client.get("/api/login/refresh", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("path", ["/who", "/api/login/refresh", "/api/login"])
def test_only_good_access_tokens_are_remembered(app, bad, path):
    app.test_client().open(path, method="POST", headers=bearer(bad("access")))
    app.test_client().get(path, headers=bearer(bad("refresh")))
    assert not seen(app)


def test_refresh_tokens_are_not_remembered(app, login):
    app.test_client().get("/api/login/refresh", headers=bearer(login["refresh_token"]))
    assert not seen(app)


def test_long_tokens_are_not_remembered(app):
    client = app.test_client()
    long = forge(claims(x="x" * 3000))
    assert len(long) > REMEMBERED_TOKEN_BYTES
    assert client.get("/who", headers=bearer(long)).status_code == 200
    assert not seen(app)


def test_so_many_tokens_are_remembered_and_the_oldest_forgotten(app):
    client, remembered = app.test_client(), seen(app)
    first = forge(claims())
    client.get("/who", headers=bearer(first))
    for number in range(REMEMBERED_TOKENS - 1):
        remembered[f"Bearer {number}"] = remembered[f"Bearer {first}"]
    client.get("/who", headers=bearer(first))
    assert len(remembered) == REMEMBERED_TOKENS
    assert f"Bearer {first}" in remembered
    second = forge(claims())
    client.get("/who", headers=bearer(second))
    assert REMEMBERED_TOKENS / 2 < len(remembered) <= REMEMBERED_TOKENS
    assert f"Bearer {first}" not in remembered
    assert f"Bearer {REMEMBERED_TOKENS - 2}" in remembered
    assert f"Bearer {second}" in remembered
    assert client.get("/who", headers=bearer(first)).status_code == 200


def test_a_token_that_is_remembered_by_one_app_is_not_by_another(make_app):
    core_auth = CoreAuth()
    one, two = make_app(core_auth), make_app(core_auth, API_AUTH_JWT_SECRET=OTHER_SECRET)
    token = forge(claims())
    assert one.test_client().get("/who", headers=bearer(token)).status_code == 200
    assert two.test_client().get("/who", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("nested", [{"roles": ["reader"]}, {"roles": {"names": ["reader"]}}])
def test_what_a_view_does_to_its_claims_no_other_request_sees(make_app, nested):
    from flask_jwt_extended import get_jwt, get_jwt_header

    app = make_app()
    roles = nested["roles"]

    @app.get("/mutate")
    @auth_required
    def mutate():
        seen = [json.dumps(get_jwt(), sort_keys=True), json.dumps(get_jwt_header(), sort_keys=True)]
        get_jwt()["sub"] = "root"
        names = get_jwt()["roles"]
        (names["names"] if isinstance(names, dict) else names).append("admin")
        get_jwt_header()["alg"] = "none"
        get_jwt_header()["x"].append("more")
        return seen

    token = forge(claims(roles=roles), header=header(x=["one"]))
    client = app.test_client()
    answers = [client.get("/mutate", headers=bearer(token)).json for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert "admin" not in json.dumps(json.loads(answers[2][0])["roles"])
    assert client.get("/who", headers=bearer(token)).json["subject"] == "admin"


def test_what_a_view_does_to_flat_claims_no_other_request_sees(app):
    from flask_jwt_extended import get_jwt

    @app.get("/mutate")
    @auth_required
    def mutate():
        before = dict(get_jwt())
        get_jwt().clear()
        return before

    client, token = app.test_client(), forge(claims())
    assert (
        client.get("/mutate", headers=bearer(token)).json
        == client.get("/mutate", headers=bearer(token)).json
    )


def test_a_secret_shorter_than_the_hash_could_not_have_signed(make_app):
    # The block size of SHA-256 is 64 bytes; a secret is taken whole, whatever its length.
    long = SECRET * 3
    app = make_app(API_AUTH_JWT_SECRET=long)
    assert app.test_client().get("/who", headers=bearer(forge(claims(), secret=long))).status_code == 200
    cut = forge(claims(), secret=long[:64])
    assert app.test_client().get("/who", headers=bearer(cut)).status_code == 401


def test_why_a_token_is_refused_is_told_to_the_log_alone(app, caplog):
    caplog.set_level("DEBUG", logger="flask_core_auth")
    answer = app.test_client().get("/who", headers=bearer(forge(claims(iss="elsewhere"))))
    assert answer.json["details"] == ["Missing or invalid JWT token"]
    assert "Token refused: it is of another realm (iss)" in caplog.text

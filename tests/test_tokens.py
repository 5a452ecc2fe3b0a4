"""Which tokens are accepted, and the claims of issued ones."""

from __future__ import annotations

import uuid

import pytest

from flask_core_auth import auth_required
from flask_core_auth.callbacks import RESERVED_CLAIMS
from flask_core_auth.identity import ANONYMOUS, Admitted

from .apps import SECRET, add_manager, bearer, log_in, post_login, refresh
from .bad_tokens import header, raw
from .forge import CORE_REALM, CORE_SECRET, OTHER_SECRET, claims, core_claims, core_token, forge, read

INVALID = 'Bearer realm="flask-core-auth", error="invalid_token"'


def test_bad_token_is_rejected_on_a_protected_route(app, bad):
    response = app.test_client().get("/who", headers=bearer(bad("access")))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID
    assert response.json["details"] == ["Missing or invalid JWT token"]


def test_bad_token_is_rejected_where_a_token_is_optional(app, bad):
    assert app.test_client().get("/optional", headers=bearer(bad("access"))).status_code == 401


def test_bad_token_does_not_refresh(app, bad):
    response = app.test_client().get("/api/login/refresh", headers=bearer(bad("refresh")))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID
    assert response.json["details"] == ["Missing or invalid JWT token"]


def test_bad_token_does_not_log_in(app, bad):
    response = app.test_client().post("/api/login", headers=bearer(bad("access")))
    assert response.status_code in (400, 403)
    assert response.json["code"] == response.status_code
    assert isinstance(response.json["details"], list)


def test_good_token_of_each_use_is_accepted(app):
    # The bad tokens are variants of these: each is rejected for one reason only.
    client = app.test_client()
    assert client.get("/who", headers=bearer(forge(claims()))).status_code == 200
    good = forge(claims("refresh"))
    assert client.get("/api/login/refresh", headers=bearer(good)).status_code == 200


@pytest.mark.parametrize(
    "changes", [{"jku": "https://evil.example/"}, {"x5u": "x"}, {"kid": 5}, {"typ": None}]
)
def test_header_members_that_point_to_keys_are_ignored(app, changes):
    # RFC 7515, 4: members that are not understood are ignored.
    token = forge(claims(), header=header(**changes))
    assert app.test_client().get("/who", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize("expires", [0, -1, -(2**52), 1.5])
def test_expired_token_gets_a_401_that_says_so(app, expires):
    response = app.test_client().get("/who", headers=bearer(forge(claims(exp=expires))))
    assert response.status_code == 401
    assert response.json["details"] == ["Expired JWT token"]
    assert response.headers["WWW-Authenticate"] == INVALID


def test_expired_token_with_another_signature_is_only_invalid(app):
    token = forge(claims(exp=1), secret=OTHER_SECRET)
    response = app.test_client().get("/who", headers=bearer(token))
    assert response.json["details"] == ["Missing or invalid JWT token"]


def test_exp_may_have_a_fraction(app, clock):
    token = forge(claims(exp=clock.now + 10.5))
    client = app.test_client()
    clock.move(10.4)
    assert client.get("/who", headers=bearer(token)).status_code == 200
    clock.move(0.1)
    assert client.get("/who", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize(("ahead", "status"), [(0, 200), (9, 200), (10, 200), (11, 401), (86400, 401)])
def test_iat_and_nbf_may_be_ten_seconds_ahead(app, clock, name, ahead, status):
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
def test_deep_nesting_is_never_a_server_error(app, token):
    # The depth that the JSON parser accepts differs between Python versions.
    @app.get("/deep")
    @auth_required
    def deep():
        return "ok"

    for _ in range(2):
        assert app.test_client().get("/deep", headers=bearer(token())).status_code in (200, 401)


def test_iat_may_be_missing(app):
    assert app.test_client().get("/who", headers=bearer(forge(claims(iat=...)))).status_code == 200


@pytest.mark.parametrize("idp", [1, True, ["local"], {}])
def test_idp_that_is_not_a_string_is_rejected(app, idp):
    for use, path in (("access", "/who"), ("refresh", "/api/login/refresh")):
        headers = bearer(forge(claims(use, idp=idp)))
        assert app.test_client().get(path, headers=headers).status_code == 401


@pytest.mark.parametrize("fresh", [None, 1, "true", 99999999999, [True]])
def test_only_true_is_fresh(app, fresh):
    token = forge(claims(fresh=fresh))
    assert app.test_client().get("/fresh", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("scope", [["edit"], {"edit": 1}, 5, None, ..., ""])
def test_scope_that_is_not_a_string_grants_nothing(app, scope):
    token = forge(claims(scope=scope))
    assert app.test_client().get("/who", headers=bearer(token)).json["scopes"] == []


# Issued tokens


def test_login_issues_tokens_with_these_claims(app, login, clock):
    access, renewal = read(login["access_token"]), read(login["refresh_token"])
    common = {"iss", "sub", "usefor", "type", "iat", "exp", "exi", "jti", "fresh", "idp", "scope"}
    assert set(access) == common
    assert set(renewal) == common | {"cred"}
    assert (access["usefor"], access["type"], access["fresh"]) == ("access", "access", True)
    assert (renewal["usefor"], renewal["type"], renewal["fresh"]) == ("refresh", "refresh", False)
    assert (access["sub"], access["idp"], access["scope"]) == ("admin", "local", "*")
    assert (access["exi"], renewal["exi"]) == (600, 86400)
    for token in (access, renewal):
        assert all(type(token[name]) is int for name in ("iat", "exp", "exi"))
        assert token["exp"] == token["iat"] + token["exi"]
    assert access["jti"] != renewal["jti"]
    assert read(login["access_token"], 0) == {"alg": "HS256", "typ": "JWT"}


def test_lifetimes_follow_the_config(make_app):
    app = make_app(API_AUTH_JWT_ACCESS_EXPIRES=5, API_AUTH_JWT_REFRESH_EXPIRES="70")
    tokens = log_in(app)
    assert read(tokens["access_token"])["exi"] == 5
    assert read(tokens["refresh_token"])["exi"] == 70


def test_token_of_8_kib_is_issued_and_a_larger_one_is_not(make_app):
    app, size = make_app(), 0
    manager = app.extensions["flask-jwt-extended"]
    manager.additional_claims_loader(lambda subject: {"x": "x" * size})
    size = 8192 - len(log_in(app)["refresh_token"])
    # Three bytes of a claim are four letters of the token.
    size = size // 4 * 3 - 16
    while (response := post_login(app)).status_code == 200:
        longest = max(len(token) for token in response.json.values())
        size += 1
    assert longest == 8192
    assert int(response.headers["Retry-After"]) == 5


def test_claims_are_encoded_by_the_json_provider_of_the_app(make_app):
    app = make_app()
    manager = app.extensions["flask-jwt-extended"]
    manager.additional_claims_loader(lambda subject: {"device": uuid.UUID(int=5)})
    for token in log_in(app).values():
        assert read(token)["device"] == "00000000-0000-0000-0000-000000000005"


@pytest.mark.parametrize("encoded", [True, False])
def test_nbf_is_issued_if_the_manager_of_the_app_is_set_to_it(make_app, encoded):
    app = make_app(host=add_manager, JWT_ENCODE_NBF=encoded)
    for token in log_in(app).values():
        assert ("nbf" in read(token)) is encoded


def test_every_issued_claim_is_reserved(login):
    for token in login.values():
        assert set(read(token)) <= RESERVED_CLAIMS


def test_no_tokens_are_issued_for_an_anonymous_identity(app):
    with app.app_context(), pytest.raises(ValueError, match="anonymous"):
        app.extensions["core_auth"].grants.issue(Admitted(ANONYMOUS), fresh=False)


def test_long_secret_is_not_cut(make_app):
    # The block size of SHA-256 is 64 bytes: HMAC hashes a longer secret, and does not cut it.
    long = SECRET * 3
    app = make_app(API_AUTH_JWT_SECRET=long)
    assert app.test_client().get("/who", headers=bearer(forge(claims(), secret=long))).status_code == 200
    cut = forge(claims(), secret=long[:64])
    assert app.test_client().get("/who", headers=bearer(cut)).status_code == 401


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (lambda: "x", "it is malformed"),
        (lambda: forge(claims(), header=header(alg="HS512")), "it is not signed with HS256"),
        (
            lambda: forge(claims(), secret=OTHER_SECRET),
            "it is not signed with one of the configured secrets",
        ),
        (lambda: forge(claims(exp=...)), "it has no expiry (exp)"),
        (lambda: forge(claims(iat=2**40)), "it is not valid yet (iat)"),
        (lambda: forge(claims(nbf=2**40)), "it is not valid yet (nbf)"),
        (lambda: forge(claims(iss="elsewhere")), "it is of another realm (iss)"),
        (lambda: forge(claims(aud="elsewhere")), "it is for another audience (aud)"),
        (lambda: forge(claims(aud="mine", sub="")), "it has no subject (sub)"),
        (lambda: forge(claims("refresh", aud="mine")), "it is no access token of this app (usefor)"),
        (lambda: forge(claims(aud="mine", scope='"')), "its idp or its scope is invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_reason_of_a_rejected_token_appears_only_in_the_log(make_app, caplog, token, reason):
    app = make_app(JWT_DECODE_AUDIENCE="mine", JWT_ENCODE_AUDIENCE="mine")
    changed = token()
    with caplog.at_level("DEBUG", "flask_core_auth"):
        response = app.test_client().get("/who", headers=bearer(changed))
    assert response.json["details"] == ["Missing or invalid JWT token"]
    assert [record.getMessage() for record in caplog.records if record.name == "flask_core_auth"] == [
        f"Token rejected: {reason}"
    ]


def test_tokens_carry_the_claims_that_a_core_requires(make_app):
    token = log_in(make_app(API_AUTH_REALM=CORE_REALM, API_AUTH_JWT_SECRET=CORE_SECRET))["access_token"]
    assert set(core_claims()) <= set(read(token))
    assert read(token, 0) == {"alg": "HS256", "typ": "JWT"}
    assert read(token)["iss"] == CORE_REALM


def test_core_token_is_rejected_under_another_realm_or_secret(make_app):
    for app in (make_app(API_AUTH_JWT_SECRET=CORE_SECRET), make_app(API_AUTH_REALM=CORE_REALM)):
        assert app.test_client().get("/who", headers=bearer(core_token())).status_code == 401
        assert refresh(app, core_token("refresh")).status_code == 401

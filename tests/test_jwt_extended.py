"""Living with flask-jwt-extended: the app's manager or ours, its loaders, its settings."""

from __future__ import annotations

import inspect
import time
from datetime import timedelta

import flask_jwt_extended
import jwt
import pytest
from flask import Flask, abort, g
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    current_user,
    default_callbacks,
    get_jwt,
    get_jwt_identity,
    jwt_required,
    tokens,
    verify_jwt_in_request,
    view_decorators,
)
from flask_jwt_extended.exceptions import (
    JWTExtendedException,
    NoAuthorizationError,
    RevokedTokenError,
)

from flask_core_auth import ConfigError, CoreAuth, auth_required

from .forge import CORE_REALM, OTHER_SECRET, SECRET, bearer, claims, core_claims, forge, read

CREDENTIALS = {"username": "admin", "password": "correct horse"}


def log_in(app: Flask) -> dict[str, str]:
    response = app.test_client().post("/api/login", json=CREDENTIALS)
    assert response.status_code == 200, response.text
    return response.json


def refresh(app: Flask, token: str):
    return app.test_client().get("/api/login/refresh", headers=bearer(token))


def with_manager(app: Flask, **config) -> JWTManager:
    """A host that has a manager of its own before ours is registered."""
    app.config.setdefault("JWT_SECRET_KEY", SECRET)
    app.config.update(config)
    return JWTManager(app)


def add_extended_routes(app: Flask) -> None:
    app.add_url_rule("/extended", "extended", jwt_required()(lambda: get_jwt()), methods=["GET", "POST"])
    app.add_url_rule("/extended/fresh", "extended_fresh", jwt_required(fresh=True)(lambda: "ok"))
    app.add_url_rule("/extended/refresh", "extended_refresh", jwt_required(refresh=True)(lambda: "ok"))
    app.add_url_rule(
        "/extended/optional",
        "extended_optional",
        jwt_required(optional=True)(lambda: str(get_jwt_identity())),
    )


@pytest.fixture(params=["ours", "the app's"])
def extended(request, make_app) -> Flask:
    """An app with routes under ``jwt_required()``, its manager ours or its own."""
    host = with_manager if request.param == "the app's" else None
    app = make_app(host=host)
    add_extended_routes(app)
    return app


@pytest.fixture
def ours(make_app) -> Flask:
    """The same, with our manager."""
    app = make_app()
    add_extended_routes(app)
    return app


# What holds under either manager


def test_jwt_required_accepts_our_access_tokens(extended):
    tokens, client = log_in(extended), extended.test_client()
    assert client.get("/extended", headers=bearer(tokens["access_token"])).json["sub"] == "admin"
    assert client.get("/extended/fresh", headers=bearer(tokens["access_token"])).status_code == 200
    assert client.get("/extended/optional", headers=bearer(tokens["access_token"])).text == "admin"
    refreshed = refresh(extended, tokens["refresh_token"]).json["access_token"]
    assert client.get("/extended", headers=bearer(refreshed)).status_code == 200
    assert client.get("/extended/fresh", headers=bearer(refreshed)).status_code == 401


def test_jwt_required_refuses_our_refresh_tokens(extended):
    tokens, client = log_in(extended), extended.test_client()
    for path in ("/extended", "/extended/optional", "/extended/fresh"):
        assert client.get(path, headers=bearer(tokens["refresh_token"])).status_code in (401, 422)
    assert client.get("/extended/refresh", headers=bearer(tokens["refresh_token"])).status_code == 200
    assert client.get("/extended/refresh", headers=bearer(tokens["access_token"])).status_code in (401, 422)


def test_tokens_that_the_app_creates_itself_are_not_ours(extended):
    with extended.app_context():
        access, refresh_token = create_access_token("admin"), create_refresh_token("admin")
        forged = create_access_token("admin", additional_claims={"iss": "flask-core-auth"})
    for token in (access, refresh_token, forged):
        assert extended.test_client().get("/who", headers=bearer(token)).status_code == 401
        assert refresh(extended, token).status_code == 401


def test_loaders_may_be_set_after_the_registration(extended):
    token = log_in(extended)["access_token"]
    client = extended.test_client()
    assert client.get("/who", headers=bearer(token)).status_code == 200
    extended.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: True)
    assert client.get("/who", headers=bearer(token)).status_code == 401


# Our manager


def test_our_manager_signs_and_reads_with_our_secret_and_leaves_the_app_s_settings(make_app):
    app = make_app(SECRET_KEY="the app's own")
    assert app.config["JWT_SECRET_KEY"] is None
    assert app.config["SECRET_KEY"] == "the app's own"
    with app.app_context():
        token = create_access_token("x")
        assert jwt.decode(token, SECRET, ["HS256"])["sub"] == "x"


def test_settings_that_the_app_made_stay(make_app):
    app = make_app(JWT_DECODE_LEEWAY=3, JWT_ENCODE_NBF=True, JWT_ACCESS_TOKEN_EXPIRES=timedelta(days=9))
    assert app.config["JWT_DECODE_LEEWAY"] == 3
    access = read(log_in(app)["access_token"])
    assert access["nbf"] == access["iat"]
    assert access["exi"] == 600
    assert "nbf" not in read(log_in(make_app())["access_token"])


def test_jwt_required_is_as_strict_as_we_are_about_a_core_s_tokens(make_app):
    app = make_app(API_AUTH_REALM=CORE_REALM)
    add_extended_routes(app)
    client = app.test_client()
    assert client.get("/extended", headers=bearer(forge(core_claims()))).status_code == 200
    assert client.get("/extended", headers=bearer(forge(core_claims("refresh")))).status_code == 401
    assert client.get("/who", headers=bearer(forge(core_claims("refresh")))).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": ...},
        {"iss": ...},
        {"iss": "another"},
        {"usefor": ...},
        {"usefor": "refresh"},
        {"usefor": "refresh", "type": ...},
        {"type": "refresh"},
    ],
    ids=repr,
)
def test_jwt_required_refuses_what_we_refuse(ours, changes):
    token = forge(claims(**changes))
    for path in ("/who", "/extended"):
        response = ours.test_client().get(path, headers=bearer(token))
        assert response.status_code == 401
        assert response.json["details"] == ["Missing or invalid JWT token"]
        assert response.headers["WWW-Authenticate"].endswith('error="invalid_token"')


def test_jwt_required_grants_no_leeway_to_an_expired_token(ours):
    # PyJWT reads the clock itself, so no frozen one will do.
    token = forge(claims(exp=int(time.time()) - 5))
    for path in ("/who", "/extended"):
        assert ours.test_client().get(path, headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_jwt_required_grants_the_same_leeway_to_the_start(ours, name):
    near, far = (forge(claims(**{name: int(time.time()) + ahead})) for ahead in (7, 60))
    for path in ("/who", "/extended"):
        assert ours.test_client().get(path, headers=bearer(near)).status_code == 200
        assert ours.test_client().get(path, headers=bearer(far)).status_code == 401


def test_jwt_required_accepts_tokens_of_a_fallback_secret(make_app):
    app = make_app(API_AUTH_JWT_SECRET_FALLBACKS=[OTHER_SECRET, "x" * 32])
    add_extended_routes(app)
    client = app.test_client()
    for secret in (SECRET, OTHER_SECRET, "x" * 32):
        token = forge(claims(), secret=secret)
        assert client.get("/extended", headers=bearer(token)).status_code == 200
    assert client.get("/extended", headers=bearer(forge(claims(), secret="y" * 32))).status_code == 401
    expired = forge(claims(exp=1), secret=OTHER_SECRET)
    assert client.get("/extended", headers=bearer(expired)).json["details"] == ["Expired JWT token"]


@pytest.mark.parametrize(
    ("path", "header", "detail", "challenge"),
    [
        ("/extended", None, "Missing or invalid JWT token", ""),
        ("/extended", "Bearer x", "Missing or invalid JWT token", ', error="invalid_token"'),
        ("/extended", "Bearer a b", "Missing or invalid JWT token", ', error="invalid_token"'),
        (
            "/extended",
            f"Bearer {forge(claims(exp=1))}",
            "Expired JWT token",
            ', error="invalid_token"',
        ),
        (
            "/extended/fresh",
            f"Bearer {forge(claims(exp=9999999999))}",
            "A fresh login is required",
            ', error="insufficient_user_authentication"',
        ),
    ],
)
def test_jwt_required_answers_as_we_do(ours, path, header, detail, challenge):
    response = ours.test_client().get(path, headers={} if header is None else {"Authorization": header})
    assert response.json == {"code": 401, "message": "Unauthorized", "details": [detail]}
    assert response.headers["WWW-Authenticate"] == f'Bearer realm="flask-core-auth"{challenge}'


def test_jwt_required_answers_as_we_do_what_the_loaders_refuse(ours):
    manager, client = ours.extensions["flask-jwt-extended"], ours.test_client()
    headers = bearer(forge(claims()))
    manager.token_in_blocklist_loader(lambda header, claims: True)
    assert client.get("/extended", headers=headers).data == client.get("/who", headers=headers).data
    manager.token_in_blocklist_loader(lambda header, claims: False)
    manager.user_lookup_loader(lambda header, claims: None)
    assert client.get("/extended", headers=headers).data == client.get("/who", headers=headers).data
    assert client.get("/who", headers=headers).status_code == 401


def test_the_app_s_handler_for_401_hears_of_jwt_required_too(make_app):
    app = make_app(host=lambda app: app.register_error_handler(401, lambda error: ("the app's", 401)))
    add_extended_routes(app)
    client = app.test_client()
    for headers in ({}, bearer("x"), bearer(forge(claims(exp=1)))):
        assert client.get("/extended", headers=headers).text == "the app's"


@pytest.mark.parametrize(
    "error",
    [NoAuthorizationError, jwt.ExpiredSignatureError, jwt.DecodeError, jwt.InvalidTokenError],
)
def test_handlers_that_the_app_had_stay(make_app, error):
    app = make_app(host=lambda app: app.register_error_handler(error, lambda raised: ("kept", 499)))

    def fail():
        raise error("mine")

    app.add_url_rule("/fail", "fail", fail)
    assert app.test_client().get("/fail").text == "kept"


@pytest.mark.parametrize(
    ("family", "member"),
    [
        (jwt.PyJWTError, jwt.ExpiredSignatureError),
        (jwt.PyJWTError, jwt.DecodeError),
        (jwt.InvalidTokenError, jwt.ExpiredSignatureError),
        (jwt.InvalidTokenError, jwt.InvalidAudienceError),
        (JWTExtendedException, NoAuthorizationError),
    ],
)
def test_handlers_that_the_app_had_for_a_whole_family_stay(make_app, family, member):
    app = make_app(host=lambda app: app.register_error_handler(family, lambda raised: ("kept", 499)))

    def fail():
        raise member("mine")

    app.add_url_rule("/fail", "fail", fail)
    assert app.test_client().get("/fail").text == "kept"


def test_a_handler_for_everything_leaves_jwt_required_a_401(make_app):
    taken = []
    app = make_app(
        host=lambda app: app.register_error_handler(
            Exception, lambda error: taken.append(error) or ("x", 499)
        )
    )
    add_extended_routes(app)
    assert app.test_client().get("/extended").status_code == 499
    assert taken[0].code == 401


# The app's manager


def test_the_app_s_manager_stays_and_so_do_its_answers(make_app):
    managers = []
    app = make_app(host=lambda app: managers.append(with_manager(app)))
    assert app.extensions["flask-jwt-extended"] is managers[0]
    assert type(managers[0]) is JWTManager
    add_extended_routes(app)
    client = app.test_client()
    assert client.get("/extended").json == {"msg": "Missing Authorization Header"}
    assert client.get("/extended", headers=bearer("x")).status_code == 422
    assert client.get("/who").json["code"] == 401
    assert app.config["JWT_DECODE_LEEWAY"] == 0
    with app.app_context():
        own = create_access_token("x")
    assert client.get("/extended", headers=bearer(own)).status_code == 200


def test_the_app_s_secret_is_ours_where_we_have_none(make_app):
    app = make_app(API_AUTH_JWT_SECRET=..., host=with_manager)
    assert app.test_client().get("/who", headers=bearer(forge(claims()))).status_code == 200


def conflict(make_app, host=None, **config) -> str:
    with pytest.raises(ConfigError) as caught:
        make_app(host=host, **config)
    [(key, problem)] = caught.value.problems
    return f"{key} {problem}"


def test_another_secret_than_the_app_s_is_refused(make_app):
    problem = conflict(make_app, lambda app: with_manager(app, JWT_SECRET_KEY=OTHER_SECRET))
    assert problem == (
        "API_AUTH_JWT_SECRET is not the secret of the app's own JWTManager: leave it out and set"
        " JWT_SECRET_KEY"
    )
    assert OTHER_SECRET not in problem


@pytest.mark.parametrize("loader", ["encode_key_loader", "decode_key_loader"])
def test_another_secret_of_the_app_s_key_loaders_is_refused(make_app, loader):
    def host(app):
        getattr(with_manager(app), loader)(lambda *given: OTHER_SECRET)

    assert "is not the secret of the app's own JWTManager" in conflict(make_app, host)


def test_the_same_secret_from_the_app_s_key_loaders_is_fine(make_app):
    def host(app):
        manager = with_manager(app, JWT_SECRET_KEY="")
        manager.encode_key_loader(lambda identity: SECRET)
        manager.decode_key_loader(lambda header, claims: SECRET.encode())

    assert log_in(make_app(host=host))


def test_a_manager_without_a_secret_is_refused(make_app):
    problem = conflict(make_app, JWTManager)
    assert problem.startswith("JWT_SECRET_KEY cannot be read from the app's JWTManager: ")


@pytest.mark.parametrize("host", [None, with_manager], ids=["ours", "the app's"])
def test_another_algorithm_is_refused(make_app, host):
    for algorithm in ("RS256", "HS512", "none"):
        problem = conflict(make_app, host if algorithm.startswith("HS") else None, JWT_ALGORITHM=algorithm)
        assert problem == f"JWT_ALGORITHM must be HS256, not {algorithm!r}"


def test_an_app_that_signs_with_rsa_is_refused(make_app):
    def host(app):
        app.config.update(JWT_ALGORITHM="RS256", JWT_PRIVATE_KEY="private", JWT_PUBLIC_KEY="public")
        JWTManager(app)

    with pytest.raises(ConfigError) as caught:
        make_app(host=host)
    assert "JWT_ALGORITHM" in dict(caught.value.problems)


@pytest.mark.parametrize("host", [None, with_manager], ids=["ours", "the app's"])
def test_another_identity_claim_is_refused(make_app, host):
    assert conflict(make_app, host, JWT_IDENTITY_CLAIM="identity") == (
        "JWT_IDENTITY_CLAIM must be sub, not 'identity'"
    )


@pytest.mark.parametrize("host", [None, with_manager], ids=["ours", "the app's"])
@pytest.mark.parametrize("issuer", ["another", ["another", "third"], ()])
def test_an_issuer_that_does_not_admit_ours_is_refused(make_app, host, issuer):
    assert conflict(make_app, host, JWT_DECODE_ISSUER=issuer) == (
        "JWT_DECODE_ISSUER must admit API_AUTH_REALM ('flask-core-auth'), the iss of the tokens"
    )


@pytest.mark.parametrize("issuer", ["flask-core-auth", ["another", "flask-core-auth"]])
def test_an_issuer_that_admits_ours_is_fine(make_app, issuer):
    app = make_app(JWT_DECODE_ISSUER=issuer, JWT_ENCODE_ISSUER="another")
    add_extended_routes(app)
    token = log_in(app)["access_token"]
    assert read(token)["iss"] == "flask-core-auth"
    for path in ("/who", "/extended"):
        assert app.test_client().get(path, headers=bearer(token)).status_code == 200


@pytest.mark.parametrize("encoded", [None, "other", ["other"], ...])
def test_an_audience_that_our_tokens_would_not_have_is_refused(make_app, encoded):
    config = {"JWT_DECODE_AUDIENCE": "mine", "JWT_ENCODE_AUDIENCE": encoded}
    assert conflict(make_app, **config) == (
        "JWT_ENCODE_AUDIENCE must be among JWT_DECODE_AUDIENCE ('mine')"
    )


@pytest.mark.parametrize("host", [None, with_manager], ids=["ours", "the app's"])
@pytest.mark.parametrize(("decoded", "encoded"), [("mine", "mine"), (["mine", "x"], ["y", "mine"])])
def test_an_audience_is_asked_for_as_the_app_does(make_app, host, decoded, encoded):
    app = make_app(host=host, JWT_DECODE_AUDIENCE=decoded, JWT_ENCODE_AUDIENCE=encoded)
    add_extended_routes(app)
    token, client = log_in(app)["access_token"], app.test_client()
    for path in ("/who", "/extended"):
        assert client.get(path, headers=bearer(token)).status_code == 200
    for aud in (..., None, "other", [], ["other"], 5, {"mine": 1}, [5], ""):
        response = client.get("/who", headers=bearer(forge(claims(aud=aud))))
        assert response.status_code == 401


def test_an_audience_is_minded_only_where_the_app_asks(client):
    assert client.get("/who", headers=bearer(forge(claims(aud="anything")))).status_code == 200


# Loaders


@pytest.fixture(params=["ours", "the app's"])
def loaded(request, make_app):
    """Makes an app with loaders on its manager; ``setup`` is called with the manager."""

    def make(setup) -> Flask:
        if request.param == "the app's":
            return make_app(host=lambda app: setup(with_manager(app)))
        app = make_app()
        setup(app.extensions["flask-jwt-extended"])
        return app

    return make


def test_additional_claims_are_added_and_cannot_replace_ours(loaded):
    given = []
    shared = {
        "tenant": 7,
        "roles": ["reader"],
        "sub": "root",
        "iss": "evil",
        "usefor": "refresh",
        "type": "refresh",
        "exp": 99999999999,
        "iat": 0,
        "exi": 5,
        "jti": "same",
        "fresh": True,
        "idp": "evil",
        "scope": "*",
        "sid": "x",
        "cred": "x",
        "csrf": "x",
    }
    before = dict(shared)
    app = loaded(lambda manager: manager.additional_claims_loader(lambda s: given.append(s) or shared))
    tokens = log_in(app)
    assert given == ["admin"]  # once for both tokens
    assert shared == before  # did not collect ours
    for use, token in (("access", tokens["access_token"]), ("refresh", tokens["refresh_token"])):
        payload = read(token)
        assert (payload["tenant"], payload["roles"]) == (7, ["reader"])
        assert (payload["sub"], payload["iss"], payload["usefor"], payload["type"]) == (
            "admin",
            "flask-core-auth",
            use,
            use,
        )
        assert payload["exp"] == payload["iat"] + payload["exi"]
        assert payload["idp"] == "local"
        assert payload["jti"] != "same"
        assert not {"sid", "csrf"} & set(payload)
    assert "cred" not in read(tokens["access_token"])
    refreshed = read(refresh(app, tokens["refresh_token"]).json["access_token"])
    assert (refreshed["fresh"], refreshed["tenant"]) == (False, 7)
    who = app.test_client().get("/who", headers=bearer(tokens["access_token"])).json
    assert who["claims"]["roles"] == ["reader"]


def test_additional_claims_grant_no_scope_to_whoever_has_none(make_app):
    app = make_app(API_AUTH_USERS={"bob": {"password": "builder"}})
    app.extensions["flask-jwt-extended"].additional_claims_loader(lambda subject: {"scope": "*"})
    tokens = app.test_client().post("/api/login", json={"username": "bob", "password": "builder"}).json
    assert "scope" not in read(tokens["access_token"])
    assert app.test_client().get("/scoped", headers=bearer(tokens["access_token"])).status_code == 403


def test_additional_headers_are_added_and_leave_the_signature_ours(loaded):
    shared = {"kid": "one", "alg": "none", "b64": False, "crit": ["x"]}
    app = loaded(lambda manager: manager.additional_headers_loader(lambda subject: shared))
    token = log_in(app)["access_token"]
    assert read(token, 0) == {"alg": "HS256", "typ": "JWT", "kid": "one"}
    assert shared == {"kid": "one", "alg": "none", "b64": False, "crit": ["x"]}
    assert app.test_client().get("/who", headers=bearer(token)).status_code == 200


def test_the_identity_loader_is_left_for_the_app_s_objects(loaded):
    app = loaded(lambda manager: manager.user_identity_loader(lambda user: user.id))
    assert read(log_in(app)["access_token"])["sub"] == "admin"


def test_user_lookup_gives_current_user(loaded):
    class User:
        def __init__(self, header, claims):
            self.name = f"{header['alg']} {claims['sub']}"

    app = loaded(lambda manager: manager.user_lookup_loader(User))
    app.add_url_rule("/user", "user", auth_required(lambda: current_user.name))
    for _ in range(2):
        assert app.test_client().get("/user", headers=bearer(forge(claims()))).text == "HS256 admin"


def test_a_user_that_is_gone_is_refused_at_each_request_and_at_refresh(loaded):
    users = {"admin": object()}
    app = loaded(
        lambda manager: manager.user_lookup_loader(lambda header, claims: users.get(claims["sub"]))
    )
    tokens, client = log_in(app), app.test_client()
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200
    assert refresh(app, tokens["refresh_token"]).status_code == 200
    users.clear()
    response = client.get("/who", headers=bearer(tokens["access_token"]))
    assert response.status_code == 401
    assert response.json["details"] == ["Missing or invalid JWT token"]
    assert refresh(app, tokens["refresh_token"]).status_code == 401
    assert client.get("/optional").status_code == 200
    assert client.get("/optional", headers=bearer(tokens["access_token"])).status_code == 401


@pytest.mark.parametrize("falsy", [0, "", [], False])
def test_a_user_may_be_falsy(loaded, falsy):
    app = loaded(lambda manager: manager.user_lookup_loader(lambda header, claims: falsy))
    app.add_url_rule(
        "/user", "user", auth_required(lambda: str(current_user._get_current_object() == falsy))
    )
    assert app.test_client().get("/user", headers=bearer(forge(claims()))).text == "True"


@pytest.mark.parametrize("loader", ["token_in_blocklist_loader", "token_verification_loader"])
def test_blocklist_and_verification_are_asked_at_each_request_and_at_refresh(loaded, loader):
    revoked, given = set(), []

    def ask(header, claims):
        given.append((header, dict(claims)))
        listed = claims["jti"] in revoked
        return listed if "blocklist" in loader else not listed

    app = loaded(lambda manager: getattr(manager, loader)(ask))
    tokens, client = log_in(app), app.test_client()
    for number in (1, 2):
        assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200
        assert len(given) == number
    assert given[0] == (read(tokens["access_token"], 0), read(tokens["access_token"]))
    assert refresh(app, tokens["refresh_token"]).status_code == 200
    for use in ("access_token", "refresh_token"):
        revoked.add(read(tokens[use])["jti"])
    response = client.get("/who", headers=bearer(tokens["access_token"]))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].endswith('error="invalid_token"')
    assert refresh(app, tokens["refresh_token"]).status_code == 401


def test_a_verification_of_the_app_s_on_our_manager_does_not_replace_ours(make_app):
    app = make_app()
    app.extensions["flask-jwt-extended"].token_verification_loader(lambda header, claims: True)
    for token in (forge(claims("refresh")), forge(claims(exp=...)), forge(claims(iss="x"))):
        assert app.test_client().get("/who", headers=bearer(token)).status_code == 401


LOADERS = {
    "additional_claims_loader": "login",
    "additional_headers_loader": "login",
    "token_in_blocklist_loader": "protected",
    "token_verification_loader": "protected",
    "user_lookup_loader": "protected",
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("inner thing"),
        KeyError("inner thing"),
        jwt.ExpiredSignatureError("inner thing"),
        jwt.InvalidKeyError("inner thing"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_loader_that_fails_lets_nobody_in_and_is_logged(loaded, loader, error, caplog):
    def fail(*given):
        raise error

    app = loaded(lambda manager: getattr(manager, loader)(fail))
    client = app.test_client()
    responses = (
        [client.post("/api/login", json=CREDENTIALS), refresh(app, forge(claims("refresh")))]
        if LOADERS[loader] == "login"
        else [
            client.get("/who", headers=bearer(forge(claims()))),
            client.get("/optional", headers=bearer(forge(claims()))),
            refresh(app, forge(claims("refresh"))),
        ]
    )
    for response in responses:
        assert response.status_code == 503
        assert response.json == {
            "code": 503,
            "message": "Service Unavailable",
            "details": ["A check of the application failed"],
        }
        assert response.headers["Retry-After"] == "5"
        assert "inner thing" not in response.text
    assert f"The app's {loader} failed" in caplog.text
    assert "inner thing" in caplog.text


@pytest.mark.parametrize(
    "claims",
    [{"x": object()}, {"x": {1, 2}}, {"x": float}, 5, None, [1]],
    ids=["object", "set", "class", "number", "none", "list"],
)
def test_claims_that_no_token_can_carry_are_a_failure_of_the_app(loaded, claims, caplog):
    app = loaded(lambda manager: manager.additional_claims_loader(lambda subject: claims))
    response = app.test_client().post("/api/login", json=CREDENTIALS)
    assert response.status_code == 503
    assert "additional_claims_loader" in caplog.text


def test_a_token_that_would_be_refused_for_its_length_is_not_issued(loaded, caplog):
    app = loaded(lambda manager: manager.additional_claims_loader(lambda subject: {"x": "x" * 9000}))
    response = app.test_client().post("/api/login", json=CREDENTIALS)
    assert response.status_code == 503
    assert response.json["details"] == ["The token would be too long"]
    assert "The access token of 'admin' would have" in caplog.text


def test_headers_that_no_token_can_carry_are_a_failure_of_the_app(loaded, caplog):
    app = loaded(lambda manager: manager.additional_headers_loader(lambda subject: {"x": object()}))
    assert app.test_client().post("/api/login", json=CREDENTIALS).status_code == 503
    assert "additional_headers_loader" in caplog.text


@pytest.mark.parametrize(
    ("refuse", "status"),
    [
        (lambda: abort(418), 418),
        (lambda: RevokedTokenError({}, {}), 401),
        (lambda: jwt.InvalidTokenError("x"), 401),
    ],
    ids=["abort", "flask-jwt-extended's", "PyJWT's"],
)
def test_what_a_loader_refuses_with_is_the_answer(make_app, refuse, status):
    app = make_app()

    def loader(header, claims):
        raise refuse()

    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(loader)
    assert app.test_client().get("/who", headers=bearer(forge(claims()))).status_code == status


def test_what_a_loader_does_to_the_claims_stays_in_the_request(loaded):
    def mutate(header, claims):
        claims["seen"] = claims.get("seen", 0) + 1
        claims["nested"].append("more")
        header["alg"] = "changed"
        return False

    app = loaded(lambda manager: manager.token_in_blocklist_loader(mutate))
    token = forge(claims(nested=["one"]))
    for _ in range(3):
        answer = app.test_client().get("/who", headers=bearer(token)).json["claims"]
        assert answer["seen"] == 1
        assert answer["nested"] == ["one", "more"]


# The internals that all of this relies on


def test_flask_jwt_extended_keeps_in_g_what_we_put_there(ours):
    keys = {
        "_jwt_extended_jwt",
        "_jwt_extended_jwt_header",
        "_jwt_extended_jwt_location",
        "_jwt_extended_jwt_user",
    }

    def kept() -> dict:
        return {key: value for key, value in vars(g._get_current_object()).items() if "jwt" in key}

    for headers in (bearer(forge(claims())), {}):
        found = []
        for admit in (
            lambda: verify_jwt_in_request(optional=True),
            auth_required(optional=True)(lambda: None),
        ):
            with ours.test_request_context("/", headers=headers):
                admit()
                found.append(kept())
        assert set(found[0]) == set(found[1]) == keys
        assert found[0] == found[1]


def test_what_a_core_s_token_lacks_is_added_as_flask_jwt_extended_does(make_app):
    app = make_app(API_AUTH_REALM=CORE_REALM)
    add_extended_routes(app)
    token, client = forge(core_claims(jti=...)), app.test_client()
    assert (
        client.get("/who", headers=bearer(token)).json["claims"]
        == client.get("/extended", headers=bearer(token)).json
    )


def test_the_signatures_that_we_call_are_what_they_were():
    def parameters(function) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert parameters(tokens._encode_jwt) == [
        "algorithm",
        "audience",
        "claim_overrides",
        "csrf",
        "expires_delta",
        "fresh",
        "header_overrides",
        "identity",
        "identity_claim_key",
        "issuer",
        "json_encoder",
        "secret",
        "token_type",
        "nbf",
    ]
    assert parameters(view_decorators._decode_jwt_from_cookies) == ["refresh"]
    assert parameters(view_decorators._decode_jwt_from_query_string) == []
    assert parameters(view_decorators._decode_jwt_from_json) == ["refresh"]
    assert parameters(JWTManager._decode_jwt_from_config) == [
        "self",
        "encoded_token",
        "csrf_value",
        "allow_expired",
    ]


def test_the_callbacks_that_we_read_are_where_they_were():
    manager = JWTManager()
    assert manager._token_in_blocklist_callback is default_callbacks.default_blocklist_callback
    assert manager._token_verification_callback is default_callbacks.default_token_verification_callback
    assert manager._user_lookup_callback is None
    assert manager._user_claims_callback("x") == {}
    assert manager._jwt_additional_header_callback("x") == {}
    for loader, attribute in (
        ("additional_claims_loader", "_user_claims_callback"),
        ("additional_headers_loader", "_jwt_additional_header_callback"),
        ("token_in_blocklist_loader", "_token_in_blocklist_callback"),
        ("token_verification_loader", "_token_verification_callback"),
        ("user_lookup_loader", "_user_lookup_callback"),
        ("encode_key_loader", "_encode_key_callback"),
        ("decode_key_loader", "_decode_key_callback"),
    ):
        callback = object()
        getattr(manager, loader)(callback)
        assert getattr(manager, attribute) is callback


def test_init_app_handles_only_exceptions_of_the_app_as_a_whole():
    app = Flask(__name__)
    JWTManager(app)
    assert list(app.error_handler_spec) == [None]
    assert list(app.error_handler_spec[None]) == [None]
    assert app.extensions["flask-jwt-extended"]
    assert flask_jwt_extended.__version__.startswith("4.")


def test_one_core_auth_beside_managers_of_several_apps(make_app):
    core_auth = CoreAuth()
    one = make_app(core_auth, host=with_manager)
    two = make_app(core_auth)
    token = forge(claims())
    one.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: True)
    assert one.test_client().get("/who", headers=bearer(token)).status_code == 401
    assert two.test_client().get("/who", headers=bearer(token)).status_code == 200

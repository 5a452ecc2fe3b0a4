"""``jwt_required()`` beside ``auth_required``, under the app's JWTManager and under the built-in one."""

from __future__ import annotations

import time
from datetime import timedelta

import jwt
import pytest
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token
from flask_jwt_extended.exceptions import JWTExtendedException, NoAuthorizationError

from .apps import SECRET, add_jwt_required_routes, add_manager, bearer, log_in, refresh
from .conftest import MakeApp
from .forge import CORE_REALM, OTHER_SECRET, claims, core_claims, forge, read


@pytest.fixture(params=["built in", "the app's"])
def extended(request: pytest.FixtureRequest, make_app: MakeApp) -> Flask:
    """An app with routes under ``jwt_required()``, with each manager in turn."""
    app = make_app(host=add_manager if request.param == "the app's" else None)
    add_jwt_required_routes(app)
    return app


@pytest.fixture
def built_in(make_app: MakeApp) -> Flask:
    """An app with routes under ``jwt_required()`` and the built-in manager."""
    app = make_app()
    add_jwt_required_routes(app)
    return app


# Either manager


def test_jwt_required_accepts_access_tokens(extended):
    tokens, client = log_in(extended), extended.test_client()
    assert client.get("/extended", headers=bearer(tokens["access_token"])).json["sub"] == "admin"
    assert client.get("/extended/fresh", headers=bearer(tokens["access_token"])).status_code == 200
    assert client.get("/extended/optional", headers=bearer(tokens["access_token"])).text == "admin"
    refreshed = refresh(extended, tokens["refresh_token"]).json["access_token"]
    assert client.get("/extended", headers=bearer(refreshed)).status_code == 200
    assert client.get("/extended/fresh", headers=bearer(refreshed)).status_code == 401


def test_jwt_required_rejects_refresh_tokens(extended):
    tokens, client = log_in(extended), extended.test_client()
    for path in ("/extended", "/extended/optional", "/extended/fresh"):
        assert client.get(path, headers=bearer(tokens["refresh_token"])).status_code in (401, 422)
    assert client.get("/extended/refresh", headers=bearer(tokens["refresh_token"])).status_code == 200
    assert client.get("/extended/refresh", headers=bearer(tokens["access_token"])).status_code in (401, 422)


def test_tokens_of_create_access_token_are_rejected(extended):
    with extended.app_context():
        access, refresh_token = create_access_token("admin"), create_refresh_token("admin")
        forged = create_access_token("admin", additional_claims={"iss": "flask-core-auth"})
    for token in (access, refresh_token, forged):
        assert extended.test_client().get("/who", headers=bearer(token)).status_code == 401
        assert refresh(extended, token).status_code == 401


# The built-in manager


def test_built_in_manager_signs_with_the_secret_and_leaves_the_apps_settings(make_app):
    app = make_app(SECRET_KEY="the app's own")
    assert app.config["JWT_SECRET_KEY"] is None
    assert app.config["SECRET_KEY"] == "the app's own"
    with app.app_context():
        token = create_access_token("x")
        assert jwt.decode(token, SECRET, ["HS256"])["sub"] == "x"


def test_settings_of_the_app_take_precedence(make_app):
    app = make_app(JWT_DECODE_LEEWAY=3, JWT_ENCODE_NBF=True, JWT_ACCESS_TOKEN_EXPIRES=timedelta(days=9))
    assert app.config["JWT_DECODE_LEEWAY"] == 3
    access = read(log_in(app)["access_token"])
    assert access["nbf"] == access["iat"]
    assert access["exi"] == 600
    assert "nbf" not in read(log_in(make_app())["access_token"])


def test_jwt_required_rejects_the_refresh_token_of_a_core(make_app):
    app = make_app(API_AUTH_REALM=CORE_REALM)
    add_jwt_required_routes(app)
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
def test_jwt_required_rejects_the_same_tokens_as_auth_required(built_in, changes):
    token = forge(claims(**changes))
    for path in ("/who", "/extended"):
        response = built_in.test_client().get(path, headers=bearer(token))
        assert response.status_code == 401
        assert response.json["details"] == ["Missing or invalid JWT token"]
        assert response.headers["WWW-Authenticate"].endswith('error="invalid_token"')


def test_jwt_required_has_no_leeway_for_an_expired_token(built_in):
    # PyJWT reads the clock by itself, so that the clock cannot be frozen.
    token = forge(claims(exp=int(time.time()) - 5))
    for path in ("/who", "/extended"):
        assert built_in.test_client().get(path, headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_jwt_required_has_the_same_leeway_for_iat_and_nbf(built_in, name):
    near, far = (forge(claims(**{name: int(time.time()) + ahead})) for ahead in (7, 3600))
    for path in ("/who", "/extended"):
        assert built_in.test_client().get(path, headers=bearer(near)).status_code == 200
        assert built_in.test_client().get(path, headers=bearer(far)).status_code == 401


def test_jwt_required_accepts_tokens_of_a_fallback_secret(make_app):
    app = make_app(API_AUTH_JWT_SECRET_FALLBACKS=[OTHER_SECRET, "x" * 32])
    add_jwt_required_routes(app)
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
def test_jwt_required_responds_like_auth_required(built_in, path, header, detail, challenge):
    response = built_in.test_client().get(path, headers={} if header is None else {"Authorization": header})
    assert response.json == {"code": 401, "message": "Unauthorized", "details": [detail]}
    assert response.headers["WWW-Authenticate"] == f'Bearer realm="flask-core-auth"{challenge}'


def test_jwt_required_responds_like_auth_required_to_a_callbacks_refusal(built_in):
    manager, client = built_in.extensions["flask-jwt-extended"], built_in.test_client()
    headers = bearer(forge(claims()))
    manager.token_in_blocklist_loader(lambda header, claims: True)
    assert client.get("/extended", headers=headers).data == client.get("/who", headers=headers).data
    manager.token_in_blocklist_loader(lambda header, claims: False)
    manager.user_lookup_loader(lambda header, claims: None)
    assert client.get("/extended", headers=headers).data == client.get("/who", headers=headers).data
    assert client.get("/who", headers=headers).status_code == 401


# Error handlers of the app


def test_error_handler_of_the_app_for_401_handles_jwt_required(make_app):
    app = make_app(host=lambda app: app.register_error_handler(401, lambda error: ("the app's", 401)))
    add_jwt_required_routes(app)
    client = app.test_client()
    for headers in ({}, bearer("x"), bearer(forge(claims(exp=1)))):
        assert client.get("/extended", headers=headers).text == "the app's"


@pytest.mark.parametrize(
    "error",
    [NoAuthorizationError, jwt.ExpiredSignatureError, jwt.DecodeError, jwt.InvalidTokenError],
)
def test_error_handlers_of_the_app_stay(make_app, error):
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
def test_error_handlers_of_the_app_for_a_base_class_stay(make_app, family, member):
    app = make_app(host=lambda app: app.register_error_handler(family, lambda raised: ("kept", 499)))

    def fail():
        raise member("mine")

    app.add_url_rule("/fail", "fail", fail)
    assert app.test_client().get("/fail").text == "kept"


def test_error_handler_for_every_exception_gets_a_401_from_jwt_required(make_app):
    taken = []
    app = make_app(
        host=lambda app: app.register_error_handler(
            Exception, lambda error: taken.append(error) or ("x", 499)
        )
    )
    add_jwt_required_routes(app)
    assert app.test_client().get("/extended").status_code == 499
    assert taken[0].code == 401


# The app's manager


def test_manager_of_the_app_and_its_responses_stay(make_app):
    managers = []
    app = make_app(host=lambda app: managers.append(add_manager(app)))
    assert app.extensions["flask-jwt-extended"] is managers[0]
    assert type(managers[0]) is JWTManager
    add_jwt_required_routes(app)
    client = app.test_client()
    assert client.get("/extended").json == {"msg": "Missing Authorization Header"}
    assert client.get("/extended", headers=bearer("x")).status_code == 422
    assert client.get("/who").json["code"] == 401
    assert app.config["JWT_DECODE_LEEWAY"] == 0
    with app.app_context():
        own = create_access_token("x")
    assert client.get("/extended", headers=bearer(own)).status_code == 200


def test_secret_of_the_apps_manager_is_the_default(make_app):
    app = make_app(API_AUTH_JWT_SECRET=..., host=add_manager)
    assert app.test_client().get("/who", headers=bearer(forge(claims()))).status_code == 200

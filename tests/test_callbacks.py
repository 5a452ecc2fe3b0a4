"""The app's own callbacks on its JWTManager, and the response when one fails."""

from __future__ import annotations

import jwt
import pytest
from flask import Flask, abort
from flask_jwt_extended import current_user
from flask_jwt_extended.exceptions import RevokedTokenError

from flask_core_auth import auth_required

from .apps import add_manager, bearer, log_in, post_login, refresh
from .forge import claims, forge, read


@pytest.fixture(params=["built in", "the app's"])
def loaded(request, make_app):
    """Make an app with callbacks, which ``setup`` sets on its manager."""

    def make(setup) -> Flask:
        if request.param == "the app's":
            return make_app(host=lambda app: setup(add_manager(app)))
        app = make_app()
        setup(app.extensions["flask-jwt-extended"])
        return app

    return make


# Claims and headers


def test_additional_claims_are_added_and_cannot_replace_reserved_ones(loaded):
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
    assert given == ["admin"], "one call for both tokens"
    assert shared == before, "the dictionary collects no claims"
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


def test_additional_claims_cannot_grant_scopes(make_app):
    app = make_app(API_AUTH_USERS={"bob": {"password": "builder"}})
    app.extensions["flask-jwt-extended"].additional_claims_loader(lambda subject: {"scope": "*"})
    tokens = log_in(app, "bob", "builder")
    assert "scope" not in read(tokens["access_token"])
    assert app.test_client().get("/scoped", headers=bearer(tokens["access_token"])).status_code == 403


def test_additional_headers_are_added_and_cannot_change_the_algorithm(loaded):
    shared = {"kid": "one", "alg": "none", "b64": False, "crit": ["x"]}
    app = loaded(lambda manager: manager.additional_headers_loader(lambda subject: shared))
    token = log_in(app)["access_token"]
    assert read(token, 0) == {"alg": "HS256", "typ": "JWT", "kid": "one"}
    assert shared == {"kid": "one", "alg": "none", "b64": False, "crit": ["x"]}
    assert app.test_client().get("/who", headers=bearer(token)).status_code == 200


def test_user_identity_loader_does_not_change_the_subject(loaded):
    app = loaded(lambda manager: manager.user_identity_loader(lambda user: user.id))
    assert read(log_in(app)["access_token"])["sub"] == "admin"


# User, blocklist and verification


@pytest.mark.parametrize("host", [None, add_manager], ids=["built in", "the app's"])
def test_callbacks_may_be_set_after_the_registration(make_app, host):
    app = make_app(host=host)
    token = log_in(app)["access_token"]
    client = app.test_client()
    assert client.get("/who", headers=bearer(token)).status_code == 200
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: True)
    assert client.get("/who", headers=bearer(token)).status_code == 401


def test_user_lookup_sets_current_user(loaded):
    class User:
        def __init__(self, header, claims):
            self.name = f"{header['alg']} {claims['sub']}"

    app = loaded(lambda manager: manager.user_lookup_loader(User))
    app.add_url_rule("/user", "user", auth_required(lambda: current_user.name))
    for _ in range(2):
        assert app.test_client().get("/user", headers=bearer(forge(claims()))).text == "HS256 admin"


def test_current_user_without_a_user_lookup_is_an_error(app):
    @app.get("/user")
    @auth_required
    def user():
        with pytest.raises(RuntimeError, match="user_lookup_loader"):
            current_user.name  # noqa: B018
        return "ok"

    assert app.test_client().get("/user", headers=bearer(forge(claims()))).text == "ok"


def test_removed_user_is_rejected_at_each_request_and_at_refresh(loaded):
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
def test_user_lookup_may_return_a_falsy_user(loaded, falsy):
    app = loaded(lambda manager: manager.user_lookup_loader(lambda header, claims: falsy))
    app.add_url_rule(
        "/user", "user", auth_required(lambda: str(current_user._get_current_object() == falsy))
    )
    assert app.test_client().get("/user", headers=bearer(forge(claims()))).text == "True"


@pytest.mark.parametrize("loader", ["token_in_blocklist_loader", "token_verification_loader"])
def test_blocklist_and_verification_are_called_at_each_request_and_at_refresh(loaded, loader):
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


def test_verification_by_the_app_does_not_replace_the_built_in_one(make_app):
    app = make_app()
    app.extensions["flask-jwt-extended"].token_verification_loader(lambda header, claims: True)
    for token in (forge(claims("refresh")), forge(claims(exp=...)), forge(claims(iss="x"))):
        assert app.test_client().get("/who", headers=bearer(token)).status_code == 401


def test_changes_of_a_callback_to_the_claims_stay_in_the_request(loaded):
    def mutate(header, claims):
        claims["seen"] = claims.get("seen", 0) + 1
        claims["nested"].append("more")
        header["alg"] = "changed"
        return False

    app = loaded(lambda manager: manager.token_in_blocklist_loader(mutate))
    token = forge(claims(nested=["one"]))
    for _ in range(3):
        seen = app.test_client().get("/who", headers=bearer(token)).json["claims"]
        assert seen["seen"] == 1
        assert seen["nested"] == ["one", "more"]


# Failures

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
def test_failing_callback_gets_a_503_and_is_logged(loaded, loader, error, caplog):
    def fail(*given):
        raise error

    app = loaded(lambda manager: getattr(manager, loader)(fail))
    client = app.test_client()
    responses = (
        [post_login(client), refresh(app, forge(claims("refresh")))]
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
def test_additional_claims_that_are_not_json_get_a_503(loaded, claims, caplog):
    app = loaded(lambda manager: manager.additional_claims_loader(lambda subject: claims))
    response = post_login(app.test_client())
    assert response.status_code == 503
    assert "additional_claims_loader" in caplog.text


def test_additional_headers_that_are_not_json_get_a_503(loaded, caplog):
    app = loaded(lambda manager: manager.additional_headers_loader(lambda subject: {"x": object()}))
    assert post_login(app.test_client()).status_code == 503
    assert "additional_headers_loader" in caplog.text


def test_token_that_would_be_too_long_is_not_issued(loaded, caplog):
    app = loaded(lambda manager: manager.additional_claims_loader(lambda subject: {"x": "x" * 9000}))
    response = post_login(app.test_client())
    assert response.status_code == 503
    assert response.json["details"] == ["The token would be too long"]
    assert "The access token of 'admin' would have" in caplog.text


@pytest.mark.parametrize(
    ("refuse", "status"),
    [
        (lambda: abort(418), 418),
        (lambda: RevokedTokenError({}, {}), 401),
        (lambda: jwt.InvalidTokenError("x"), 401),
    ],
    ids=["abort", "flask-jwt-extended's", "PyJWT's"],
)
def test_refusal_raised_by_a_callback_is_the_response(make_app, refuse, status):
    app = make_app()

    def loader(header, claims):
        raise refuse()

    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(loader)
    assert app.test_client().get("/who", headers=bearer(forge(claims()))).status_code == status

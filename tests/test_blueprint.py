"""The routes, as the wire contract has them, and the set-up of an app."""

from __future__ import annotations

import logging

import pytest
from flask import Blueprint, Flask, abort, url_for
from flask_jwt_extended import JWTManager

from flask_core_auth import ConfigError, CoreAuth, Identity, auth_required, current_identity
from flask_core_auth.errors import UnauthorizedError

from .forge import CORE_REALM, OTHER_SECRET, REALM, SECRET, bearer, claims, core_claims, forge, read
from .tenant import ALICE

CREDENTIALS = {"username": "admin", "password": "correct horse"}
TENANT = {"domain": "tenant.example", "audience": "api", "clientid": "client", "users": [ALICE]}


def log_in(app: Flask, **credentials: str):
    return app.test_client().post("/api/login", json={**CREDENTIALS, **credentials})


def refresh(app: Flask, token: str):
    return app.test_client().get("/api/login/refresh", headers=bearer(token))


def details(response) -> str:
    return "; ".join(response.json["details"])


# Login


def test_login_answers_two_tokens_that_nobody_may_store(client):
    response = client.post("/api/login", json=CREDENTIALS)
    assert response.status_code == 200
    assert set(response.json) == {"access_token", "refresh_token"}
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"


def test_extra_fields_are_accepted(client):
    assert client.post("/api/login", json={**CREDENTIALS, "remember": [None]}).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_spellings_of_the_content_type_are_accepted(client, content_type):
    body = b'{"username":"admin","password":"correct horse"}'
    assert client.post("/api/login", data=body, content_type=content_type).status_code == 200


@pytest.mark.parametrize("wrong", [{"username": "nobody"}, {"password": "wrong"}, {"username": "ADMIN"}])
def test_wrong_username_or_password_is_forbidden_and_not_told_apart(app, wrong):
    response = log_in(app, **wrong)
    assert response.status_code == 403
    assert response.json == {
        "code": 403,
        "message": "Forbidden",
        "details": ["Wrong username or password"],
    }
    assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize(
    "scheme", ["Basic YWRtaW46eA==", "Negotiate x", "", "Bearer", "Bearer a b", "Bearer ä"]
)
def test_without_a_usable_bearer_the_body_decides(client, scheme):
    response = client.post("/api/login", json=CREDENTIALS, headers={"Authorization": scheme})
    assert response.status_code == 200


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.b.c.d.e", forge(claims(), secret=OTHER_SECRET)])
def test_a_bearer_that_no_tenant_claims_leaves_the_decision_to_the_body(client, token):
    assert client.post("/api/login", json=CREDENTIALS, headers=bearer(token)).status_code == 200
    wrong = {**CREDENTIALS, "password": "wrong"}
    assert client.post("/api/login", json=wrong, headers=bearer(token)).status_code == 403


def test_no_credentials_at_all_are_a_bad_request_that_says_what_to_send(client):
    response = client.post("/api/login")
    assert response.status_code == 400
    assert "username and password" in details(response)
    assert "Authorization: Bearer <token>" in details(response)


def test_our_own_tokens_log_nobody_in(client, login):
    for token in login.values():
        response = client.post("/api/login", headers=bearer(token))
        assert response.status_code == 403
        assert "issuer" in details(response)


def test_an_encrypted_token_is_told_what_it_is(client):
    response = client.post("/api/login", headers=bearer("a.b.c.d.e"))
    assert response.status_code == 400
    assert "encrypted" in details(response)
    assert "requested with the audience of this API" in details(response)


@pytest.mark.parametrize("token", ["opaque", "a.b", "a.b.c.d", "...", ".", "a.b.c.d.e.f"])
def test_an_opaque_token_is_told_what_it_is(client, token):
    response = client.post("/api/login", headers=bearer(token))
    assert response.status_code == 400
    assert "opaque" in details(response)
    assert "requested with the audience of this API" in details(response)


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "bearer  ", "Bearer ä.b.c"])
def test_a_malformed_bearer_alone_is_a_bad_request(client, header):
    response = client.post("/api/login", headers={"Authorization": header})
    assert response.status_code == 400
    assert details(response) == "The Authorization header must be: Bearer <token>"


def test_a_bearer_of_a_configured_tenant_decides_alone(make_app):
    # The token fails before any key is needed, with the right password beside it.
    app = make_app(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[TENANT])
    token = forge({"iss": "https://tenant.example/"}, header={"alg": "HS256"})
    response = app.test_client().post("/api/login", json=CREDENTIALS, headers=bearer(token))
    assert response.status_code == 403


def test_login_is_for_post_and_refresh_for_get(client):
    for method, path in (("GET", "/api/login"), ("PUT", "/api/login"), ("POST", "/api/login/refresh")):
        response = client.open(path, method=method)
        assert response.status_code == 405
        assert not response.is_json  # the app's own


def test_a_login_is_logged_and_so_is_a_refusal_without_the_password(app, caplog):
    caplog.set_level(logging.INFO, "flask_core_auth")
    log_in(app)
    log_in(app, username="nobody", password="hunter2 and more")
    assert "Login of 'admin' (local) from 127.0.0.1" in caplog.text
    assert "Login from 127.0.0.1 refused: 'Wrong username or password'" in caplog.text
    assert "hunter2" not in caplog.text
    assert "correct horse" not in caplog.text


def test_a_login_logs_no_line_of_the_callers(make_app, caplog):
    caplog.set_level(logging.INFO, "flask_core_auth")
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: username)
    log_in(make_app(core_auth), username="x\r\nLogin of 'root'")
    assert "\nLogin of 'root'" not in caplog.text


# Refresh


def test_refresh_answers_an_access_token_that_nobody_may_store(app, login):
    response = refresh(app, login["refresh_token"])
    assert response.status_code == 200
    assert set(response.json) == {"access_token"}
    assert response.headers["Cache-Control"] == "no-store"
    who = app.test_client().get("/who", headers=bearer(response.json["access_token"]))
    assert (who.json["subject"], who.json["idp"], who.json["scopes"]) == ("admin", "local", ["*"])


def test_refresh_has_no_head_which_would_lose_a_token_that_is_given_once(client, login):
    response = client.head("/api/login/refresh", headers=bearer(login["refresh_token"]))
    assert response.status_code == 405
    assert set(response.allow) == {"GET", "OPTIONS"}


def test_a_refreshed_token_is_not_fresh(app, login):
    assert app.test_client().get("/fresh", headers=bearer(login["access_token"])).status_code == 200
    token = refresh(app, login["refresh_token"]).json["access_token"]
    assert read(token)["fresh"] is False
    response = app.test_client().get("/fresh", headers=bearer(token))
    assert response.status_code == 401


def test_refresh_without_a_token_names_no_error(client):
    response = client.get("/api/login/refresh")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'


def test_an_access_token_does_not_refresh(app, login):
    response = refresh(app, login["access_token"])
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth", error="invalid_token"'


def test_an_expired_refresh_token_is_told_so(app, login, clock):
    clock.move(86400 + 1)
    response = refresh(app, login["refresh_token"])
    assert response.status_code == 401
    assert response.json["details"] == ["Expired JWT token"]


def test_refresh_ends_with_the_user(make_app, app, login):
    other = make_app(API_AUTH_USERNAME="root")
    response = refresh(other, login["refresh_token"])
    assert response.status_code == 401
    assert "invalid_token" in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "changed",
    [
        "another horse",
        "pbkdf2:sha256:1$salt$ab",
    ],
)
def test_refresh_ends_with_the_password(make_app, login, changed):
    assert refresh(make_app(API_AUTH_PASSWORD=changed), login["refresh_token"]).status_code == 401


def test_refresh_survives_what_does_not_concern_the_user(make_app, login):
    app = make_app(API_AUTH_USERS={"eve": {"password": "x"}}, API_AUTH_JWT_ACCESS_EXPIRES=60)
    assert refresh(app, login["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("before", "after", "granted"),
    [
        (["edit", "view"], ["view"], ["view"]),
        (["view"], ["view", "edit"], ["view"]),  # narrowed, never widened
        (["edit"], ["view"], []),
        (["*"], ["view"], ["view"]),
        (["view"], ["*"], ["view"]),
    ],
)
def test_refresh_narrows_scopes_and_never_widens_them(make_app, before, after, granted):
    def app_with(scopes):
        return make_app(API_AUTH_USERS={"bob": {"password": "builder", "scopes": scopes}})

    tokens = log_in(app_with(before), username="bob", password="builder").json
    app = app_with(after)
    token = refresh(app, tokens["refresh_token"]).json["access_token"]
    who = app.test_client().get("/who", headers=bearer(token)).json
    assert who["scopes"] == granted
    assert read(token).get("scope", "").split() == granted


def test_the_local_user_becomes_one_of_several_and_keeps_its_refresh_token(make_app, login):
    app = make_app(
        API_AUTH_USERNAME=...,
        API_AUTH_PASSWORD=...,
        API_AUTH_USERS={"admin": {"password": "correct horse", "scopes": "view"}},
    )
    token = refresh(app, login["refresh_token"]).json["access_token"]
    assert read(token)["scope"] == "view"


def test_tokens_survive_a_rotation_of_the_secret_and_new_ones_are_signed_with_the_new(make_app, login):
    app = make_app(API_AUTH_JWT_SECRET=OTHER_SECRET, API_AUTH_JWT_SECRET_FALLBACKS=[SECRET])
    assert app.test_client().get("/who", headers=bearer(login["access_token"])).status_code == 200
    token = refresh(app, login["refresh_token"]).json["access_token"]
    # The new token holds where the old secret is gone, the old one does not.
    later = make_app(API_AUTH_JWT_SECRET=OTHER_SECRET)
    assert later.test_client().get("/who", headers=bearer(token)).status_code == 200
    assert later.test_client().get("/who", headers=bearer(login["access_token"])).status_code == 401
    assert refresh(later, login["refresh_token"]).status_code == 401


def test_a_password_that_changed_with_the_secret_still_ends_the_refresh(make_app, login):
    app = make_app(
        API_AUTH_JWT_SECRET=OTHER_SECRET,
        API_AUTH_JWT_SECRET_FALLBACKS=[SECRET],
        API_AUTH_PASSWORD="another horse",
    )
    assert refresh(app, login["refresh_token"]).status_code == 401


def test_the_refresh_token_gives_nothing_away_to_guess_the_password_by(make_app, login):
    credential = read(login["refresh_token"])["cred"]
    assert "cred" not in read(login["access_token"])
    other = make_app(API_AUTH_JWT_SECRET=OTHER_SECRET)
    assert read(log_in(other).json["refresh_token"])["cred"] != credential  # keyed


@pytest.mark.parametrize("credential", [..., "", 5, None, "0" * 24, ["x"], "ä"])
def test_a_local_refresh_token_without_its_credential_is_refused(app, credential):
    token = forge(claims("refresh", idp="local", cred=credential))
    assert refresh(app, token).status_code == 401


def test_one_user_s_credential_does_not_serve_another(make_app):
    app = make_app(API_AUTH_USERS={"bob": {"password": "correct horse"}})
    stolen = read(log_in(app, username="bob").json["refresh_token"])["cred"]
    assert refresh(app, forge(claims("refresh", idp="local", cred=stolen))).status_code == 401


def test_a_tenant_s_user_refreshes_as_long_as_the_tenant_lists_it(make_app):
    token = forge(claims("refresh", sub=ALICE, idp="tenant.example", scope="edit view"))

    def app_with(**tenant):
        return make_app(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[{**TENANT, **tenant}])

    app = app_with(scopes=["view"])
    assert read(refresh(app, token).json["access_token"])["scope"] == "view"
    assert refresh(app_with(users=["*"]), token).status_code == 200
    assert refresh(app_with(users=["auth0|bob"]), token).status_code == 401
    assert refresh(app_with(domain="other.example"), token).status_code == 401
    assert refresh(make_app(), token).status_code == 401


def test_tokens_that_the_app_issued_itself_refresh_with_their_scopes(app):
    with app.app_context():
        core_auth = app.blueprints["core_auth"]
        tokens = core_auth.issue("somebody", scopes=["view"])
    answer = refresh(app, tokens.refresh_token)
    claims = read(answer.json["access_token"])
    assert (claims["sub"], claims["idp"], claims["scope"]) == ("somebody", "host", "view")


def test_a_subject_the_app_issued_for_is_no_configured_user_of_that_name(make_app):
    app = make_app()
    with app.app_context():
        tokens = app.blueprints["core_auth"].issue("admin")
    who = app.test_client().get("/who", headers=bearer(tokens.access_token)).json
    assert (who["idp"], who["scopes"]) == ("host", [])
    refreshed = refresh(make_app(), tokens.refresh_token).json["access_token"]
    assert "scope" not in read(refreshed)


# A datarhei Core's own tokens

CORE_SECRET = "admin" + "core-password" + "core-jwt-secret-of-many-bytes"


def core_app(make_app, **config):
    return make_app(API_AUTH_REALM=CORE_REALM, **config)


def core_token(use: str = "access", **changes) -> str:
    return forge(core_claims(use, **changes), secret=CORE_SECRET)


@pytest.mark.parametrize(
    "secrets",
    [{"API_AUTH_JWT_SECRET": CORE_SECRET}, {"API_AUTH_JWT_SECRET_FALLBACKS": [CORE_SECRET]}],
    ids=["secret", "fallback"],
)
def test_a_core_s_tokens_are_accepted_for_what_they_are(make_app, secrets):
    app = core_app(make_app, **secrets)
    who = app.test_client().get("/who", headers=bearer(core_token()))
    assert who.status_code == 200
    assert (who.json["subject"], who.json["idp"], who.json["scopes"]) == ("admin", "local", ["*"])
    assert refresh(app, core_token("refresh")).status_code == 200
    assert app.test_client().get("/who", headers=bearer(core_token("refresh"))).status_code == 401
    assert refresh(app, core_token()).status_code == 401
    assert app.test_client().get("/fresh", headers=bearer(core_token())).status_code == 401


def test_our_tokens_carry_what_a_core_asks_for(make_app):
    token = log_in(core_app(make_app, API_AUTH_JWT_SECRET=CORE_SECRET)).json["access_token"]
    assert set(core_claims()) <= set(read(token))
    assert read(token, 0) == {"alg": "HS256", "typ": "JWT"}
    assert read(token)["iss"] == CORE_REALM


def test_a_core_s_refresh_token_of_nobody_configured_is_refused(make_app):
    app = core_app(make_app, API_AUTH_JWT_SECRET=CORE_SECRET, API_AUTH_USERNAME="root")
    assert refresh(app, core_token("refresh")).status_code == 401


def test_a_core_s_access_token_of_nobody_configured_has_no_scope(make_app):
    app = core_app(make_app, API_AUTH_JWT_SECRET=CORE_SECRET)
    who = app.test_client().get("/who", headers=bearer(core_token(sub="auth0|x"))).json
    assert (who["idp"], who["scopes"]) == ("host", [])


def test_a_core_s_tokens_of_a_tenant_s_user_are_that_tenant_s(make_app):
    app = core_app(
        make_app,
        API_AUTH_JWT_SECRET=CORE_SECRET,
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_AUTH0_TENANTS=[TENANT],
    )
    who = app.test_client().get("/who", headers=bearer(core_token(sub=ALICE))).json
    assert (who["idp"], who["scopes"]) == ("tenant.example", [])
    refreshed = refresh(app, core_token("refresh", sub=ALICE)).json["access_token"]
    assert read(refreshed)["idp"] == "tenant.example"
    assert refresh(app, core_token("refresh", sub="auth0|eve")).status_code == 401


def test_a_core_s_token_of_nobody_named_is_no_tenant_s_though_it_admits_everybody(make_app):
    # A Core knows no "*": whom its token names may be of any tenant, or of none.
    app = core_app(
        make_app,
        API_AUTH_JWT_SECRET=CORE_SECRET,
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_AUTH0_TENANTS=[{**TENANT, "users": ["*"]}],
    )
    assert app.test_client().get("/who", headers=bearer(core_token(sub=ALICE))).json["idp"] == "host"
    assert refresh(app, core_token("refresh", sub=ALICE)).status_code == 401


def test_a_core_s_tokens_are_refused_under_another_realm_or_secret(make_app):
    for app in (make_app(API_AUTH_JWT_SECRET=CORE_SECRET), core_app(make_app)):
        assert app.test_client().get("/who", headers=bearer(core_token())).status_code == 401
        assert refresh(app, core_token("refresh")).status_code == 401


# Discovery

ABOUT = {
    "app": "datarhei-core",
    "name": "a core",
    "id": "some-id",
    "version": {"number": "16.16.0", "arch": "linux/amd64"},
    "auths": ["made up"],
}


def test_discovery_does_not_exist_unless_configured(client):
    assert client.get("/api").status_code == 404


def test_discovery_tells_anonymous_callers_only_how_to_log_in(make_app):
    app = make_app(API_AUTH_ABOUT=ABOUT)
    response = app.test_client().get("/api")
    assert response.status_code == 200
    assert response.json == {
        "app": "datarhei-core",
        "auths": ["localjwt"],
        "version": {"number": "16.0.0"},
    }


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer a b",
        "Bearer x.y.z",
        "Bearer ä",
        "Basic x",
        "Bearer " + forge(claims("refresh")),
        "Bearer " + forge(claims(exp=1)),
        "Bearer " + "x" * 9000,
    ],
)
def test_discovery_takes_a_bad_token_for_none(make_app, header):
    response = make_app(API_AUTH_ABOUT=ABOUT).test_client().get("/api", headers={"Authorization": header})
    assert response.status_code == 200
    assert "id" not in response.json


def test_discovery_tells_everything_to_whoever_has_a_token(make_app):
    app = make_app(API_AUTH_ABOUT=ABOUT)
    response = app.test_client().get("/api", headers=bearer(log_in(app).json["access_token"]))
    assert response.json == {**ABOUT, "auths": ["localjwt"]}


def test_discovery_tells_everything_where_nothing_is_protected(make_app):
    app = make_app(API_AUTH_ABOUT=ABOUT, API_AUTH_ENABLE=False)
    assert app.test_client().get("/api").json["id"] == "some-id"


def test_discovery_lists_the_local_login_before_the_tenants(make_app):
    app = make_app(API_AUTH_ABOUT={}, API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[TENANT])
    assert app.test_client().get("/api").json == {
        "auths": ["localjwt", "auth0 domain=tenant.example audience=api clientid=client"]
    }


def test_discovery_lists_no_local_login_without_local_users(make_app):
    core_auth = CoreAuth()
    nobody = {"API_AUTH_USERNAME": ..., "API_AUTH_PASSWORD": ..., "API_AUTH_ABOUT": {}}
    app = make_app(core_auth, **nobody)
    assert app.test_client().get("/api").json == {"auths": []}
    core_auth.password_verifier(lambda username, password: None)
    assert app.test_client().get("/api").json == {"auths": ["localjwt"]}


@pytest.mark.parametrize("failure", [lambda: 1 / 0, lambda: abort(418)])
def test_discovery_takes_a_token_that_a_loader_fails_on_for_none(make_app, failure):
    app = make_app(API_AUTH_ABOUT=ABOUT)
    token = log_in(app).json["access_token"]
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: failure())
    response = app.test_client().get("/api", headers=bearer(token))
    assert response.status_code == 200
    assert "id" not in response.json


# Where the blueprint is


@pytest.mark.parametrize(
    ("prefix", "root"), [("/auth/v1", "/auth/v1"), ("", "/"), ("/", "/"), ("/api", "/api")]
)
def test_another_prefix(prefix, root):
    app = Flask(__name__)
    app.config.update(API_AUTH_JWT_SECRET=SECRET, API_AUTH_ABOUT={"app": "x"})
    app.register_blueprint(CoreAuth(url_prefix=prefix))
    client, base = app.test_client(), prefix.rstrip("/")
    assert client.post(f"{base}/login").status_code == 400
    assert client.get(f"{base}/login/refresh").status_code == 401
    assert client.get(root).json["app"] == "x"


def test_no_prefix_at_all():
    app = Flask(__name__)
    app.config.update(API_AUTH_JWT_SECRET=SECRET, API_AUTH_ABOUT={"app": "x"})
    app.register_blueprint(CoreAuth(url_prefix=None))
    assert app.test_client().get("/").json["app"] == "x"
    assert app.test_client().post("/login").status_code == 400


def test_a_prefix_given_at_registration_wins():
    app = Flask(__name__)
    app.config.update(API_AUTH_JWT_SECRET=SECRET, API_AUTH_ABOUT={"app": "x"})
    app.register_blueprint(CoreAuth(), url_prefix="/other", name="renamed")
    assert app.test_client().get("/other").json["app"] == "x"
    with app.test_request_context():
        assert url_for("renamed.login") == "/other/login"
        assert url_for("renamed.about") == "/other"


def test_nested_in_a_blueprint_of_the_app():
    app = Flask(__name__)
    app.config.update(API_AUTH_JWT_SECRET=SECRET, API_AUTH_ABOUT={"app": "x"})
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    outer.register_blueprint(CoreAuth())
    app.register_blueprint(outer)
    client = app.test_client()
    assert client.post("/outer/api/login").status_code == 400
    assert client.get("/outer/api").json["app"] == "x"


def test_one_object_serves_several_apps_each_with_its_own_config(make_app):
    core_auth = CoreAuth()
    one = make_app(core_auth)
    two = make_app(core_auth, API_AUTH_JWT_SECRET=OTHER_SECRET, API_AUTH_ABOUT={"app": "two"})
    three = make_app(core_auth, API_AUTH_PASSWORD="another horse")
    token = log_in(one).json["access_token"]
    assert one.test_client().get("/who", headers=bearer(token)).status_code == 200
    assert two.test_client().get("/who", headers=bearer(token)).status_code == 401
    assert log_in(three).status_code == 403
    assert one.test_client().get("/api").status_code == 404
    assert two.test_client().get("/api").json["app"] == "two"


# Registration


def test_a_second_registration_is_refused(app):
    with pytest.raises(ConfigError, match="is registered on this app already"):
        app.register_blueprint(CoreAuth("second"))


def snapshot(app: Flask) -> dict[str, object]:
    return {
        "config": dict(app.config),
        "extensions": dict(app.extensions),
        "handlers": {
            scope: {code: dict(handlers) for code, handlers in codes.items()}
            for scope, codes in app.error_handler_spec.items()
        },
        "before": {name: list(functions) for name, functions in app.before_request_funcs.items()},
        "rules": [str(rule) for rule in app.url_map.iter_rules()],
        "blueprints": list(app.blueprints),
    }


@pytest.mark.parametrize(
    "config",
    [
        {"API_AUTH_JWT_SECRET": "short"},
        {"API_AUTH_JWT_SECRET": SECRET, "JWT_ALGORITHM": "RS256"},
        {"API_AUTH_JWT_SECRET": SECRET, "API_AUTH_ENABLE": "perhaps"},
    ],
)
def test_a_config_error_changes_nothing_on_the_app(config):
    app = Flask(__name__)
    app.config.update(config)
    before = snapshot(app)
    with pytest.raises(ConfigError):
        app.register_blueprint(CoreAuth())
    assert snapshot(app) == before


def test_a_name_that_is_taken_changes_nothing_on_the_app():
    app = Flask(__name__)
    app.config["API_AUTH_JWT_SECRET"] = SECRET
    app.register_blueprint(Blueprint("core_auth", __name__))
    before = snapshot(app)
    with pytest.raises(ValueError, match="already registered"):
        app.register_blueprint(CoreAuth())
    assert snapshot(app) == before
    app.register_blueprint(CoreAuth("other"))
    assert app.test_client().get("/api/login/refresh").status_code == 401


def test_localhost_exemption_is_warned_of_at_start(make_app, caplog):
    make_app()
    assert "API_AUTH_DISABLE_LOCALHOST" not in caplog.text
    make_app(API_AUTH_DISABLE_LOCALHOST=True)
    assert "API_AUTH_DISABLE_LOCALHOST" in caplog.text


# issue() and verify()


def test_issue_gives_tokens_that_the_routes_accept(app):
    core_auth = app.blueprints["core_auth"]
    with app.app_context():
        tokens = core_auth.issue("somebody", scopes=["edit"], fresh=True)
    client = app.test_client()
    assert client.get("/scoped", headers=bearer(tokens.access_token)).json["subject"] == "somebody"
    assert client.get("/fresh", headers=bearer(tokens.access_token)).status_code == 200
    assert tokens.access_token not in repr(tokens)
    assert tokens.refresh_token not in repr(tokens)
    with app.app_context():
        assert read(core_auth.issue("somebody").access_token)["fresh"] is False


@pytest.mark.parametrize("subject", ["", None, 5, True, b"x", "a\0b", "\ud800", Identity("x")])
def test_issue_refuses_what_is_no_subject(app, subject):
    with app.app_context(), pytest.raises(ValueError, match="is no subject"):
        app.blueprints["core_auth"].issue(subject)


@pytest.mark.parametrize("scopes", ["admin", ["two words"], [""], ['"'], ["ä"]])
def test_issue_refuses_what_are_no_scopes(app, scopes):
    with app.app_context(), pytest.raises(ValueError, match="scope"):
        app.blueprints["core_auth"].issue("somebody", scopes=scopes)


def test_verify_tells_who_an_access_token_belongs_to(app, login):
    core_auth = app.blueprints["core_auth"]
    with app.app_context():
        identity = core_auth.verify(login["access_token"])
        assert (identity.subject, identity.idp, identity.authenticated) == ("admin", "local", True)
        assert identity.claims["usefor"] == "access"
        for token in (login["refresh_token"], "", "x", "x" * 9000, "ä.b.c", "\ud800.b.c"):
            with pytest.raises(UnauthorizedError):
                core_auth.verify(token)


def test_verify_asks_the_blocklist(app, login):
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: True)
    with app.app_context(), pytest.raises(UnauthorizedError):
        app.blueprints["core_auth"].verify(login["access_token"])


def test_issue_and_verify_say_when_the_blueprint_is_missing():
    core_auth = CoreAuth()
    with Flask(__name__).app_context():
        with pytest.raises(RuntimeError, match=r"app\.register_blueprint\(CoreAuth\(\)\)"):
            core_auth.issue("x")
        with pytest.raises(RuntimeError, match=r"app\.register_blueprint\(CoreAuth\(\)\)"):
            core_auth.verify("x")


def test_a_manager_made_later_is_told_of_by_everything(app):
    JWTManager(app)
    app.testing = True
    token = forge(claims())
    core_auth, client = app.blueprints["core_auth"], app.test_client()
    for call in (
        lambda: client.get("/who", headers=bearer(token)),
        lambda: client.post("/api/login", json=CREDENTIALS),
        lambda: client.get("/api/login/refresh", headers=bearer(token)),
    ):
        with pytest.raises(ConfigError, match=r"create it before register_blueprint"):
            call()
    with app.app_context(), pytest.raises(ConfigError, match=r"create it before register_blueprint"):
        core_auth.verify(token)


def test_the_readme_s_app():
    app = Flask(__name__)
    app.config.update(
        API_AUTH_USERNAME="admin", API_AUTH_PASSWORD="correct horse", API_AUTH_JWT_SECRET=SECRET
    )
    app.register_blueprint(CoreAuth())

    @app.get("/api/v3/process")
    @auth_required
    def processes():
        return {"user": current_identity.subject}

    token = log_in(app).json["access_token"]
    assert read(token)["iss"] == REALM
    client = app.test_client()
    assert client.get("/api/v3/process", headers=bearer(token)).json == {"user": "admin"}
    assert client.get("/api/v3/process").status_code == 401

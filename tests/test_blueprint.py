"""The registration on an app, and the methods of ``CoreAuth``."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask

from flask_core_auth import ConfigError, CoreAuth, Identity, auth_required, current_identity
from flask_core_auth.errors import UnauthorizedError

from .apps import PASSWORD, SECRET, USERNAME, add_manager, bearer, log_in, post_login
from .forge import OTHER_SECRET, REALM, claims, forge, read

# Registration


def test_readme_app_protects_its_route():
    app = Flask(__name__)
    app.config.update(API_AUTH_USERNAME=USERNAME, API_AUTH_PASSWORD=PASSWORD, API_AUTH_JWT_SECRET=SECRET)
    app.register_blueprint(CoreAuth())

    @app.get("/api/v3/process")
    @auth_required
    def processes():
        return {"user": current_identity.subject}

    token = log_in(app)["access_token"]
    assert read(token)["iss"] == REALM
    client = app.test_client()
    assert client.get("/api/v3/process", headers=bearer(token)).json == {"user": "admin"}
    assert client.get("/api/v3/process").status_code == 401


def test_one_blueprint_serves_several_apps_with_their_own_configs(make_app):
    core_auth = CoreAuth()
    one = make_app(core_auth)
    two = make_app(core_auth, API_AUTH_JWT_SECRET=OTHER_SECRET, API_AUTH_ABOUT={"app": "two"})
    three = make_app(core_auth, API_AUTH_PASSWORD="another horse")
    token = log_in(one)["access_token"]
    assert one.test_client().get("/who", headers=bearer(token)).status_code == 200
    assert two.test_client().get("/who", headers=bearer(token)).status_code == 401
    assert post_login(three).status_code == 403
    assert one.test_client().get("/api").status_code == 404
    assert two.test_client().get("/api").json["app"] == "two"


def test_one_blueprint_works_beside_the_managers_of_several_apps(make_app):
    core_auth = CoreAuth()
    one = make_app(core_auth, host=add_manager)
    two = make_app(core_auth)
    token = forge(claims())
    one.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: True)
    assert one.test_client().get("/who", headers=bearer(token)).status_code == 401
    assert two.test_client().get("/who", headers=bearer(token)).status_code == 200


def test_core_auth_made_with_an_app_says_how_to_register():
    with pytest.raises(TypeError, match="register_blueprint"):
        CoreAuth(Flask(__name__))


def test_second_registration_is_rejected(app):
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
def test_config_error_changes_nothing_on_the_app(config):
    app = Flask(__name__)
    app.config.update(config)
    before = snapshot(app)
    with pytest.raises(ConfigError):
        app.register_blueprint(CoreAuth())
    assert snapshot(app) == before


def test_taken_blueprint_name_changes_nothing_on_the_app():
    app = Flask(__name__)
    app.config["API_AUTH_JWT_SECRET"] = SECRET
    app.register_blueprint(Blueprint("core_auth", __name__))
    before = snapshot(app)
    with pytest.raises(ValueError, match="already registered"):
        app.register_blueprint(CoreAuth())
    assert snapshot(app) == before
    app.register_blueprint(CoreAuth("other"))
    assert app.test_client().get("/api/login/refresh").status_code == 401


# issue() and verify()


def test_issue_returns_tokens_that_routes_accept(app):
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
def test_issue_rejects_an_invalid_subject(app, subject):
    with app.app_context(), pytest.raises(ValueError, match="is no subject"):
        app.blueprints["core_auth"].issue(subject)


@pytest.mark.parametrize("scopes", ["admin", ["two words"], [""], ['"'], ["ä"]])
def test_issue_rejects_invalid_scopes(app, scopes):
    with app.app_context(), pytest.raises(ValueError, match="scope"):
        app.blueprints["core_auth"].issue("somebody", scopes=scopes)


def test_verify_returns_the_identity_of_an_access_token(app, login):
    core_auth = app.blueprints["core_auth"]
    with app.app_context():
        identity = core_auth.verify(login["access_token"])
        assert (identity.subject, identity.idp, identity.authenticated) == ("admin", "local", True)
        assert identity.claims["usefor"] == "access"
        for token in (login["refresh_token"], "", "x", "x" * 9000, "ä.b.c", "\ud800.b.c"):
            with pytest.raises(UnauthorizedError):
                core_auth.verify(token)


def test_verify_rejects_no_token_like_a_request_without_one(app):
    with app.app_context(), pytest.raises(UnauthorizedError, match="Missing or invalid JWT token"):
        app.blueprints["core_auth"].verify(None)


def test_verify_checks_the_blocklist(app, login):
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: True)
    with app.app_context(), pytest.raises(UnauthorizedError):
        app.blueprints["core_auth"].verify(login["access_token"])

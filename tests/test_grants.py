"""New tokens for a refresh token: the checks of its subject, and the scopes that remain."""

from __future__ import annotations

import pytest

from .apps import Clock, add_manager, bearer, log_in, refresh
from .conftest import MakeApp
from .forge import CORE_REALM, CORE_SECRET, OTHER_SECRET, SECRET, claims, core_token, forge, read
from .tenant import ALICE, EXAMPLE

INVALID = 'Bearer realm="flask-core-auth", error="invalid_token"'


def test_refresh_is_rejected_after_the_user_was_removed(make_app, app, login):
    other = make_app(API_AUTH_USERNAME="root")
    response = refresh(other, login["refresh_token"])
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID


@pytest.mark.parametrize("sessions", [True, False])
def test_access_token_is_fresh_after_a_login_and_not_after_a_refresh(make_app, sqlite_url, sessions):
    app = make_app(API_AUTH_SESSIONS=sqlite_url if sessions else None)
    tokens = log_in(app)
    assert read(tokens["access_token"])["fresh"] is True
    assert read(tokens["refresh_token"])["fresh"] is False
    refreshed = refresh(app, tokens["refresh_token"]).json["access_token"]
    assert read(refreshed)["fresh"] is False


@pytest.mark.parametrize(
    "changed",
    ["another horse", "pbkdf2:sha256:1$salt$ab"],
)
def test_refresh_is_rejected_after_a_password_change(make_app, login, changed):
    assert refresh(make_app(API_AUTH_PASSWORD=changed), login["refresh_token"]).status_code == 401


def test_refresh_within_a_session_is_rejected_after_a_password_change(
    make_app: MakeApp, sqlite_url: str
) -> None:
    tokens = log_in(make_app(API_AUTH_SESSIONS=sqlite_url))
    changed = make_app(API_AUTH_SESSIONS=sqlite_url, API_AUTH_PASSWORD="another horse")
    assert refresh(changed, tokens["refresh_token"]).status_code == 401


def test_refresh_is_rejected_after_a_change_of_password_and_secret(make_app, login):
    app = make_app(
        API_AUTH_JWT_SECRET=OTHER_SECRET,
        API_AUTH_JWT_SECRET_FALLBACKS=[SECRET],
        API_AUTH_PASSWORD="another horse",
    )
    assert refresh(app, login["refresh_token"]).status_code == 401


def test_refresh_survives_other_changes_of_the_config(make_app, login):
    app = make_app(API_AUTH_USERS={"eve": {"password": "x"}}, API_AUTH_JWT_ACCESS_EXPIRES=60)
    assert refresh(app, login["refresh_token"]).status_code == 200


def test_refresh_token_survives_the_move_of_its_user_to_api_auth_users(make_app, login):
    app = make_app(
        API_AUTH_USERNAME=...,
        API_AUTH_PASSWORD=...,
        API_AUTH_USERS={"admin": {"password": "correct horse", "scopes": "view"}},
    )
    token = refresh(app, login["refresh_token"]).json["access_token"]
    assert read(token)["scope"] == "view"


def test_refresh_survives_a_change_of_the_secret_and_signs_with_the_new_one(make_app, login):
    app = make_app(API_AUTH_JWT_SECRET=OTHER_SECRET, API_AUTH_JWT_SECRET_FALLBACKS=[SECRET])
    assert app.test_client().get("/who", headers=bearer(login["access_token"])).status_code == 200
    token = refresh(app, login["refresh_token"]).json["access_token"]
    # Without the old secret, only the new token is accepted.
    later = make_app(API_AUTH_JWT_SECRET=OTHER_SECRET)
    assert later.test_client().get("/who", headers=bearer(token)).status_code == 200
    assert later.test_client().get("/who", headers=bearer(login["access_token"])).status_code == 401
    assert refresh(later, login["refresh_token"]).status_code == 401


@pytest.mark.parametrize(
    ("before", "after", "granted"),
    [
        (["edit", "view"], ["view"], ["view"]),
        (["view"], ["view", "edit"], ["view"]),
        (["edit"], ["view"], []),
        (["*"], ["view"], ["view"]),
        (["view"], ["*"], ["view"]),
    ],
)
def test_refresh_narrows_scopes_and_never_widens_them(make_app, before, after, granted):
    def app_with(scopes):
        return make_app(API_AUTH_USERS={"bob": {"password": "builder", "scopes": scopes}})

    tokens = log_in(app_with(before), username="bob", password="builder")
    app = app_with(after)
    token = refresh(app, tokens["refresh_token"]).json["access_token"]
    who = app.test_client().get("/who", headers=bearer(token)).json
    assert who["scopes"] == granted
    assert read(token).get("scope", "").split() == granted


# The digest of the password


def test_digest_in_the_refresh_token_depends_on_the_secret(make_app, login):
    credential = read(login["refresh_token"])["cred"]
    assert "cred" not in read(login["access_token"])
    other = make_app(API_AUTH_JWT_SECRET=OTHER_SECRET)
    assert read(log_in(other)["refresh_token"])["cred"] != credential  # keyed


@pytest.mark.parametrize("credential", [..., "", 5, None, "0" * 24, ["x"], "ä"])
def test_local_refresh_token_without_a_valid_digest_is_rejected(app, credential):
    token = forge(claims("refresh", idp="local", cred=credential))
    assert refresh(app, token).status_code == 401


def test_digest_of_one_user_is_rejected_for_another(make_app):
    app = make_app(API_AUTH_USERS={"bob": {"password": "correct horse"}})
    stolen = read(log_in(app, username="bob")["refresh_token"])["cred"]
    assert refresh(app, forge(claims("refresh", idp="local", cred=stolen))).status_code == 401


# Users of tenants, of the app and of a datarhei Core


def test_refresh_of_a_tenant_user_is_rejected_once_the_tenant_no_longer_lists_it(make_app):
    token = forge(claims("refresh", sub=ALICE, idp="tenant.example", scope="edit view"))

    def app_with(**tenant):
        return make_app(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[{**EXAMPLE, **tenant}])

    app = app_with(scopes=["view"])
    assert read(refresh(app, token).json["access_token"])["scope"] == "view"
    assert refresh(app_with(users=["*"]), token).status_code == 200
    assert refresh(app_with(users=["auth0|bob"]), token).status_code == 401
    assert refresh(app_with(domain="other.example"), token).status_code == 401
    assert refresh(make_app(), token).status_code == 401


def test_tokens_issued_by_the_app_refresh_with_their_scopes(app):
    with app.app_context():
        core_auth = app.blueprints["core_auth"]
        tokens = core_auth.issue("somebody", scopes=["view"])
    response = refresh(app, tokens.refresh_token)
    claims = read(response.json["access_token"])
    assert (claims["sub"], claims["idp"], claims["scope"]) == ("somebody", "host", "view")


def test_subject_of_an_issued_token_is_not_the_configured_user_of_the_same_name(make_app):
    app = make_app()
    with app.app_context():
        tokens = app.blueprints["core_auth"].issue("admin")
    who = app.test_client().get("/who", headers=bearer(tokens.access_token)).json
    assert (who["idp"], who["scopes"]) == ("host", [])
    refreshed = refresh(make_app(), tokens.refresh_token).json["access_token"]
    assert "scope" not in read(refreshed)


def test_refresh_with_a_core_token_of_an_unknown_user_is_rejected(make_app):
    app = make_app(API_AUTH_REALM=CORE_REALM, API_AUTH_JWT_SECRET=CORE_SECRET, API_AUTH_USERNAME="root")
    assert refresh(app, core_token("refresh")).status_code == 401


# The order of the steps


def test_failing_callback_spends_no_refresh_token(
    make_app: MakeApp, sqlite_url: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(API_AUTH_SESSIONS=sqlite_url, API_AUTH_REFRESH_ROTATION=True, host=add_manager)
    token = log_in(app)["refresh_token"]
    manager = app.extensions["flask-jwt-extended"]

    @manager.additional_claims_loader
    def down(subject: str) -> dict[str, object]:
        raise ConnectionError

    assert refresh(app, token).status_code == 503
    assert "additional_claims_loader" in caplog.text
    manager.additional_claims_loader(lambda subject: {})
    # Later than the grace: a spent token would count as stolen.
    clock.move(60)
    assert refresh(app, token).status_code == 200


def test_refresh_token_from_before_sessions_is_rejected_before_the_app_is_asked_for_claims(
    make_app, sqlite_url
):
    app, called = make_app(API_AUTH_SESSIONS=sqlite_url), []
    app.extensions["flask-jwt-extended"].additional_claims_loader(
        lambda subject: called.append(subject) or 1 / 0
    )
    response = refresh(app, forge(claims("refresh")))
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID
    assert called == []


def test_reused_refresh_token_gets_the_challenge_of_an_invalid_token_and_its_sender_is_logged(
    make_app, sqlite_url, clock, caplog
):
    app = make_app(API_AUTH_SESSIONS=sqlite_url, API_AUTH_REFRESH_ROTATION=True)
    token = log_in(app)["refresh_token"]
    assert refresh(app, token).status_code == 200
    clock.move(60)  # past the grace
    caplog.clear()
    response = refresh(app, token, environ_overrides={"REMOTE_ADDR": "192.0.2.2"})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID
    [message] = [record.getMessage() for record in caplog.records if record.name == "flask_core_auth"]
    assert "192.0.2.2" in message

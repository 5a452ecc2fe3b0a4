"""Which validator decides, and to which identity provider a subject belongs."""

from __future__ import annotations

import pytest

from flask_core_auth import CoreAuth, Identity

from ..apps import bearer, post_login, refresh
from ..forge import CORE_REALM, CORE_SECRET, core_token, read
from ..tenant import ALICE, EXAMPLE


def test_login_is_rejected_without_configured_users(make_app):
    for config in ({}, {"API_AUTH_ENABLE": False}):
        app = make_app(API_AUTH_USERNAME=..., API_AUTH_PASSWORD=..., **config)
        for password in ("", "x"):
            assert post_login(app, password=password).status_code in (400, 403)


def test_password_verifier_is_not_called_for_configured_users(make_app):
    core_auth, given = CoreAuth(), []
    app = make_app(core_auth)
    core_auth.password_verifier(lambda username, password: given.append(username) or username)
    assert post_login(app, "admin", "wrong").status_code == 403
    assert post_login(app, "admin", "correct horse").status_code == 200
    assert given == []


def test_subject_is_searched_at_each_identity_provider_or_at_the_named_one(make_app):
    app = make_app(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[EXAMPLE])
    validators = app.extensions["core_auth"].validators
    assert validators.identities_of(ALICE) == [
        Identity(ALICE, "local"),
        Identity(ALICE, "host"),
        Identity(ALICE, "tenant.example"),
    ]
    assert validators.identities_of(ALICE, "former.example") == [Identity(ALICE, "former.example")]


# A datarhei Core's own tokens, which name no identity provider


@pytest.mark.parametrize(
    "secrets",
    [{"API_AUTH_JWT_SECRET": CORE_SECRET}, {"API_AUTH_JWT_SECRET_FALLBACKS": [CORE_SECRET]}],
    ids=["secret", "fallback"],
)
def test_core_token_of_a_configured_user_is_accepted(make_app, secrets):
    app = make_app(API_AUTH_REALM=CORE_REALM, **secrets)
    who = app.test_client().get("/who", headers=bearer(core_token()))
    assert who.status_code == 200
    assert (who.json["subject"], who.json["idp"], who.json["scopes"]) == ("admin", "local", ["*"])
    assert refresh(app, core_token("refresh")).status_code == 200
    assert app.test_client().get("/who", headers=bearer(core_token("refresh"))).status_code == 401
    assert refresh(app, core_token()).status_code == 401
    assert app.test_client().get("/fresh", headers=bearer(core_token())).status_code == 401


def test_core_token_of_an_unknown_user_has_no_scopes(make_app):
    app = make_app(API_AUTH_REALM=CORE_REALM, API_AUTH_JWT_SECRET=CORE_SECRET)
    who = app.test_client().get("/who", headers=bearer(core_token(sub="auth0|x"))).json
    assert (who["idp"], who["scopes"]) == ("host", [])


def test_core_token_of_a_tenant_user_belongs_to_that_tenant(make_app):
    app = make_app(
        API_AUTH_REALM=CORE_REALM,
        API_AUTH_JWT_SECRET=CORE_SECRET,
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_AUTH0_TENANTS=[EXAMPLE],
    )
    who = app.test_client().get("/who", headers=bearer(core_token(sub=ALICE))).json
    assert (who["idp"], who["scopes"]) == ("tenant.example", [])
    refreshed = refresh(app, core_token("refresh", sub=ALICE)).json["access_token"]
    assert read(refreshed)["idp"] == "tenant.example"
    assert refresh(app, core_token("refresh", sub="auth0|eve")).status_code == 401


def test_core_token_of_an_unlisted_user_belongs_to_no_tenant(make_app):
    # A Core knows no "*": the subject of its token may be of any tenant, or of none.
    app = make_app(
        API_AUTH_REALM=CORE_REALM,
        API_AUTH_JWT_SECRET=CORE_SECRET,
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_AUTH0_TENANTS=[{**EXAMPLE, "users": ["*"]}],
    )
    assert app.test_client().get("/who", headers=bearer(core_token(sub=ALICE))).json["idp"] == "host"
    assert refresh(app, core_token("refresh", sub=ALICE)).status_code == 401

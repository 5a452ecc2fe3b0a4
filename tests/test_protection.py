"""The requests that ``auth_required`` accepts, and their view."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from flask.views import MethodView, View
from flask_jwt_extended import current_user, get_jwt, get_jwt_header, get_jwt_identity
from flask_jwt_extended.utils import get_jwt_request_location

from flask_core_auth import CoreAuth, auth_required, current_identity

from .apps import SECRET, add_manager, bearer, log_in, post_login, refresh
from .forge import claims, forge, statuses

# Tokens


def test_access_token_is_accepted(client, login):
    who = client.get("/who", headers=bearer(login["access_token"]))
    assert who.status_code == 200
    assert (who.json["subject"], who.json["idp"], who.json["scopes"]) == ("admin", "local", ["*"])
    assert who.json["authenticated"] is True


def test_refresh_token_is_rejected_on_a_protected_route(client, login):
    for _ in range(2):
        response = client.get("/who", headers=bearer(login["refresh_token"]))
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].endswith('error="invalid_token"')
        refresh(client, login["refresh_token"])


def test_view_is_not_called_when_the_request_is_rejected(app):
    called = []
    app.add_url_rule("/called", "called", auth_required(lambda: called.append(1) or "ok"))
    client = app.test_client()
    assert client.get("/called").status_code == 401
    assert client.get("/called", headers=bearer("x")).status_code == 401
    assert called == []


def test_head_is_protected_like_get(client):
    assert client.head("/who").status_code == 401
    assert client.head("/who", headers=bearer(forge(claims()))).status_code == 200


@pytest.mark.parametrize("path", ["/who", "/fresh", "/scoped", "/optional"])
@pytest.mark.parametrize(
    "header",
    [
        lambda: None,
        lambda: "Bearer x",
        lambda: f"Bearer {forge(claims(scope=...))}",
        lambda: f"Bearer {forge(claims('refresh'))}",
    ],
    ids=["none", "bad", "good", "refresh"],
)
def test_options_passes_with_any_token_and_without(client, path, header):
    value = header()
    headers = {} if value is None else {"Authorization": value}
    for _ in range(2):
        response = client.options(path, headers=headers)
        assert response.status_code == 200
        client.get("/who", headers=headers)


def test_view_that_handles_options_sees_an_anonymous_request(app):
    @app.route("/own", methods=["GET", "OPTIONS"])
    @auth_required(fresh=True, scopes="edit")
    def own():
        return {"subject": current_identity.subject, "claims": get_jwt()}

    client, good = app.test_client(), bearer(forge(claims(fresh=True)))
    assert client.get("/own", headers=good).json["subject"] == "admin"
    assert client.options("/own", headers=good).json == {"subject": None, "claims": {}}


def test_rejected_token_is_not_logged(app, caplog):
    caplog.set_level(logging.DEBUG)
    token = forge(claims(), secret=SECRET + "x")
    app.test_client().get("/who", headers=bearer(token))
    assert token not in caplog.text


# The view


def test_functions_of_flask_jwt_extended_work_in_a_view(app):
    @app.get("/knows")
    @auth_required
    def knows():
        return {
            "claims": get_jwt(),
            "header": get_jwt_header(),
            "identity": get_jwt_identity(),
            "location": get_jwt_request_location(),
        }

    token = claims(extra={"nested": [1]})
    for _ in range(2):
        known = app.test_client().get("/knows", headers=bearer(forge(token))).json
        assert known == {
            "claims": token,
            "header": {"alg": "HS256", "typ": "JWT"},
            "identity": "admin",
            "location": "headers",
        }


def test_view_without_a_token_sees_an_anonymous_request(app):
    @app.get("/nobody")
    @auth_required(optional=True)
    def nobody():
        return {
            "subject": current_identity.subject,
            "authenticated": current_identity.authenticated,
            "scopes": sorted(current_identity.scopes),
            "claims": get_jwt(),
            "header": get_jwt_header(),
            "identity": get_jwt_identity(),
            "location": get_jwt_request_location(),
            "user": current_user._get_current_object() is None,
        }

    assert app.test_client().get("/nobody").json == {
        "subject": None,
        "authenticated": False,
        "scopes": [],
        "claims": {},
        "header": {},
        "identity": None,
        "location": None,
        "user": True,
    }


# API_AUTH_ENABLE


def test_every_route_is_open_and_anonymous_when_authentication_is_disabled(make_app):
    client = make_app(API_AUTH_ENABLE=False).test_client()
    for path in ("/who", "/fresh", "/scoped", "/optional"):
        for headers in ({}, bearer("x"), {"Authorization": "Bearer"}, bearer(forge(claims("refresh")))):
            response = client.get(path, headers=headers)
            assert response.status_code == 200
            assert (response.json["subject"], response.json["authenticated"]) == (None, False)


def test_token_still_identifies_the_caller_when_authentication_is_disabled(make_app):
    client = make_app(API_AUTH_ENABLE=False).test_client()
    token = forge(claims(scope="view"))
    for path in ("/who", "/fresh", "/scoped", "/optional"):
        assert client.get(path, headers=bearer(token)).json["subject"] == "admin"


def test_revoked_token_counts_as_none_when_authentication_is_disabled(make_app):
    app = make_app(API_AUTH_ENABLE=False)
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: True)
    response = app.test_client().get("/who", headers=bearer(forge(claims())))
    assert response.status_code == 200
    assert response.json["authenticated"] is False


def test_token_of_an_ended_session_counts_as_none_when_authentication_is_disabled(make_app, sqlite_url):
    app = make_app(
        API_AUTH_SESSIONS=sqlite_url,
        API_AUTH_REFRESH_ROTATION=True,
        API_AUTH_SESSION_CHECK="always",
        API_AUTH_ENABLE=False,
        host=add_manager,
    )
    client = app.test_client()
    header = bearer(log_in(client)["access_token"])
    assert client.get("/who", headers=header).json["authenticated"] is True
    assert client.post("/api/logout", headers=header).status_code == 204
    assert client.get("/who", headers=header).json["authenticated"] is False


def test_app_without_authentication_and_users_needs_no_secret():
    app = Flask(__name__)
    app.config["API_AUTH_ENABLE"] = False
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/", "root", auth_required(lambda: "ok"))
    assert app.test_client().get("/").text == "ok"
    assert post_login(app).status_code == 403


# Views


@pytest.mark.parametrize(
    "decorator",
    [auth_required, auth_required(), auth_required(fresh=False), auth_required(scopes=[])],
    ids=["bare", "called", "fresh", "scopes"],
)
def test_auth_required_works_bare_and_with_options(app, decorator):
    @app.get("/view/<int:number>")
    @decorator
    def view(number):
        """Return the subject."""
        return f"{number} {current_identity.subject}"

    assert statuses(app, "/view/5") == (401, 200)
    assert app.test_client().get("/view/5", headers=bearer(forge(claims()))).text == "5 admin"
    assert (view.__name__, view.__doc__) == ("view", "Return the subject.")


@pytest.mark.parametrize("decorator", [auth_required, auth_required(optional=False)])
def test_auth_required_protects_an_async_view(app, decorator):
    @app.get("/async/<word>")
    @decorator
    async def view(word):
        return f"{word} {current_identity.subject}"

    assert statuses(app, "/async/x") == (401, 200)
    assert app.test_client().get("/async/x", headers=bearer(forge(claims()))).text == "x admin"


def test_options_of_auth_required_hold_for_an_async_view(app):
    async def who():
        return {"subject": current_identity.subject}

    app.add_url_rule("/async/fresh", "async_fresh", auth_required(fresh=True)(who))
    app.add_url_rule("/async/optional", "async_optional", auth_required(optional=True)(who))
    app.add_url_rule("/async/scoped", "async_scoped", auth_required(scopes="edit")(who))
    client = app.test_client()
    full, poor = bearer(forge(claims(fresh=True, scope="edit"))), bearer(forge(claims(scope="view")))
    assert client.get("/async/fresh", headers=full).json == {"subject": "admin"}
    assert client.get("/async/fresh", headers=poor).status_code == 401
    assert client.get("/async/scoped", headers=full).json == {"subject": "admin"}
    assert client.get("/async/scoped", headers=poor).status_code == 403
    assert client.get("/async/optional").json == {"subject": None}


def test_auth_required_protects_a_bound_method(app):
    class Page:
        def show(self, number):
            return f"{number} {current_identity.subject}"

    app.add_url_rule("/bound/<int:number>", "bound", auth_required(Page().show))
    assert statuses(app, "/bound/5") == (401, 200)
    assert app.test_client().get("/bound/5", headers=bearer(forge(claims()))).text == "5 admin"


def test_auth_required_protects_a_class_based_view(app):
    class Shown(View):
        decorators = [auth_required]

        def dispatch_request(self):
            return current_identity.subject

    class Methods(MethodView):
        decorators = [auth_required(scopes="edit")]

        def get(self):
            return "got"

        async def post(self):
            return "posted"

    app.add_url_rule("/shown", view_func=Shown.as_view("shown"))
    app.add_url_rule("/methods", view_func=Methods.as_view("methods"))
    assert statuses(app, "/shown") == (401, 200)
    assert statuses(app, "/methods") == (401, 200)
    assert statuses(app, "/methods", "POST") == (401, 200)
    assert statuses(app, "/methods", "PUT") == (405, 405)
    poor = bearer(forge(claims(scope="view")))
    assert app.test_client().get("/methods", headers=poor).status_code == 403


def test_auth_required_protects_one_method_of_a_class(app):
    class Methods(MethodView):
        def get(self):
            return "got"

        @auth_required
        def post(self):
            return "posted"

        @auth_required
        async def put(self):
            return "put"

    app.add_url_rule("/methods", view_func=Methods.as_view("methods"))
    assert statuses(app, "/methods") == (200, 200)
    assert statuses(app, "/methods", "POST") == (401, 200)
    assert statuses(app, "/methods", "PUT") == (401, 200)


# Options of auth_required


def test_fresh_requires_a_token_from_a_login(client):
    assert client.get("/fresh").headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'
    assert client.get("/fresh", headers=bearer(forge(claims(fresh=True)))).status_code == 200
    response = client.get("/fresh", headers=bearer(forge(claims(fresh=False))))
    assert response.status_code == 401
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="flask-core-auth", error="insufficient_user_authentication"')


def test_optional_accepts_no_token_and_rejects_a_bad_one(client):
    for headers in ({}, {"Authorization": "Basic x"}, {"Authorization": ""}):
        response = client.get("/optional", headers=headers)
        assert response.status_code == 200
        assert (response.json["subject"], response.json["authenticated"]) == (None, False)
    assert client.get("/optional", headers=bearer(forge(claims()))).json["subject"] == "admin"
    for header in ("Bearer x", "Bearer", f"Bearer {forge(claims(exp=1))}"):
        response = client.get("/optional", headers={"Authorization": header})
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("other", [{"fresh": True}, {"scopes": "edit"}])
def test_optional_cannot_be_combined_with_fresh_or_scopes(other):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        auth_required(optional=True, **other)
    assert str(raised.value) == "optional accepts requests without a token: leave out fresh and scopes"


@pytest.mark.parametrize(
    ("granted", "required", "status"),
    [
        ("edit", "edit", 200),
        ("edit view", ["view"], 200),
        ("edit view", ["view", "edit"], 200),
        ("edit", ["view", "edit"], 403),
        ("", "edit", 403),
        (..., "edit", 403),
        ("editor", "edit", 403),
        ("EDIT", "edit", 403),
        ("*", ["view", "edit"], 200),
        ("edit", "*", 403),
        ("*", "*", 200),
    ],
)
def test_every_scope_is_required(app, granted, required, status):
    app.add_url_rule("/some", "some", auth_required(scopes=required)(lambda: "ok"))
    token = forge(claims(scope=granted))
    for _ in range(2):
        assert app.test_client().get("/some", headers=bearer(token)).status_code == status


def test_missing_scope_is_named_in_the_challenge(client):
    response = client.get("/scoped", headers=bearer(forge(claims(scope="view"))))
    assert response.status_code == 403
    challenge = response.headers["WWW-Authenticate"]
    assert challenge == 'Bearer realm="flask-core-auth", error="insufficient_scope", scope="edit"'


def test_scopes_from_an_iterator_are_required_at_each_request(app):
    app.add_url_rule("/some", "some", auth_required(scopes=iter(["edit"]))(lambda: "ok"))
    for _ in range(2):
        poor = bearer(forge(claims(scope="view")))
        assert app.test_client().get("/some", headers=poor).status_code == 403


@pytest.mark.parametrize("scopes", ["two words", [""], ["ä"], [5], [None], ['"']])
def test_auth_required_rejects_an_invalid_scope_at_import(scopes):
    with pytest.raises(ValueError, match="is no scope"):
        auth_required(scopes=scopes)


def test_auth_required_rejects_a_scope_by_position():
    with pytest.raises(TypeError, match="scopes='admin'"):
        auth_required("admin")

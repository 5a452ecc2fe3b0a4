"""Protecting views one by one, and whole apps and blueprints."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask, current_app
from flask.views import MethodView, View

from flask_core_auth import CoreAuth, auth_exempt, auth_required, current_identity

from .forge import SECRET, bearer, claims, forge

GOOD = bearer(forge(claims()))


def statuses(app: Flask, path: str, method: str = "GET") -> tuple[int, int]:
    """Without a token and with one."""
    found = []
    for headers in ({}, bearer(forge(claims()))):
        with app.test_client().open(path, method=method, headers=headers) as response:
            found.append(response.status_code)
    return found[0], found[1]


@pytest.mark.parametrize(
    "decorator",
    [auth_required, auth_required(), auth_required(fresh=False), auth_required(scopes=[])],
    ids=["bare", "called", "fresh", "scopes"],
)
def test_bare_and_with_options(app, decorator):
    @app.get("/view/<int:number>")
    @decorator
    def view(number):
        """Says who."""
        return f"{number} {current_identity.subject}"

    assert statuses(app, "/view/5") == (401, 200)
    assert app.test_client().get("/view/5", headers=bearer(forge(claims()))).text == "5 admin"
    assert (view.__name__, view.__doc__) == ("view", "Says who.")


@pytest.mark.parametrize("decorator", [auth_required, auth_required(optional=False)])
def test_an_async_view(app, decorator):
    @app.get("/async/<word>")
    @decorator
    async def view(word):
        return f"{word} {current_identity.subject}"

    assert statuses(app, "/async/x") == (401, 200)
    assert app.test_client().get("/async/x", headers=bearer(forge(claims()))).text == "x admin"


def test_a_class_based_view_s_decorators(app):
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


def test_one_method_of_a_class_alone(app):
    class Methods(MethodView):
        def get(self):
            return "got"

        @auth_required
        def post(self):
            return "posted"

    app.add_url_rule("/methods", view_func=Methods.as_view("methods"))
    assert statuses(app, "/methods") == (200, 200)
    assert statuses(app, "/methods", "POST") == (401, 200)


def test_fresh_wants_a_token_from_a_login(client):
    assert client.get("/fresh").headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'
    assert client.get("/fresh", headers=bearer(forge(claims(fresh=True)))).status_code == 200
    response = client.get("/fresh", headers=bearer(forge(claims(fresh=False))))
    assert response.status_code == 401
    assert "insufficient_user_authentication" in response.headers["WWW-Authenticate"]


def test_optional_lets_in_as_nobody_and_refuses_a_bad_token(client):
    for headers in ({}, {"Authorization": "Basic x"}, {"Authorization": ""}):
        response = client.get("/optional", headers=headers)
        assert response.status_code == 200
        assert (response.json["subject"], response.json["authenticated"]) == (None, False)
    assert client.get("/optional", headers=bearer(forge(claims()))).json["subject"] == "admin"
    for header in ("Bearer x", "Bearer", f"Bearer {forge(claims(exp=1))}"):
        response = client.get("/optional", headers={"Authorization": header})
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


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
def test_scopes_are_all_required(app, granted, required, status):
    app.add_url_rule("/some", "some", auth_required(scopes=required)(lambda: "ok"))
    token = forge(claims(scope=granted))
    for _ in range(2):
        assert app.test_client().get("/some", headers=bearer(token)).status_code == status


def test_scopes_from_an_iterator_are_required_each_time(app):
    app.add_url_rule("/some", "some", auth_required(scopes=iter(["edit"]))(lambda: "ok"))
    for _ in range(2):
        poor = bearer(forge(claims(scope="view")))
        assert app.test_client().get("/some", headers=poor).status_code == 403


@pytest.mark.parametrize("scopes", ["two words", "", ["ä"], [5], [None], ['"']])
def test_what_is_no_scope_is_refused_at_once(scopes):
    if scopes == "":
        scopes = [""]
    with pytest.raises(ValueError, match="is no scope"):
        auth_required(scopes=scopes)


@pytest.mark.parametrize("other", [{"fresh": True}, {"scopes": "edit"}])
def test_optional_cannot_ask_for_more(other):
    with pytest.raises(ValueError, match="optional lets anybody in"):
        auth_required(optional=True, **other)


def test_an_app_without_the_blueprint_says_what_to_do():
    app = Flask(__name__)
    app.testing = True
    app.add_url_rule("/", "root", auth_required(lambda: "open"))
    for headers in ({}, GOOD):
        with pytest.raises(RuntimeError, match=r"app\.register_blueprint\(CoreAuth\(\)\)"):
            app.test_client().get("/", headers=headers)
    app.testing = False
    assert app.test_client().get("/").status_code == 500


# protect()


def protected(scaffold_of, **config) -> Flask:
    """An app of which ``scaffold_of(app)`` is protected."""
    app = Flask(__name__, static_folder="validators", static_url_path="/static")
    app.config.update(
        API_AUTH_USERNAME="admin",
        API_AUTH_PASSWORD="correct horse",
        API_AUTH_JWT_SECRET=SECRET,
        API_AUTH_ABOUT={"app": "x"},
        **config,
    )
    core_auth = CoreAuth()
    inner = Blueprint("inner", __name__, url_prefix="/inner")
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    for blueprint in (inner, outer):
        blueprint.add_url_rule("/view", "view", lambda: current_app.name)
        blueprint.add_url_rule("/exempt", "exempt", auth_exempt(lambda: "exempt"))
    core_auth.protect(scaffold_of(app, outer, inner))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.register_blueprint(core_auth)
    app.add_url_rule("/view", "view", lambda: "view")
    app.add_url_rule("/post", "post", lambda: "post", methods=["POST"])
    app.add_url_rule("/slash/", "slash", lambda: "slash")
    app.add_url_rule("/exempt", "exempt", auth_exempt(lambda: "exempt"))
    return app


OPEN, GUARDED = (200, 200), (401, 200)


def test_a_whole_app():
    app = protected(lambda app, outer, inner: app)
    assert statuses(app, "/view") == GUARDED
    assert statuses(app, "/outer/view") == GUARDED
    assert statuses(app, "/outer/inner/view") == GUARDED
    assert statuses(app, "/static/__init__.py") == GUARDED
    for path in ("/exempt", "/outer/exempt", "/outer/inner/exempt"):
        assert statuses(app, path) == OPEN


def test_a_blueprint_and_those_nested_in_it():
    app = protected(lambda app, outer, inner: outer)
    assert statuses(app, "/view") == OPEN
    assert statuses(app, "/outer/view") == GUARDED
    assert statuses(app, "/outer/inner/view") == GUARDED
    assert statuses(app, "/static/__init__.py") == OPEN
    assert statuses(app, "/outer/inner/exempt") == OPEN


def test_a_nested_blueprint_alone():
    app = protected(lambda app, outer, inner: inner)
    assert statuses(app, "/outer/view") == OPEN
    assert statuses(app, "/outer/inner/view") == GUARDED


def test_our_own_routes_guard_themselves():
    app = protected(lambda app, outer, inner: app)
    client = app.test_client()
    credentials = {"username": "admin", "password": "correct horse"}
    tokens = client.post("/api/login", json=credentials).json
    refreshed = client.get("/api/login/refresh", headers=bearer(tokens["refresh_token"]))
    assert refreshed.status_code == 200
    assert client.get("/api").status_code == 200
    assert client.get("/api/login/refresh").status_code == 401


def test_what_the_app_does_not_have_it_says_itself():
    app = protected(lambda app, outer, inner: app)
    assert statuses(app, "/nowhere") == (404, 404)
    assert statuses(app, "/view", "POST") == (405, 405)
    assert statuses(app, "/post") == (405, 405)
    assert statuses(app, "/slash") == (308, 308)
    assert statuses(app, "/api/nowhere") == (404, 404)
    assert not app.test_client().get("/nowhere").is_json


def test_options_passes():
    app = protected(lambda app, outer, inner: app)
    response = app.test_client().options("/view")
    assert response.status_code == 200
    assert "GET" in response.headers["Allow"]
    assert app.test_client().head("/view").status_code == 401


def test_a_protected_app_with_auth_off_is_open():
    app = protected(lambda app, outer, inner: app, API_AUTH_ENABLE=False)
    assert statuses(app, "/view") == OPEN


def test_a_guarded_view_knows_who():
    app = protected(lambda app, outer, inner: app)
    app.add_url_rule("/who", "who", lambda: current_identity.subject)
    assert app.test_client().get("/who", headers=bearer(forge(claims()))).text == "admin"


def test_a_guarded_view_may_ask_for_more():
    app = protected(lambda app, outer, inner: app)
    app.add_url_rule("/more", "more", auth_required(scopes="edit")(lambda: "more"))
    assert statuses(app, "/more") == GUARDED
    poor = bearer(forge(claims(scope="view")))
    assert app.test_client().get("/more", headers=poor).status_code == 403


def test_exempt_on_a_class_and_below_other_decorators():
    app = protected(lambda app, outer, inner: app)

    class Open(MethodView):
        decorators = [auth_exempt]

        def get(self):
            return "open"

    class Closed(MethodView):
        def get(self):
            return "closed"

    app.add_url_rule("/class", view_func=Open.as_view("class"))
    app.add_url_rule("/other", view_func=Closed.as_view("other"))

    @app.get("/exempt-async")
    @auth_exempt
    async def exempt_async():
        return "open"

    assert statuses(app, "/class") == OPEN
    assert statuses(app, "/other") == GUARDED
    assert statuses(app, "/exempt-async") == OPEN


def test_an_exempt_view_that_requires_a_token_itself_gets_one():
    app = protected(lambda app, outer, inner: app)
    app.add_url_rule(
        "/both", "both", auth_exempt(auth_required(optional=True)(lambda: str(current_identity.subject)))
    )
    assert app.test_client().get("/both").text == "None"
    assert app.test_client().get("/both", headers=bearer(forge(claims()))).text == "admin"


def test_our_blueprint_nested_in_a_protected_one():
    app = Flask(__name__)
    app.config.update(API_AUTH_USERNAME="admin", API_AUTH_PASSWORD="x", API_AUTH_JWT_SECRET=SECRET)
    core_auth, outer = CoreAuth(), Blueprint("outer", __name__, url_prefix="/outer")
    core_auth.protect(outer)
    outer.register_blueprint(core_auth)
    app.register_blueprint(outer)
    credentials = {"username": "admin", "password": "x"}
    assert app.test_client().post("/outer/api/login", json=credentials).status_code == 200


def test_auth_required_takes_no_scope_by_position():
    with pytest.raises(TypeError, match="scopes='admin'"):
        auth_required("admin")


def test_exempting_a_view_does_not_exempt_it_under_another_name(make_app):
    core_auth = CoreAuth()
    app = make_app(core_auth)
    view = lambda: "ok"  # noqa: E731  # one function, two routes
    app.add_url_rule("/public", "public", auth_exempt(view))
    app.add_url_rule("/private", "private", view)
    core_auth.protect(app)
    client = app.test_client()
    assert client.get("/public").status_code == 200
    assert client.get("/private").status_code == 401


def test_exempt_view_may_be_async(make_app):
    core_auth = CoreAuth()
    app = make_app(core_auth)

    @auth_exempt
    async def view():
        return "ok"

    app.add_url_rule("/public", "public", view)
    core_auth.protect(app)
    assert app.test_client().get("/public").text == "ok"

"""``CoreAuth.protect()`` on whole apps and blueprints, and ``auth_exempt``."""

from __future__ import annotations

from flask import Blueprint, Flask, current_app
from flask.views import MethodView

from flask_core_auth import CoreAuth, auth_exempt, auth_required, current_identity
from flask_core_auth.protection import mark_exempt

from .apps import CREDENTIALS, PASSWORD, SECRET, USERNAME, bearer, log_in, refresh
from .forge import claims, forge, statuses


def protected(scaffold_of, **config) -> Flask:
    """An app that protects one of its scaffolds: itself, a blueprint, or the one nested in that."""
    app = Flask(__name__, static_folder="validators", static_url_path="/static")
    app.config.update(
        API_AUTH_USERNAME=USERNAME,
        API_AUTH_PASSWORD=PASSWORD,
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


OPEN, PROTECTED = (200, 200), (401, 200)


def test_protect_covers_a_whole_app():
    app = protected(lambda app, outer, inner: app)
    assert statuses(app, "/view") == PROTECTED
    assert statuses(app, "/outer/view") == PROTECTED
    assert statuses(app, "/outer/inner/view") == PROTECTED
    assert statuses(app, "/static/__init__.py") == PROTECTED
    for path in ("/exempt", "/outer/exempt", "/outer/inner/exempt"):
        assert statuses(app, path) == OPEN


def test_protect_covers_a_blueprint_and_its_nested_blueprints():
    app = protected(lambda app, outer, inner: outer)
    assert statuses(app, "/view") == OPEN
    assert statuses(app, "/outer/view") == PROTECTED
    assert statuses(app, "/outer/inner/view") == PROTECTED
    assert statuses(app, "/static/__init__.py") == OPEN
    assert statuses(app, "/outer/inner/exempt") == OPEN


def test_protect_covers_a_nested_blueprint_alone():
    app = protected(lambda app, outer, inner: inner)
    assert statuses(app, "/outer/view") == OPEN
    assert statuses(app, "/outer/inner/view") == PROTECTED


def test_protect_leaves_the_login_routes_open():
    app = protected(lambda app, outer, inner: app)
    client = app.test_client()
    assert refresh(client, log_in(client)["refresh_token"]).status_code == 200
    assert client.get("/api").status_code == 200
    assert client.get("/api/login/refresh").status_code == 401


def test_login_works_inside_a_protected_blueprint():
    app = Flask(__name__)
    app.config.update(API_AUTH_USERNAME=USERNAME, API_AUTH_PASSWORD=PASSWORD, API_AUTH_JWT_SECRET=SECRET)
    core_auth, outer = CoreAuth(), Blueprint("outer", __name__, url_prefix="/outer")
    core_auth.protect(outer)
    outer.register_blueprint(core_auth)
    app.register_blueprint(outer)
    assert app.test_client().post("/outer/api/login", json=CREDENTIALS).status_code == 200


def test_protect_leaves_404_405_and_redirects_to_the_app():
    app = protected(lambda app, outer, inner: app)
    assert statuses(app, "/nowhere") == (404, 404)
    assert statuses(app, "/view", "POST") == (405, 405)
    assert statuses(app, "/post") == (405, 405)
    assert statuses(app, "/slash") == (308, 308)
    assert statuses(app, "/api/nowhere") == (404, 404)
    assert not app.test_client().get("/nowhere").is_json


def test_options_passes_in_a_protected_app():
    app = protected(lambda app, outer, inner: app)
    response = app.test_client().options("/view")
    assert response.status_code == 200
    assert "GET" in response.headers["Allow"]
    assert app.test_client().head("/view").status_code == 401


def test_protected_app_is_open_when_authentication_is_disabled():
    app = protected(lambda app, outer, inner: app, API_AUTH_ENABLE=False)
    assert statuses(app, "/view") == OPEN


def test_current_identity_is_known_in_a_protected_app():
    app = protected(lambda app, outer, inner: app)
    app.add_url_rule("/who", "who", lambda: current_identity.subject)
    assert app.test_client().get("/who", headers=bearer(forge(claims()))).text == "admin"


def test_view_in_a_protected_app_may_require_scopes():
    app = protected(lambda app, outer, inner: app)
    app.add_url_rule("/more", "more", auth_required(scopes="edit")(lambda: "more"))
    assert statuses(app, "/more") == PROTECTED
    poor = bearer(forge(claims(scope="view")))
    assert app.test_client().get("/more", headers=poor).status_code == 403


# auth_exempt


def test_auth_exempt_opens_class_based_and_async_views():
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
    assert statuses(app, "/other") == PROTECTED
    assert statuses(app, "/exempt-async") == OPEN


def test_auth_exempt_passes_arguments_on():
    app = protected(lambda app, outer, inner: app)

    class Open(MethodView):
        decorators = [auth_exempt]

        @auth_exempt
        def get(self, number):
            return f"open {number}"

    app.add_url_rule("/number/<int:number>", view_func=Open.as_view("number"))
    assert app.test_client().get("/number/5").text == "open 5"


def test_only_a_marked_view_of_flask_core_auth_is_exempt():
    app = protected(lambda app, outer, inner: app)

    def own():
        return "own"

    app.add_url_rule("/own", "own", own)
    assert statuses(app, "/own") == PROTECTED
    assert mark_exempt(own) is own
    assert statuses(app, "/own") == OPEN


def test_exempt_view_may_use_auth_required_itself():
    app = protected(lambda app, outer, inner: app)
    app.add_url_rule(
        "/both", "both", auth_exempt(auth_required(optional=True)(lambda: str(current_identity.subject)))
    )
    assert app.test_client().get("/both").text == "None"
    assert app.test_client().get("/both", headers=bearer(forge(claims()))).text == "admin"


def test_auth_exempt_does_not_open_another_route_of_the_same_function(make_app):
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

"""The response to an error, and the error handlers of the app."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask, abort
from werkzeug.exceptions import Forbidden, HTTPException, NotFound, Unauthorized

from flask_core_auth import AuthError, ConfigError, auth_required, errors

from .apps import bearer
from .forge import claims, forge

#: A request for some statuses: method, path and options of the test client.
REQUESTS = {
    400: ("POST", "/api/login", {}),
    401: ("GET", "/who", {}),
    403: ("POST", "/api/login", {"json": {"username": "x", "password": "y"}}),
    413: ("POST", "/api/login", {"data": b" " * 17000}),
}


def send(app: Flask, status: int):
    method, path, more = REQUESTS[status]
    return app.test_client().open(path, method=method, **more)


def test_body_and_headers_are_exact(client):
    response = client.get("/who")
    assert response.data == (
        b'{"code":401,"message":"Unauthorized","details":["Missing or invalid JWT token"]}\n'
    )
    assert sorted(response.headers) == [
        ("Content-Length", str(len(response.data))),
        ("Content-Type", "application/json"),
        ("WWW-Authenticate", 'Bearer realm="flask-core-auth"'),
    ]


def test_invalid_and_expired_tokens_get_an_invalid_token_challenge(client):
    for token, detail in (
        (forge(claims(exp=1)), "Expired JWT token"),
        ("x", "Missing or invalid JWT token"),
    ):
        response = client.get("/who", headers=bearer(token))
        assert response.json == {"code": 401, "message": "Unauthorized", "details": [detail]}
        assert response.headers.getlist("WWW-Authenticate") == [
            'Bearer realm="flask-core-auth", error="invalid_token"'
        ]


def test_token_that_is_not_fresh_gets_a_challenge_for_a_login(client):
    response = client.get("/fresh", headers=bearer(forge(claims())))
    assert response.status_code == 401
    assert response.json["details"] == ["A fresh login is required"]
    assert (
        response.headers["WWW-Authenticate"]
        == 'Bearer realm="flask-core-auth", error="insufficient_user_authentication"'
    )


def test_token_without_a_scope_gets_a_challenge_that_names_it(client):
    response = client.get("/scoped", headers=bearer(forge(claims(scope="view"))))
    assert response.status_code == 403
    assert response.json["details"] == ["The token lacks a scope that is required here: edit"]
    assert (
        response.headers["WWW-Authenticate"]
        == 'Bearer realm="flask-core-auth", error="insufficient_scope", scope="edit"'
    )


def test_challenge_names_the_configured_realm(make_app):
    app = make_app(API_AUTH_REALM="datarhei-core")
    assert send(app, 401).headers["WWW-Authenticate"] == 'Bearer realm="datarhei-core"'


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (413, "Request Entity Too Large"),
    ],
)
def test_message_is_the_phrase_of_the_status(app, status, phrase):
    response = send(app, status)
    assert response.status_code == status
    assert response.json["code"] == status
    assert response.json["message"] == phrase


def test_response_to_head_has_no_body(client):
    response = client.head("/who")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'
    assert response.data == b""


@pytest.mark.parametrize("status", REQUESTS)
@pytest.mark.parametrize("kind", [AuthError, HTTPException, Exception, "the status"])
def test_error_handler_of_the_app_takes_precedence(make_app, status, kind):
    taken = []

    def handle(error):
        taken.append(error)
        return {"from": "the app", "detail": error.description}, 499

    def host(app):
        app.register_error_handler(status if kind == "the status" else kind, handle)

    response = send(make_app(host=host), status)
    assert response.status_code == 499
    assert response.json["from"] == "the app"
    assert isinstance(taken[0], AuthError)
    assert taken[0].details == (response.json["detail"],)


def test_error_handler_registered_later_takes_precedence(app):
    app.register_error_handler(401, lambda error: ("mine", 401, error.headers()))
    response = send(app, 401)
    assert response.text == "mine"
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'


def test_most_specific_error_handler_is_called(make_app):
    def host(app):
        app.register_error_handler(Exception, lambda error: "everything")
        app.register_error_handler(HTTPException, lambda error: "http")
        app.register_error_handler(Unauthorized, lambda error: "unauthorized")

    app = make_app(host=host)
    assert send(app, 401).text == "unauthorized"
    assert send(app, 403).text == "http"


def test_error_handler_of_the_views_blueprint_is_called_before_the_apps(make_app):
    app = make_app(host=lambda app: app.register_error_handler(401, lambda error: "app"))
    blueprint = Blueprint("mine", __name__)
    blueprint.register_error_handler(401, lambda error: "blueprint")
    blueprint.add_url_rule("/mine", view_func=auth_required(lambda: "ok"), endpoint="mine")
    app.register_blueprint(blueprint)
    assert app.test_client().get("/mine").text == "blueprint"
    assert app.test_client().get("/who").text == "app"


def test_error_handler_for_another_status_is_not_called(make_app):
    app = make_app(host=lambda app: app.register_error_handler(404, lambda error: "mine"))
    assert send(app, 401).json["code"] == 401
    assert app.test_client().get("/nowhere").text == "mine"


def test_abort_by_the_app_is_left_to_the_app(app):
    app.add_url_rule("/abort", "abort", auth_required(lambda: abort(401)))
    response = app.test_client().get("/abort", headers=bearer(forge(claims())))
    assert response.status_code == 401
    assert not response.is_json


def test_each_error_is_the_werkzeug_exception_of_its_status():
    assert issubclass(errors.UnauthorizedError, Unauthorized)
    assert issubclass(errors.ForbiddenError, Forbidden)
    assert issubclass(errors.NotFoundError, NotFound)
    for error in (
        errors.BadRequestError("x"),
        errors.UnauthorizedError("x", realm="r"),
        errors.ForbiddenError("x"),
        errors.InsufficientScopeError(["b", "a"], realm="r"),
        errors.NotFoundError("x"),
        errors.ContentTooLargeError("x"),
        errors.TooManyRequestsError("x", retry_after=3),
        errors.ServiceUnavailableError("x", retry_after=3),
    ):
        assert isinstance(error, AuthError)
        response = error.get_response()
        assert response.status_code == error.code
        assert response.json["code"] == error.code


def test_retry_after_is_in_seconds():
    for error in (
        errors.TooManyRequestsError("x", retry_after=7),
        errors.ServiceUnavailableError("x", retry_after=7),
    ):
        assert error.get_response().headers["Retry-After"] == "7"


def test_several_details_are_listed():
    error = errors.BadRequestError("one", "two")
    assert error.get_response().json["details"] == ["one", "two"]
    assert error.description == "one; two"


def test_challenge_lists_scopes_in_order():
    error = errors.InsufficientScopeError({"b", "a"}, realm="r")
    assert error.get_response().headers["WWW-Authenticate"].endswith('scope="a b"')


def test_config_error_lists_each_problem_on_a_line():
    error = ConfigError([("KEY", "is wrong"), ("OTHER", "too")])
    assert str(error) == "flask-core-auth cannot use this configuration:\n  KEY: is wrong\n  OTHER: too"
    assert error.problems == (("KEY", "is wrong"), ("OTHER", "too"))

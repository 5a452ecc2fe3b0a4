"""The description of the routes, and that they keep to it."""

from __future__ import annotations

import typing as t

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from flask_core_auth import CoreAuth, auth_required
from flask_core_auth.openapi import spec

from .forge import SECRET

ABOUT = {"app": "example", "id": "1", "version": {"number": "16.16.0"}}


def make_app(url_prefix: str = "/api", **config: t.Any) -> Flask:
    app = Flask(__name__)
    app.config.update(
        API_AUTH_USERNAME="admin",
        API_AUTH_PASSWORD="correct horse",
        API_AUTH_JWT_SECRET=SECRET,
        API_AUTH_OPENAPI=True,
        API_AUTH_LOGIN_LIMIT=None,
    )
    app.config.update(config)
    app.register_blueprint(CoreAuth(url_prefix=url_prefix))
    app.add_url_rule("/mine", "mine", auth_required(lambda: "mine"))
    return app


@pytest.fixture
def everything(tmp_path, tenant) -> dict[str, t.Any]:
    return {
        "API_AUTH_ABOUT": ABOUT,
        "API_AUTH_COOKIES": True,
        "API_AUTH_SESSIONS": f"sqlite:///{tmp_path}/sessions.db",
        "API_AUTH_REFRESH_ROTATION": True,
        "API_AUTH_AUTH0_ENABLE": True,
        "API_AUTH_AUTH0_TENANTS": [tenant.settings()],
    }


def operations(document: dict[str, t.Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, described in document["paths"].items() for method in described}


def test_only_the_routes_that_are_on_are_described():
    assert operations(spec(make_app(API_AUTH_OPENAPI=False))) == {
        ("POST", "/api/login"),
        ("GET", "/api/login/refresh"),
    }


def test_every_route_that_is_on_is_described(everything):
    app = make_app("/auth", **everything)
    assert operations(spec(app)) == {
        ("GET", "/auth"),
        ("POST", "/auth/login"),
        ("GET", "/auth/login/refresh"),
        ("GET", "/auth/openapi.json"),
        ("POST", "/auth/logout"),
        ("GET", "/auth/sessions"),
        ("DELETE", "/auth/sessions"),
        ("DELETE", "/auth/sessions/{session_id}"),
    }
    # None is forgotten here that the blueprint has.
    ours = {rule.endpoint for rule in app.url_map.iter_rules() if rule.endpoint.startswith("core_auth.")}
    assert len(ours) == len(operations(spec(app)))


def test_description_is_valid(everything):
    for app in (make_app(), make_app(**everything), make_app("/a/b", API_AUTH_COOKIES=True)):
        OpenAPIV31SpecValidator(spec(app)).validate()


def test_description_is_served_without_a_token_where_it_is_switched_on():
    app = make_app()
    answer = app.test_client().get("/api/openapi.json")
    assert answer.status_code == 200
    assert answer.json == spec(app)
    assert make_app(API_AUTH_OPENAPI=False).test_client().get("/api/openapi.json").status_code == 404


def test_every_reference_is_to_something_and_every_name_is_ours(everything):
    document = spec(make_app(**everything))
    components = document["components"]
    for kind in components.values():
        assert all(name.startswith("CoreAuth") for name in kind)

    def references(value: t.Any) -> t.Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for element in value.values():
                yield from references(element)
        elif isinstance(value, list):
            for element in value:
                yield from references(element)

    for reference in references(document):
        _, _, kind, name = reference.split("/")
        assert name in components[kind]
    for described in document["paths"].values():
        for operation in described.values():
            for requirement in operation["security"]:
                assert set(requirement) <= set(components["securitySchemes"])


def test_examples_of_errors_are_what_is_answered():
    app = make_app()
    client = app.test_client()
    responses = spec(app)["components"]["responses"]
    example = {
        status: responses[f"CoreAuth{status}"]["content"]["application/json"]["example"]
        for status in (400, 401, 403, 413)
    }
    login = "/api/login"
    assert client.post(login, json={"username": "admin"}).json == example[400]
    assert client.get("/api/login/refresh").json == example[401]
    assert client.post(login, json={"username": "admin", "password": "x"}).json == example[403]
    assert client.post(login, data="x" * 20000).json == example[413]


def test_description_belongs_to_whoever_asks_for_it():
    app = make_app()
    one = spec(app)
    one["components"]["schemas"]["CoreAuthError"]["properties"].clear()
    one["components"]["schemas"].pop("CoreAuthTokens")
    assert spec(app) == spec(make_app())


def test_description_of_an_app_without_the_blueprint_is_an_error():
    with pytest.raises(KeyError):
        spec(Flask(__name__))

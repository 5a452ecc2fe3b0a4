"""The OpenAPI description of the routes."""

from __future__ import annotations

import typing as t

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from flask_core_auth import CoreAuth
from flask_core_auth.openapi import spec

from .apps import post_login

ABOUT = {"app": "example", "id": "1", "version": {"number": "16.16.0"}}


@pytest.fixture
def everything(sqlite_url, tenant) -> dict[str, t.Any]:
    """Settings that add every route."""
    return {
        "API_AUTH_OPENAPI": True,
        "API_AUTH_ABOUT": ABOUT,
        "API_AUTH_COOKIES": True,
        "API_AUTH_SESSIONS": sqlite_url,
        "API_AUTH_REFRESH_ROTATION": True,
        "API_AUTH_AUTH0_ENABLE": True,
        "API_AUTH_AUTH0_TENANTS": [tenant.settings()],
    }


def operations(document: dict[str, t.Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, described in document["paths"].items() for method in described}


def test_only_enabled_routes_are_described(app):
    assert operations(spec(app)) == {
        ("POST", "/api/login"),
        ("GET", "/api/login/refresh"),
    }


def test_every_enabled_route_is_described(make_app, everything):
    app = make_app(CoreAuth(url_prefix="/auth"), **everything)
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
    # The list above is complete: the blueprint has no other routes.
    endpoints = [rule.endpoint for rule in app.url_map.iter_rules()]
    assert sum(name.startswith("core_auth.") for name in endpoints) == len(operations(spec(app)))


def test_description_is_valid(make_app, everything):
    nested = make_app(CoreAuth(url_prefix="/a/b"), API_AUTH_COOKIES=True)
    for app in (make_app(), make_app(**everything), nested):
        OpenAPIV31SpecValidator(spec(app)).validate()


def test_every_reference_resolves_and_every_name_is_prefixed(make_app, everything):
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


def test_examples_of_errors_match_the_responses(app, client):
    responses = spec(app)["components"]["responses"]
    example = {
        status: responses[f"CoreAuth{status}"]["content"]["application/json"]["example"]
        for status in (400, 401, 403, 413)
    }
    assert client.post("/api/login", json={"username": "admin"}).json == example[400]
    assert client.get("/api/login/refresh").json == example[401]
    assert post_login(client, password="x").json == example[403]
    assert client.post("/api/login", data="x" * 20000).json == example[413]


def test_changes_to_a_description_do_not_reach_the_next_one(app, make_app):
    one = spec(app)
    one["components"]["schemas"]["CoreAuthError"]["properties"].clear()
    one["components"]["schemas"].pop("CoreAuthTokens")
    assert spec(app) == spec(make_app())


def test_description_of_an_app_without_the_blueprint_is_an_error():
    with pytest.raises(KeyError):
        spec(Flask(__name__))

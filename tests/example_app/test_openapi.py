"""The description of the whole API is valid and complete, and the routes respond as described."""

from __future__ import annotations

import typing as t

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from example_app import create_app

from ..apps import bearer, log_in
from .config import CONFIG

if t.TYPE_CHECKING:
    from pathlib import Path

OWN = ("/api/v3/ping", "/api/v3/profile", "/api/v3/secrets", "/api/v3/admin")


def describe(base_url: str = "http://localhost/", **config: t.Any) -> dict[str, t.Any]:
    response = create_app(CONFIG | config).test_client().get("/openapi.json", base_url=base_url)
    assert response.status_code == 200
    return t.cast("dict[str, t.Any]", response.json)


@pytest.fixture
def everything(tmp_path: Path) -> dict[str, t.Any]:
    return {"API_AUTH_SESSIONS": f"sqlite:///{tmp_path}/sessions.db", "API_AUTH_COOKIES": True}


def test_merged_description_is_valid(everything: dict[str, t.Any]) -> None:
    for config in ({}, everything, {"API_AUTH_OPENAPI": False}):
        OpenAPIV31SpecValidator(describe(**config)).validate()


def test_every_route_of_the_api_is_described(everything: dict[str, t.Any]) -> None:
    app = create_app(CONFIG | everything)
    routes = {
        (method.lower(), rule.rule.replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = describe(**everything)["paths"]
    assert {(method, path) for path, methods in described.items() for method in methods} == routes
    assert set(OWN) < set(described)


def test_security_schemes_of_protected_routes_follow_the_config(everything: dict[str, t.Any]) -> None:
    def security(path: str, **config: t.Any) -> list[dict[str, list[str]]]:
        return t.cast("list[dict[str, list[str]]]", describe(**config)["paths"][path]["get"]["security"])

    assert security("/api/v3/ping") == [{}]
    assert security("/api/v3/profile") == [{"CoreAuthAccessToken": []}]
    with_cookies = security("/api/v3/profile", **everything)
    assert with_cookies == [{"CoreAuthAccessToken": []}, {"CoreAuthAccessCookie": []}]


@pytest.mark.parametrize("path", OWN)
def test_responses_are_as_described(path: str) -> None:
    client = create_app(CONFIG).test_client()
    described = describe()["paths"][path]["get"]["responses"]
    users = [bearer(log_in(client, username)["access_token"]) for username in ("admin", "viewer")]
    seen = set()
    for headers in ({}, *users):
        response = client.get(path, headers=headers)
        seen.add(str(response.status_code))
        if response.status_code == 200:
            schema = described["200"]["content"]["application/json"]["schema"]
            assert set(t.cast("dict[str, t.Any]", response.json)) == set(schema["properties"])
    assert seen == set(described)


def test_server_url_is_the_path_of_the_app() -> None:
    assert describe()["servers"] == [{"url": "/"}]
    assert describe("http://localhost/below/")["servers"] == [{"url": "/below"}]

"""The memory of verified tokens, and the claims that each request gets a copy of."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from flask_jwt_extended import get_jwt, get_jwt_header

from flask_core_auth import CoreAuth, auth_required, transport
from flask_core_auth.tokens import REMEMBERED_TOKEN_BYTES, REMEMBERED_TOKENS

from .apps import bearer, refresh
from .bad_tokens import header
from .forge import OTHER_SECRET, claims, forge


def seen(app: Flask) -> dict:
    return app.extensions["core_auth"].tokens._remembered


@pytest.mark.parametrize("place", ["header", "query"])
def test_token_is_verified_once_and_remembered(everywhere, monkeypatch, place):
    tokens = everywhere.extensions["core_auth"].tokens
    verified = []
    monkeypatch.setattr(
        tokens, "_verify", lambda *args, original=tokens._verify: verified.append(args) or original(*args)
    )
    token = forge(claims())
    request = {"header": {"headers": bearer(token)}, "query": {"query_string": {"jwt": token}}}[place]
    for _ in range(3):
        assert everywhere.test_client().get("/who", **request).json["subject"] == "admin"
    assert len(verified) == 1


def test_header_with_a_remembered_token_is_not_parsed_again(client, monkeypatch):
    header = bearer(forge(claims()))
    assert client.get("/who", headers=header).status_code == 200
    monkeypatch.setattr(transport, "bearer_token", None)
    assert client.get("/who", headers=header).status_code == 200
    assert client.get("/who", headers=bearer(forge(claims()))).status_code == 500


def test_remembered_token_expires(app, clock):
    client, token = app.test_client(), forge(claims())
    assert client.get("/who", headers=bearer(token)).status_code == 200
    assert seen(app)
    clock.move(599)
    assert client.get("/who", headers=bearer(token)).status_code == 200
    clock.move(1)
    response = client.get("/who", headers=bearer(token))
    assert response.status_code == 401
    assert response.json["details"] == ["Expired JWT token"]


def test_remembered_access_token_does_not_refresh(app):
    client, token = app.test_client(), forge(claims())
    client.get("/who", headers=bearer(token))
    assert refresh(client, token).status_code == 401


@pytest.mark.parametrize("path", ["/who", "/api/login/refresh", "/api/login"])
def test_bad_tokens_are_not_remembered(app, bad, path):
    app.test_client().open(path, method="POST", headers=bearer(bad("access")))
    app.test_client().get(path, headers=bearer(bad("refresh")))
    assert not seen(app)


def test_refresh_tokens_are_not_remembered(app, login):
    refresh(app, login["refresh_token"])
    assert not seen(app)


def test_token_of_4_kib_is_remembered_and_a_larger_one_is_not(app):
    client = app.test_client()
    padded = (forge(claims(x="x" * size)) for size in range(2700, 3000))
    longest = next(token for token in padded if len(token) == REMEMBERED_TOKEN_BYTES)
    larger = next(token for token in padded if len(token) > REMEMBERED_TOKEN_BYTES)
    assert client.get("/who", headers=bearer(larger)).status_code == 200
    assert not seen(app)
    assert client.get("/who", headers=bearer(longest)).status_code == 200
    assert list(seen(app)) == [f"Bearer {longest}"]


def test_number_of_remembered_tokens_is_limited(app):
    client, remembered = app.test_client(), seen(app)
    first = forge(claims())
    client.get("/who", headers=bearer(first))
    for number in range(REMEMBERED_TOKENS - 1):
        remembered[f"Bearer {number}"] = remembered[f"Bearer {first}"]
    client.get("/who", headers=bearer(first))
    assert len(remembered) == REMEMBERED_TOKENS
    assert f"Bearer {first}" in remembered
    second = forge(claims())
    client.get("/who", headers=bearer(second))
    assert REMEMBERED_TOKENS / 2 < len(remembered) <= REMEMBERED_TOKENS
    assert f"Bearer {first}" not in remembered
    assert f"Bearer {REMEMBERED_TOKENS - 2}" in remembered
    assert f"Bearer {second}" in remembered
    assert client.get("/who", headers=bearer(first)).status_code == 200


def test_token_remembered_by_one_app_is_unknown_to_another(make_app):
    core_auth = CoreAuth()
    one, two = make_app(core_auth), make_app(core_auth, API_AUTH_JWT_SECRET=OTHER_SECRET)
    token = forge(claims())
    assert one.test_client().get("/who", headers=bearer(token)).status_code == 200
    assert two.test_client().get("/who", headers=bearer(token)).status_code == 401


@pytest.mark.parametrize("nested", [{"roles": ["reader"]}, {"roles": {"names": ["reader"]}}])
def test_changes_of_a_view_to_nested_claims_stay_in_the_request(make_app, nested):
    app = make_app()
    roles = nested["roles"]

    @app.get("/mutate")
    @auth_required
    def mutate():
        seen = [json.dumps(get_jwt(), sort_keys=True), json.dumps(get_jwt_header(), sort_keys=True)]
        get_jwt()["sub"] = "root"
        names = get_jwt()["roles"]
        (names["names"] if isinstance(names, dict) else names).append("admin")
        get_jwt_header()["alg"] = "none"
        get_jwt_header()["x"].append("more")
        return seen

    token = forge(claims(roles=roles), header=header(x=["one"]))
    client = app.test_client()
    seen = [client.get("/mutate", headers=bearer(token)).json for _ in range(3)]
    assert seen[0] == seen[1] == seen[2]
    assert "admin" not in json.dumps(json.loads(seen[2][0])["roles"])
    assert client.get("/who", headers=bearer(token)).json["subject"] == "admin"


def test_changes_of_a_view_to_flat_claims_stay_in_the_request(app):
    @app.get("/mutate")
    @auth_required
    def mutate():
        before = dict(get_jwt())
        get_jwt().clear()
        return before

    client, token = app.test_client(), forge(claims())
    assert (
        client.get("/mutate", headers=bearer(token)).json
        == client.get("/mutate", headers=bearer(token)).json
    )

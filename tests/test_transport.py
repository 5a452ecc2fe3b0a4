"""Tokens in a request: the Authorization header, the query string and JSON."""

from __future__ import annotations

import pytest
from flask_jwt_extended.utils import get_jwt_request_location

from flask_core_auth import auth_required
from flask_core_auth.transport import SentToken

from .apps import bearer, client_with_cookie
from .forge import claims, forge

INVALID = 'Bearer realm="flask-core-auth", error="invalid_token"'

# The Authorization header


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_scheme_bearer_is_case_insensitive(client, scheme):
    headers = {"Authorization": f"{scheme} {forge(claims())}"}
    assert client.get("/who", headers=headers).status_code == 200
    refresh = {"Authorization": f"{scheme} {forge(claims('refresh'))}"}
    assert client.get("/api/login/refresh", headers=refresh).status_code == 200


@pytest.mark.parametrize("path", ["/who", "/api/login/refresh"])
@pytest.mark.parametrize(
    "header", [None, "", " ", "Basic YTpi", "Token x", "BearerX y", "Digest username=x", "ä", "\xa0"]
)
def test_header_without_a_bearer_token_gets_a_challenge_without_an_error(client, path, header):
    headers = {} if header is None else {"Authorization": header}
    response = client.get(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'


@pytest.mark.parametrize("separator", ["\t", "\x0b", "\x1f", "\xa0"])
def test_only_spaces_separate_the_scheme_from_the_token(client, separator):
    # A proxy that splits at spaces sees no bearer token there.
    response = client.get("/who", headers={"Authorization": f"Bearer{separator}{forge(claims())}"})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'


@pytest.mark.parametrize("path", ["/who", "/optional", "/api/login/refresh"])
@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer ä.ä.ä",
        "Bearer \xff",
        "Bearer " + "x" * 8193,
        "Bearer " + "a." * 5000,
        "Bearer ,",
        "Bearer {good},",
        "Bearer {good}, Bearer {good}",
        "Bearer {good},Bearer {good}",
        "Bearer Bearer {good}",
        "Bearer {good} x",
        'Bearer "{good}"',
        "Bearer {good}\x0b.",
    ],
)
def test_malformed_bearer_header_is_an_invalid_token(client, path, header):
    good = forge(claims("refresh" if "refresh" in path else "access"))
    response = client.get(path, headers={"Authorization": header.replace("{good}", good)})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == INVALID


# The query string and JSON


def test_token_in_the_query_string_is_accepted(everywhere, make_app):
    client = everywhere.test_client()
    assert client.get(f"/who?jwt={forge(claims())}").json["subject"] == "admin"
    assert client.get("/who?jwt=x").status_code == 401
    assert client.get("/who?jwt=").status_code == 401
    assert client.get("/who?jwt=%ff").status_code == 401
    assert client.get("/who", environ_overrides={"QUERY_STRING": "\xff"}).status_code == 401
    assert client.get(f"/api/login/refresh?jwt={forge(claims('refresh'))}").status_code == 200
    app = make_app(JWT_TOKEN_LOCATION="query_string", JWT_QUERY_STRING_VALUE_PREFIX="Bearer ")
    assert app.test_client().get(f"/who?jwt=Bearer%20{forge(claims())}").status_code == 200
    assert app.test_client().get(f"/who?jwt={forge(claims())}").status_code == 401


def test_token_in_a_json_body_is_accepted(everywhere):
    client = everywhere.test_client()
    assert client.post("/who", json={"access_token": forge(claims())}).json["subject"] == "admin"
    token = {"refresh_token": forge(claims("refresh"))}
    assert client.get("/api/login/refresh", json=token).status_code == 200
    assert (
        client.get("/api/login/refresh", json={"access_token": forge(claims("refresh"))}).status_code == 401
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b'"x"',
        b"{}",
        b"[" * 16384,
        b"\xff",
        b"\xff\xfe{}",
        b'{"access_token":null}',
    ]
    + [
        b'{"access_token":%s}' % value
        for value in (b"5", b"[]", b"{}", b"true", b'""', b'"\\ud800"', b'"x"', b"[1]")
    ],
    ids=range(19),
)
def test_json_body_without_a_valid_token_is_rejected(everywhere, body):
    response = everywhere.test_client().post("/who", data=body, content_type="application/json")
    assert response.status_code == 401
    assert response.json["code"] == 401
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="flask-core-auth"')


# Several places


def test_representation_of_a_sent_token_shows_only_its_place():
    assert repr(SentToken("secret", "csrf", "cookies")) == "SentToken(location='cookies')"


def test_tokens_are_read_only_from_configured_places(client):
    token = forge(claims())
    client.set_cookie("access_token_cookie", token)
    response = client.post(f"/who?jwt={token}&access_token={token}", json={"access_token": token})
    assert response.status_code == 401


def test_header_takes_precedence_over_a_cookie(everywhere):
    client = client_with_cookie(everywhere, "access_token_cookie", forge(claims(sub="cookie")))
    assert client.get("/who", headers=bearer(forge(claims(sub="header")))).json["subject"] == "header"
    assert client.get("/who", headers=bearer("x")).status_code == 401
    assert client.get("/who", headers={"Authorization": "Basic x"}).json["subject"] == "cookie"


def test_places_are_read_in_the_order_of_jwt_token_location(make_app):
    app = make_app(JWT_TOKEN_LOCATION=["json", "query_string"])
    path = f"/who?jwt={forge(claims(sub='query'))}"
    body = {"access_token": forge(claims(sub="json"))}
    assert app.test_client().post(path, json=body).json["subject"] == "json"
    assert app.test_client().post(path).json["subject"] == "query"


def test_view_can_tell_where_the_token_was(everywhere):
    everywhere.add_url_rule(
        "/where", "where", auth_required(lambda: get_jwt_request_location()), methods=["GET", "POST"]
    )
    client, token = everywhere.test_client(), forge(claims())
    assert client.get(f"/where?jwt={token}").text == "query_string"
    assert client.post("/where", json={"access_token": token}).text == "json"
    assert client.get("/where", headers=bearer(token)).text == "headers"
    assert client_with_cookie(everywhere, "access_token_cookie", token).get("/where").text == "cookies"

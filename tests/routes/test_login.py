"""``POST <prefix>/login``: credentials, the body and its limit, the log."""

from __future__ import annotations

import json
import logging

import pytest
from flask import Flask, request

from flask_core_auth import CoreAuth
from flask_core_auth.routes.login import MAX_BODY_BYTES

from ..apps import CREDENTIALS, bearer, post_login
from ..forge import OTHER_SECRET, claims, forge
from ..tenant import EXAMPLE

JSON = "application/json"


def details(response) -> str:
    return "; ".join(response.json["details"])


def test_login_returns_two_tokens_that_no_cache_may_store(client):
    response = post_login(client)
    assert response.status_code == 200
    assert set(response.json) == {"access_token", "refresh_token"}
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("wrong", [{"username": "nobody"}, {"password": "wrong"}, {"username": "ADMIN"}])
def test_wrong_username_and_wrong_password_get_the_same_403(app, wrong):
    response = post_login(app, **wrong)
    assert response.status_code == 403
    assert response.json == {
        "code": 403,
        "message": "Forbidden",
        "details": ["Wrong username or password"],
    }
    assert "WWW-Authenticate" not in response.headers


def test_login_works_when_authentication_is_disabled(make_app):
    client = make_app(API_AUTH_ENABLE=False).test_client()
    assert post_login(client).status_code == 200
    assert post_login(client, password="x").status_code == 403


def test_login_without_credentials_gets_a_400_that_says_what_to_send(client):
    response = client.post("/api/login")
    assert response.status_code == 400
    assert details(response) == (
        "No credentials: send a JSON object with username and password, or an Auth0 access token as"
        " Authorization: Bearer <token>"
    )


# Bearer tokens


@pytest.mark.parametrize(
    "scheme", ["Basic YWRtaW46eA==", "Negotiate x", "", "Bearer", "Bearer a b", "Bearer ä"]
)
def test_body_decides_when_the_authorization_header_has_no_bearer_token(client, scheme):
    response = post_login(client, headers={"Authorization": scheme})
    assert response.status_code == 200


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.b.c.d.e", forge(claims(), secret=OTHER_SECRET)])
def test_body_decides_when_the_bearer_token_is_of_no_tenant(client, token):
    assert post_login(client, headers=bearer(token)).status_code == 200
    assert post_login(client, password="wrong", headers=bearer(token)).status_code == 403


def test_password_logs_in_without_a_bearer_token_beside_tenants(make_app):
    app = make_app(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[EXAMPLE])
    assert post_login(app).status_code == 200


def test_tenant_token_decides_even_beside_the_right_password(make_app):
    # The token is rejected for its algorithm, so that no key has to be fetched.
    app = make_app(API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[EXAMPLE])
    token = forge({"iss": "https://tenant.example/"}, header={"alg": "HS256"})
    response = post_login(app, headers=bearer(token))
    assert response.status_code == 403


def test_issued_tokens_do_not_log_in(client, login):
    for token in login.values():
        response = client.post("/api/login", headers=bearer(token))
        assert response.status_code == 403
        assert details(response) == ("The token's issuer is none of the tenants that are configured here")


#: Users of Auth0 get opaque or encrypted tokens if they do not request the audience.
ADVICE = ". An access token that is requested with the audience of this API is a signed JWT"


def test_encrypted_token_gets_a_400_that_says_so(client):
    response = client.post("/api/login", headers=bearer("a.b.c.d.e"))
    assert response.status_code == 400
    assert details(response) == f"The token is encrypted{ADVICE}"


@pytest.mark.parametrize("token", ["opaque", "a.b", "a.b.c.d", "...", ".", "a.b.c.d.e.f"])
def test_opaque_token_gets_a_400_that_says_so(client, token):
    response = client.post("/api/login", headers=bearer(token))
    assert response.status_code == 400
    assert details(response) == f"The token is opaque{ADVICE}"


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "bearer  ", "Bearer ä.b.c"])
def test_malformed_bearer_header_without_a_body_gets_a_400(client, header):
    response = client.post("/api/login", headers={"Authorization": header})
    assert response.status_code == 400
    assert details(response) == "The Authorization header must be: Bearer <token>"


# The log


def test_accepted_and_rejected_logins_are_logged_without_the_password(app, caplog):
    caplog.set_level(logging.INFO, "flask_core_auth")
    post_login(app)
    post_login(app, username="nobody", password="hunter2 and more")
    assert "Login of 'admin' (local) from 127.0.0.1" in caplog.text
    assert "Login from 127.0.0.1 refused: 'Wrong username or password'" in caplog.text
    assert "hunter2" not in caplog.text
    assert "correct horse" not in caplog.text


def test_line_breaks_in_a_username_do_not_reach_the_log(make_app, caplog):
    caplog.set_level(logging.INFO, "flask_core_auth")
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: username)
    post_login(make_app(core_auth), username="x\r\nLogin of 'root'")
    assert "\nLogin of 'root'" not in caplog.text


# The body


def post_body(app: Flask, body: bytes | str, content_type: str | None = JSON, **more):
    return app.test_client().post("/api/login", data=body, content_type=content_type, **more)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("{", "The body is not valid JSON"),
        ("username=admin&password=x", "The body is not valid JSON"),
        (" ", "The body is not valid JSON"),
        ("\0", "The body is not valid JSON"),
        ("[" * MAX_BODY_BYTES, "The body is not valid JSON"),
        ('{"username":' * 1000, "The body is not valid JSON"),
        ('{"username":"admin","password":' + "1" * 5000 + "}", "The body is not valid JSON"),
        (b'{"username":"admin\xff","password":"x"}', "The body is not valid JSON"),
        (b'{"username":"\xed\xa0\x80","password":"x"}', "The body is not valid JSON"),
        (b'\xef\xbb\xbf{"username":"admin","password":"correct horse"}', "The body is not valid JSON"),
        (
            '{"username":"admin","password":"correct horse"}'.encode("utf-16"),
            "The body is not valid JSON",
        ),
        ('{"username":"admin","password":"correct horse"} {}', "The body is not valid JSON"),
        ("[]", "The body must be a JSON object with username and password"),
        ("null", "The body must be a JSON object with username and password"),
        ('"admin"', "The body must be a JSON object with username and password"),
        ("5", "The body must be a JSON object with username and password"),
        ("NaN", "The body is not valid JSON"),
        ("{}", "The field username is missing"),
        ('{"password":"x"}', "The field username is missing"),
        ('{"username":"admin"}', "The field password is missing"),
        ('{"username":"admin","password":null}', "The field password is missing"),
        ('{"username":5,"password":"x"}', "The field username must be a string"),
        ('{"username":["admin"],"password":"x"}', "The field username must be a string"),
        ('{"username":"admin","password":{"$ne":""}}', "The field password must be a string"),
        ('{"username":"admin","password":true}', "The field password must be a string"),
        ('{"username":"admin","password":1e5}', "The field password must be a string"),
        ('{"username":"","password":"x"}', "The field username must not be empty"),
        ('{"username":"admin","password":""}', "The field password must not be empty"),
        ('{"username":"admin\\u0000","password":"x"}', "The field username must not contain NUL"),
        ('{"username":"admin","password":"a\\u0000b"}', "The field password must not contain NUL"),
        ('{"username":"\\ud800","password":"x"}', "The field username is not valid Unicode"),
        ('{"username":"admin","password":"\\udfff"}', "The field password is not valid Unicode"),
    ],
    ids=range(32),
)
def test_bad_body_gets_a_400_that_says_what_is_wrong(app, body, detail):
    response = post_body(app, body)
    assert response.status_code == 400
    assert response.json == {"code": 400, "message": "Bad Request", "details": [detail]}


def test_extra_fields_in_the_body_are_ignored(client):
    assert client.post("/api/login", json={**CREDENTIALS, "remember": [None]}).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_content_type_may_have_parameters_and_capitals(client, content_type):
    body = b'{"username":"admin","password":"correct horse"}'
    assert client.post("/api/login", data=body, content_type=content_type).status_code == 200


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/json", "x", "ä/ä"]
)
def test_other_content_types_are_rejected(app, content_type):
    response = post_body(app, '{"username":"admin","password":"correct horse"}', content_type)
    assert response.status_code == 400
    assert response.json["details"] == ["The Content-Type must be application/json"]


def test_form_fields_are_rejected(client):
    response = client.post("/api/login", data={"username": "admin", "password": "correct horse"})
    assert response.json["details"] == ["The Content-Type must be application/json"]


def test_empty_json_body_counts_as_no_credentials(app):
    response = post_body(app, b"")
    assert response.status_code == 400
    assert "No credentials" in response.json["details"][0]


def test_body_of_16_kib_is_read_and_a_larger_one_gets_a_413(app):
    body = json.dumps({"username": "admin", "password": "correct horse"}).encode()
    assert post_body(app, body.ljust(MAX_BODY_BYTES)).status_code == 200
    for size in (MAX_BODY_BYTES + 1, MAX_BODY_BYTES + 2, 10 * MAX_BODY_BYTES):
        response = post_body(app, body.ljust(size))
        assert response.status_code == 413
        assert response.json["code"] == 413
        assert response.json["details"] == ["The body must not be larger than 16384 bytes"]


def test_body_limit_does_not_depend_on_the_apps_max_content_length(make_app):
    body = json.dumps({"username": "admin", "password": "correct horse"}).encode()
    for own in (10, 10**9):
        app = make_app(MAX_CONTENT_LENGTH=own)
        assert post_body(app, body).status_code == 200
        assert post_body(app, body.ljust(MAX_BODY_BYTES + 1)).status_code == 413


def test_body_limit_holds_beside_a_bearer_token(app):
    response = post_body(app, b" " * (MAX_BODY_BYTES + 1), headers=bearer("x"))
    assert response.status_code == 413


def test_body_that_ends_early_gets_a_400(app):
    response = post_body(app, b"{}", environ_overrides={"CONTENT_LENGTH": "50"})
    assert response.status_code == 400
    assert response.json["details"] == ["The body is incomplete or its chunks are malformed"]


def test_body_is_rejected_by_its_announced_size(app):
    assert post_body(app, b"{}", environ_overrides={"CONTENT_LENGTH": "9999999"}).status_code == 413


@pytest.mark.parametrize("length", ["abc", "-1", "", "1e3", "+2"])
def test_malformed_content_length_reads_no_body(app, length):
    response = post_body(app, b'{"a":1}', environ_overrides={"CONTENT_LENGTH": length})
    assert response.status_code == 400
    assert response.is_json


def test_body_that_the_app_has_read_before_still_logs_in(make_app):
    app = make_app(host=lambda app: app.before_request(lambda: request.get_data() and None))
    body = '{"username":"admin","password":"correct horse"}'
    assert post_body(app, body).status_code == 200
    assert post_body(app, body.ljust(MAX_BODY_BYTES + 1)).status_code == 413


@pytest.mark.parametrize(
    "password", ["pässwörd", "пароль", "🐴" * 20, " leading and trailing ", "a\nb", "'\"\\"]
)
def test_password_may_be_any_text(make_app, password):
    app = make_app(API_AUTH_PASSWORD=password)
    assert post_login(app, password=password).status_code == 200
    assert post_login(app, password=password.strip() + "x").status_code == 403

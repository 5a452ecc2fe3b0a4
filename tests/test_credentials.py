"""What a request brings to say who it is, and what of it is understood."""

from __future__ import annotations

import json
import typing as t

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_core_auth.routes.login import MAX_BODY_BYTES

from .forge import bearer, claims, forge

JSON = "application/json"


def post(app: Flask, body: bytes | str, content_type: str | None = JSON, **more):
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
        ("NaN", "The body must be a JSON object with username and password"),
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
def test_a_bad_body_is_told_what_is_wrong_with_it(app, body, detail):
    response = post(app, body)
    assert response.status_code == 400
    assert response.json == {"code": 400, "message": "Bad Request", "details": [detail]}


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/json", "x", "ä/ä"]
)
def test_another_content_type_is_refused(app, content_type):
    response = post(app, '{"username":"admin","password":"correct horse"}', content_type)
    assert response.status_code == 400
    assert response.json["details"] == ["The Content-Type must be application/json"]


def test_form_fields_are_no_credentials(client):
    response = client.post("/api/login", data={"username": "admin", "password": "correct horse"})
    assert response.json["details"] == ["The Content-Type must be application/json"]


def test_an_empty_json_body_is_as_none(app):
    response = post(app, b"")
    assert response.status_code == 400
    assert "No credentials" in response.json["details"][0]


def test_the_largest_body_is_read_and_a_byte_more_is_refused(app):
    body = json.dumps({"username": "admin", "password": "correct horse"}).encode()
    assert post(app, body.ljust(MAX_BODY_BYTES)).status_code == 200
    for size in (MAX_BODY_BYTES + 1, MAX_BODY_BYTES + 2, 10 * MAX_BODY_BYTES):
        response = post(app, body.ljust(size))
        assert response.status_code == 413
        assert response.json["code"] == 413
        assert response.json["details"] == ["The body must not be larger than 16384 bytes"]


def test_the_limit_is_ours_whatever_the_app_s_own_is(make_app):
    body = json.dumps({"username": "admin", "password": "correct horse"}).encode()
    for own in (10, 10**9):
        app = make_app(MAX_CONTENT_LENGTH=own)
        assert post(app, body).status_code == 200
        assert post(app, body.ljust(MAX_BODY_BYTES + 1)).status_code == 413


def test_a_large_body_beside_a_token_is_refused_too(app):
    response = post(app, b" " * (MAX_BODY_BYTES + 1), headers=bearer("x"))
    assert response.status_code == 413


def test_a_body_that_ends_early_is_a_bad_request(app):
    response = post(app, b"{}", environ_overrides={"CONTENT_LENGTH": "50"})
    assert response.status_code == 400
    assert response.json["details"] == ["The body is incomplete or its chunks are malformed"]


def test_a_large_body_that_does_not_come_is_refused_by_its_announced_size(app):
    assert post(app, b"{}", environ_overrides={"CONTENT_LENGTH": "9999999"}).status_code == 413


@pytest.mark.parametrize("length", ["abc", "-1", "", "1e3", "+2"])
def test_a_content_length_that_is_none_reads_nothing(app, length):
    response = post(app, b'{"a":1}', environ_overrides={"CONTENT_LENGTH": length})
    assert response.status_code == 400
    assert response.is_json


def test_a_body_that_the_app_has_read_before_is_still_there(make_app):
    from flask import request

    app = make_app(host=lambda app: app.before_request(lambda: request.get_data() and None))
    body = '{"username":"admin","password":"correct horse"}'
    assert post(app, body).status_code == 200
    assert post(app, body.ljust(MAX_BODY_BYTES + 1)).status_code == 413


@pytest.mark.parametrize(
    "password", ["pässwörd", "пароль", "🐴" * 20, " leading and trailing ", "a\nb", "'\"\\"]
)
def test_passwords_are_any_text(make_app, password):
    app = make_app(API_AUTH_PASSWORD=password)
    assert post(app, json.dumps({"username": "admin", "password": password})).status_code == 200
    assert (
        post(app, json.dumps({"username": "admin", "password": password.strip() + "x"})).status_code == 403
    )


# The Authorization header


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_case_insensitive(client, scheme):
    headers = {"Authorization": f"{scheme} {forge(claims())}"}
    assert client.get("/who", headers=headers).status_code == 200
    refresh = {"Authorization": f"{scheme} {forge(claims('refresh'))}"}
    assert client.get("/api/login/refresh", headers=refresh).status_code == 200


@pytest.mark.parametrize("path", ["/who", "/api/login/refresh"])
@pytest.mark.parametrize(
    "header", [None, "", " ", "Basic YTpi", "Token x", "BearerX y", "Digest username=x", "ä", "\xa0"]
)
def test_no_bearer_is_no_token_and_names_no_error(client, path, header):
    headers = {} if header is None else {"Authorization": header}
    response = client.get(path, headers=headers)
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
def test_a_bad_bearer_is_an_invalid_token(client, path, header):
    good = forge(claims("refresh" if "refresh" in path else "access"))
    response = client.get(path, headers={"Authorization": header.replace("{good}", good)})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].endswith('error="invalid_token"')


def test_tokens_elsewhere_are_not_looked_at_unless_the_app_says_so(client):
    token = forge(claims())
    client.set_cookie("access_token_cookie", token)
    response = client.post(f"/who?jwt={token}&access_token={token}", json={"access_token": token})
    assert response.status_code == 401


# Anything at all

_TEXT = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n\0"), max_size=60)
_TOKENS = st.one_of(
    st.text(st.sampled_from("abcAZ09-_.="), max_size=80),
    st.lists(st.binary(max_size=30), min_size=1, max_size=6).map(
        lambda parts: ".".join(part.hex() for part in parts)
    ),
    st.dictionaries(
        st.sampled_from(
            ["iss", "sub", "usefor", "type", "exp", "iat", "nbf", "scope", "idp", "cred", "aud"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=5,
        ),
    ).map(lambda changes: forge(claims(**changes))),
    st.dictionaries(
        st.sampled_from(["alg", "typ", "crit", "b64", "kid", "jku", "jwk", "zip"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3)),
    ).map(lambda changes: forge(claims("refresh"), header={"alg": "HS256", **changes})),
)
_HEADERS = st.one_of(
    st.none(), _TEXT, st.builds("{} {}".format, st.sampled_from(["Bearer", "bearer"]), _TOKENS)
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["username", "password"]) | st.text(max_size=5), inner, max_size=4
        )
    ),
    max_leaves=8,
)
_BODIES = st.binary(max_size=300) | _JSON.map(lambda value: json.dumps(value).encode())


@pytest.fixture(scope="module")
def fuzzed() -> t.Callable[..., tuple[int, dict[str, t.Any] | None]]:
    from flask_core_auth import CoreAuth, auth_required

    app = Flask(__name__)
    app.config.update(
        API_AUTH_USERNAME="admin",
        API_AUTH_PASSWORD="correct horse",
        API_AUTH_JWT_SECRET=forge.__kwdefaults__["secret"],
        API_AUTH_LOGIN_LIMIT=None,
        API_AUTH_ABOUT={"app": "x", "version": {"number": "1.2"}},
        JWT_TOKEN_LOCATION=["headers", "json", "query_string", "cookies"],
        PROPAGATE_EXCEPTIONS=True,
    )
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/who", "who", auth_required(lambda: "ok"), methods=["GET", "POST"])

    def send(
        path: str, method: str, header: str | None, body: bytes, content_type: str, query: str, cookie: str
    ):
        builder = EnvironBuilder(path, method=method, data=body, content_type=content_type)
        environ = builder.get_environ()
        builder.close()
        environ["QUERY_STRING"], environ["HTTP_COOKIE"] = query, cookie
        if header is not None:
            environ["HTTP_AUTHORIZATION"] = header
        chunks, status, headers = run_wsgi_app(app.wsgi_app, environ, buffered=True)
        return int(status.split()[0]), headers, b"".join(chunks)

    return send


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from(["/api/login", "/api/login/refresh", "/who", "/api"]),
    method=st.sampled_from(["GET", "POST", "HEAD", "OPTIONS"]),
    header=_HEADERS,
    body=_BODIES,
    content_type=st.sampled_from([JSON, "text/plain", "multipart/form-data; boundary=x", ""]) | _TEXT,
    query=_TEXT | _TOKENS.map("jwt={}".format),
    cookie=_TEXT | _TOKENS.map("access_token_cookie={}; refresh_token_cookie=x".format),
)
@example("/who", "POST", None, b"[" * 16384, JSON, "", "")
@example("/api/login/refresh", "GET", None, b'{"refresh_token": 5}', JSON, "", "")
@example("/who", "POST", None, b"", "", "", "access_token_cookie=\xff.\xff.\xff")
def test_whatever_is_sent_the_answer_is_ours_and_no_server_error(
    fuzzed, path, method, header, body, content_type, query, cookie
):
    status, headers, answer = fuzzed(path, method, header, body, content_type, query, cookie)
    assert status < 500
    if status in (400, 401, 403, 413, 429):
        assert headers["Content-Type"] == "application/json"
        if method != "HEAD":
            error = json.loads(answer)
            assert set(error) == {"code", "message", "details"}
            assert error["code"] == status
            assert all(isinstance(detail, str) for detail in error["details"])
        assert ("WWW-Authenticate" in headers) is (status == 401)
    else:
        assert status in (200, 405)

"""Which requests are let in, and what the view then knows of them."""

from __future__ import annotations

import logging

import pytest
from flask import Flask
from flask_jwt_extended import current_user, get_jwt, get_jwt_header, get_jwt_identity
from flask_jwt_extended.utils import get_jwt_request_location
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_core_auth import CoreAuth, auth_required, current_identity

from .forge import SECRET, bearer, claims, forge, read

# Protected routes, as the contract has them


def test_an_access_token_is_let_in(client, login):
    who = client.get("/who", headers=bearer(login["access_token"]))
    assert who.status_code == 200
    assert (who.json["subject"], who.json["idp"], who.json["scopes"]) == ("admin", "local", ["*"])
    assert who.json["authenticated"] is True


def test_a_refresh_token_is_refused(client, login):
    for _ in range(2):
        response = client.get("/who", headers=bearer(login["refresh_token"]))
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].endswith('error="invalid_token"')
        client.get("/api/login/refresh", headers=bearer(login["refresh_token"]))


@pytest.mark.parametrize("path", ["/who", "/fresh", "/scoped", "/optional"])
@pytest.mark.parametrize(
    "header",
    [None, "Bearer x", f"Bearer {forge(claims(scope=...))}", f"Bearer {forge(claims('refresh'))}"],
    ids=["none", "bad", "good", "refresh"],
)
def test_options_needs_no_token_and_minds_none(client, path, header):
    headers = {} if header is None else {"Authorization": header}
    for _ in range(2):
        response = client.options(path, headers=headers)
        assert response.status_code == 200
        client.get("/who", headers=headers)


def test_options_that_a_view_answers_itself_is_anonymous(app):
    @app.route("/own", methods=["GET", "OPTIONS"])
    @auth_required(fresh=True, scopes="edit")
    def own():
        return {"subject": current_identity.subject, "claims": get_jwt()}

    client, good = app.test_client(), bearer(forge(claims(fresh=True)))
    assert client.get("/own", headers=good).json["subject"] == "admin"
    assert client.options("/own", headers=good).json == {"subject": None, "claims": {}}


def test_head_is_protected_as_get_is(client):
    assert client.head("/who").status_code == 401
    assert client.head("/who", headers=bearer(forge(claims()))).status_code == 200


def test_a_view_is_not_called_unless_the_request_is_let_in(app):
    called = []
    app.add_url_rule("/called", "called", auth_required(lambda: called.append(1) or "ok"))
    client = app.test_client()
    assert client.get("/called").status_code == 401
    assert client.get("/called", headers=bearer("x")).status_code == 401
    assert called == []


# What the view knows


def test_flask_jwt_extended_s_functions_work_in_the_view(app):
    @app.get("/knows")
    @auth_required
    def knows():
        return {
            "claims": get_jwt(),
            "header": get_jwt_header(),
            "identity": get_jwt_identity(),
            "location": get_jwt_request_location(),
        }

    token = claims(extra={"nested": [1]})
    for _ in range(2):
        answer = app.test_client().get("/knows", headers=bearer(forge(token))).json
        assert answer == {
            "claims": token,
            "header": {"alg": "HS256", "typ": "JWT"},
            "identity": "admin",
            "location": "headers",
        }


def test_an_anonymous_view_knows_nobody(app):
    @app.get("/nobody")
    @auth_required(optional=True)
    def nobody():
        return {
            "subject": current_identity.subject,
            "authenticated": current_identity.authenticated,
            "scopes": sorted(current_identity.scopes),
            "claims": get_jwt(),
            "header": get_jwt_header(),
            "identity": get_jwt_identity(),
            "location": get_jwt_request_location(),
            "user": current_user._get_current_object() is None,
        }

    assert app.test_client().get("/nobody").json == {
        "subject": None,
        "authenticated": False,
        "scopes": [],
        "claims": {},
        "header": {},
        "identity": None,
        "location": None,
        "user": True,
    }


def test_current_user_says_when_there_is_no_user_lookup(app):
    @app.get("/user")
    @auth_required
    def user():
        with pytest.raises(RuntimeError, match="user_lookup_loader"):
            current_user.name  # noqa: B018
        return "ok"

    assert app.test_client().get("/user", headers=bearer(forge(claims()))).text == "ok"


# API_AUTH_ENABLE


def test_without_auth_every_route_is_open_and_anonymous(make_app):
    client = make_app(API_AUTH_ENABLE=False).test_client()
    for path in ("/who", "/fresh", "/scoped", "/optional"):
        for headers in ({}, bearer("x"), {"Authorization": "Bearer"}, bearer(forge(claims("refresh")))):
            response = client.get(path, headers=headers)
            assert response.status_code == 200
            assert (response.json["subject"], response.json["authenticated"]) == (None, False)


def test_without_auth_a_token_still_says_who(make_app):
    client = make_app(API_AUTH_ENABLE=False).test_client()
    token = forge(claims(scope="view"))
    for path in ("/who", "/fresh", "/scoped", "/optional"):
        assert client.get(path, headers=bearer(token)).json["subject"] == "admin"


def test_without_auth_a_revoked_token_is_as_none(make_app):
    app = make_app(API_AUTH_ENABLE=False)
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(lambda header, claims: True)
    response = app.test_client().get("/who", headers=bearer(forge(claims())))
    assert response.status_code == 200
    assert response.json["authenticated"] is False


def test_without_auth_login_still_works_where_somebody_is_configured(make_app):
    client = make_app(API_AUTH_ENABLE=False).test_client()
    credentials = {"username": "admin", "password": "correct horse"}
    assert client.post("/api/login", json=credentials).status_code == 200
    assert client.post("/api/login", json={**credentials, "password": "x"}).status_code == 403


def test_without_auth_and_anybody_configured_no_secret_is_needed():
    app = Flask(__name__)
    app.config["API_AUTH_ENABLE"] = False
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/", "root", auth_required(lambda: "ok"))
    assert app.test_client().get("/").text == "ok"
    credentials = {"username": "admin", "password": "x"}
    assert app.test_client().post("/api/login", json=credentials).status_code == 403


# API_AUTH_DISABLE_LOCALHOST


@pytest.fixture
def local_app(make_app) -> Flask:
    return make_app(API_AUTH_DISABLE_LOCALHOST=True)


def call(app: Flask, path: str = "/who", host: str | None = "localhost", **more):
    environ = {"REMOTE_ADDR": more.pop("address", "127.0.0.1"), "HTTP_HOST": host}
    environ.update(more)
    return app.test_client().get(path, environ_overrides=environ)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "LocalHost",
        "127.0.0.1",
        "127.0.0.1:5000",
        "127.1.2.3",
        "[::1]",
        "[::1]:80",
        "[::ffff:127.0.0.1]",
    ],
)
def test_a_request_from_this_machine_needs_no_token(local_app, address, host):
    response = call(local_app, host=host, address=address)
    assert response.status_code == 200
    assert (response.json["subject"], response.json["authenticated"]) == (None, False)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_bypass_is_off_unless_configured(app, address):
    assert call(app, address=address).status_code == 401


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "192.168.1.1",
        "8.8.8.8",
        "128.0.0.1",
        "0.0.0.0",
        "::",
        "::2",
        "fe80::1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "",
        "unknown",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1, 8.8.8.8",
        "127.1",
        "2130706433",
        "127.0.0.1\n",
        "127.0.0.01",
    ],
)
def test_another_address_needs_a_token(local_app, address):
    assert call(local_app, address=address).status_code == 401


def test_no_address_at_all_needs_a_token(local_app):
    with local_app.test_request_context("/who") as context:
        assert "REMOTE_ADDR" not in context.request.environ
        assert local_app.full_dispatch_request().status_code == 401


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "localhost:80@evil.example",
        "user@localhost",
        "evil.example#localhost",
        "localhost/",
        "localhost:80:80",
        "localhost:port",
        "localhost.",
        "localhost,evil.example",
        "localhost evil.example",
        " localhost",
        "localhost\n",
        "xlocalhost",
        "",
        ":80",
        "[::1",
        "::1",
        "[::2]",
        "[127.0.0.1]x",
        "0.0.0.0",
        "10.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "loc\xe4lhost",
        "localhost%2eevil",
    ],
)
def test_a_host_that_is_no_loopback_name_needs_a_token(local_app, host):
    assert call(local_app, host=host).status_code in (400, 401)


def test_an_absent_host_needs_a_token(local_app):
    with local_app.test_request_context("/who") as context:
        del context.request.environ["HTTP_HOST"]
        context.request.environ["REMOTE_ADDR"] = "127.0.0.1"
        assert local_app.full_dispatch_request().status_code == 401


@pytest.mark.parametrize(
    "name",
    [
        "HTTP_FORWARDED",
        "HTTP_VIA",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_REAL_IP",
        "HTTP_X_CLIENT_IP",
        "HTTP_CF_CONNECTING_IP",
    ],
)
@pytest.mark.parametrize("value", ["127.0.0.1", "", "for=127.0.0.1", "8.8.8.8"])
def test_a_forwarded_request_needs_a_token(local_app, name, value):
    assert call(local_app, **{name: value}).status_code == 401


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://["]
)
def test_a_page_of_somebody_else_needs_a_token(local_app, origin):
    assert call(local_app, HTTP_ORIGIN=origin).status_code == 401


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_that_tells_of_another_site_needs_a_token(local_app, site):
    assert call(local_app, HTTP_SEC_FETCH_SITE=site).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ORIGIN": "http://localhost:3000"},
        {"HTTP_ORIGIN": "http://[::1]:3000"},
        {"HTTP_SEC_FETCH_SITE": "none"},
        {"HTTP_SEC_FETCH_SITE": "same-origin"},
    ],
)
def test_a_page_of_this_machine_needs_none(local_app, headers):
    assert call(local_app, **headers).status_code == 200


def test_behind_proxyfix_the_forwarded_address_gives_no_bypass(local_app):
    local_app.wsgi_app = ProxyFix(local_app.wsgi_app)
    assert call(local_app, HTTP_X_FORWARDED_FOR="127.0.0.1").status_code == 401


def test_a_bypassed_request_is_nobody_for_fresh_and_scopes(local_app):
    for path in ("/fresh", "/scoped"):
        response = call(local_app, path)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'
    assert call(local_app, "/optional").status_code == 200


def test_a_bad_token_from_this_machine_is_as_none(local_app):
    for token in ("x", forge(claims(exp=1)), forge(claims("refresh"))):
        response = call(local_app, HTTP_AUTHORIZATION=f"Bearer {token}")
        assert response.status_code == 200
        assert response.json["authenticated"] is False


def test_a_good_token_from_this_machine_says_who(local_app):
    header = f"Bearer {forge(claims(scope='view'))}"
    assert call(local_app, HTTP_AUTHORIZATION=header).json["subject"] == "admin"
    assert call(local_app, "/scoped", HTTP_AUTHORIZATION=header).status_code == 403
    assert call(local_app, "/fresh", HTTP_AUTHORIZATION=header).status_code == 401


def test_the_bypass_opens_no_route_of_ours(local_app):
    assert call(local_app, "/api/login/refresh").status_code == 401
    client = local_app.test_client()
    assert client.post("/api/login", json={"username": "admin", "password": "x"}).status_code == 403


# Tokens in other places, where the app lets them come


@pytest.fixture
def everywhere(make_app) -> Flask:
    return make_app(JWT_TOKEN_LOCATION=["headers", "cookies", "json", "query_string"])


def with_cookie(app: Flask, name: str, token: str):
    client = app.test_client()
    client.set_cookie(name, token)
    return client


def log_in(app: Flask) -> dict[str, str]:
    credentials = {"username": "admin", "password": "correct horse"}
    return app.test_client().post("/api/login", json=credentials).json


def csrf_of(token: str) -> str:
    return read(token)["csrf"]


def test_a_token_in_a_cookie(everywhere):
    token = log_in(everywhere)["access_token"]
    client = with_cookie(everywhere, "access_token_cookie", token)
    assert client.get("/who").json["subject"] == "admin"
    assert client.post("/who").status_code == 401
    assert client.post("/who", headers={"X-CSRF-TOKEN": csrf_of(token)}).status_code == 200
    for wrong in ("x", "", "ä", csrf_of(token) + "x"):
        response = client.post("/who", headers={"X-CSRF-TOKEN": wrong})
        assert response.status_code == 401
        assert "invalid_token" in response.headers["WWW-Authenticate"]
    # Remembered or not.
    everywhere.test_client().get("/who", headers=bearer(token))
    assert client.post("/who").status_code == 401


@pytest.mark.parametrize("csrf", [None, 5, "", ["x"], ...])
def test_a_cookie_s_token_without_a_csrf_value_opens_no_post(everywhere, csrf):
    client = with_cookie(everywhere, "access_token_cookie", forge(claims(csrf=csrf)))
    assert client.get("/who").status_code == 200
    assert client.post("/who", headers={"X-CSRF-TOKEN": "x"}).status_code == 401
    assert client.post("/who", headers={"X-CSRF-TOKEN": str(csrf)}).status_code == 401


def test_a_csrf_value_in_a_form_where_the_app_says_so(make_app):
    app = make_app(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_CHECK_FORM=True)
    token = log_in(app)["access_token"]
    client = with_cookie(app, "access_token_cookie", token)
    assert client.post("/who", data={"csrf_token": csrf_of(token)}).status_code == 200
    assert client.post("/who", data={"csrf_token": "x"}).status_code == 401


def test_without_csrf_protection_a_cookie_is_enough(make_app):
    app = make_app(JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_CSRF_PROTECT=False)
    tokens = log_in(app)
    assert "csrf" not in read(tokens["access_token"])
    assert with_cookie(app, "access_token_cookie", tokens["access_token"]).post("/who").status_code == 200
    client = with_cookie(app, "refresh_token_cookie", tokens["refresh_token"])
    assert client.get("/api/login/refresh").status_code == 200


def test_refreshing_by_cookie_needs_the_csrf_value_though_it_is_a_get(everywhere):
    tokens = log_in(everywhere)
    client = with_cookie(everywhere, "refresh_token_cookie", tokens["refresh_token"])
    assert client.get("/api/login/refresh").status_code == 401
    wrong = {"X-CSRF-TOKEN": csrf_of(tokens["access_token"])}
    assert client.get("/api/login/refresh", headers=wrong).status_code == 401
    right = {"X-CSRF-TOKEN": csrf_of(tokens["refresh_token"])}
    assert client.get("/api/login/refresh", headers=right).status_code == 200


def test_a_cookie_for_one_use_does_not_serve_the_other(everywhere):
    tokens = log_in(everywhere)
    client = with_cookie(everywhere, "refresh_token_cookie", tokens["access_token"])
    headers = {"X-CSRF-TOKEN": csrf_of(tokens["access_token"])}
    assert client.get("/api/login/refresh", headers=headers).status_code == 401
    assert (
        with_cookie(everywhere, "access_token_cookie", tokens["refresh_token"]).get("/who").status_code
        == 401
    )


def test_a_token_in_the_query_string(everywhere, make_app):
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


def test_a_token_in_a_json_body(everywhere):
    client = everywhere.test_client()
    assert client.post("/who", json={"access_token": forge(claims())}).json["subject"] == "admin"
    refresh = {"refresh_token": forge(claims("refresh"))}
    assert client.get("/api/login/refresh", json=refresh).status_code == 200
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
def test_a_json_body_without_a_token_of_ours(everywhere, body):
    response = everywhere.test_client().post("/who", data=body, content_type="application/json")
    assert response.status_code == 401
    assert response.json["code"] == 401


@pytest.mark.parametrize("cookie", ["\xff", "\xe4.\xe4.\xe4", '"', "=", ";;;", "\x01", "x" * 9000])
def test_a_cookie_that_is_no_token(everywhere, cookie):
    environ = {"HTTP_COOKIE": f"access_token_cookie={cookie}"}
    response = everywhere.test_client(use_cookies=False).get("/who", environ_overrides=environ)
    assert response.status_code == 401


def test_the_header_comes_first_and_a_bad_one_is_not_made_up_for(everywhere):
    client = with_cookie(everywhere, "access_token_cookie", forge(claims(sub="cookie")))
    assert client.get("/who", headers=bearer(forge(claims(sub="header")))).json["subject"] == "header"
    assert client.get("/who", headers=bearer("x")).status_code == 401
    assert client.get("/who", headers={"Authorization": "Basic x"}).json["subject"] == "cookie"


def test_the_order_is_the_app_s(make_app):
    app = make_app(JWT_TOKEN_LOCATION=["json", "query_string"])
    path = f"/who?jwt={forge(claims(sub='query'))}"
    body = {"access_token": forge(claims(sub="json"))}
    assert app.test_client().post(path, json=body).json["subject"] == "json"
    assert app.test_client().post(path).json["subject"] == "query"


def test_a_location_that_is_known_to_the_view(everywhere):
    everywhere.add_url_rule(
        "/where", "where", auth_required(lambda: get_jwt_request_location()), methods=["GET", "POST"]
    )
    client, token = everywhere.test_client(), forge(claims())
    assert client.get(f"/where?jwt={token}").text == "query_string"
    assert client.post("/where", json={"access_token": token}).text == "json"
    assert client.get("/where", headers=bearer(token)).text == "headers"
    assert with_cookie(everywhere, "access_token_cookie", token).get("/where").text == "cookies"


def test_the_guard_logs_no_token(app, caplog):
    caplog.set_level(logging.DEBUG)
    token = forge(claims(), secret=SECRET + "x")
    app.test_client().get("/who", headers=bearer(token))
    assert token not in caplog.text

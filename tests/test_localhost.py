"""The localhost bypass: the requests that come from loopback, and the routes that it opens."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from .apps import post_login
from .forge import claims, forge


@pytest.fixture
def local_app(make_app) -> Flask:
    return make_app(API_AUTH_DISABLE_LOCALHOST=True)


def call(app: Flask, path: str = "/who", host: str | None = "localhost", **more):
    environ = {"REMOTE_ADDR": more.pop("address", "127.0.0.1"), "HTTP_HOST": host}
    environ.update(more)
    return app.test_client().get(path, environ_overrides=environ)


# Which requests come from loopback


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
def test_request_from_loopback_needs_no_token(local_app, address, host):
    response = call(local_app, host=host, address=address)
    assert response.status_code == 200
    assert (response.json["subject"], response.json["authenticated"]) == (None, False)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_bypass_is_off_by_default(app, address):
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
def test_other_address_needs_a_token(local_app, address):
    assert call(local_app, address=address).status_code == 401


def test_request_without_an_address_needs_a_token(local_app):
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
def test_other_host_header_needs_a_token(local_app, host):
    assert call(local_app, host=host).status_code in (400, 401)


def test_request_without_a_host_header_needs_a_token(local_app):
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
def test_forwarded_request_needs_a_token(local_app, name, value):
    assert call(local_app, **{name: value}).status_code == 401


def test_forwarded_loopback_address_needs_a_token_behind_proxyfix(local_app):
    local_app.wsgi_app = ProxyFix(local_app.wsgi_app)
    assert call(local_app, HTTP_X_FORWARDED_FOR="127.0.0.1").status_code == 401


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://["]
)
def test_request_from_a_page_of_another_origin_needs_a_token(local_app, origin):
    assert call(local_app, HTTP_ORIGIN=origin).status_code == 401


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_request_from_another_site_needs_a_token(local_app, site):
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
def test_request_from_a_page_on_loopback_needs_no_token(local_app, headers):
    assert call(local_app, **headers).status_code == 200


# The routes that the bypass opens


def test_bypass_does_not_open_routes_with_fresh_or_scopes(local_app):
    for path in ("/fresh", "/scoped"):
        response = call(local_app, path)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="flask-core-auth"'
    assert call(local_app, "/optional").status_code == 200


def test_bypass_does_not_open_the_login_routes(local_app):
    assert call(local_app, "/api/login/refresh").status_code == 401
    assert post_login(local_app, password="x").status_code == 403


def test_bad_token_from_loopback_counts_as_none(local_app):
    for token in ("x", forge(claims(exp=1)), forge(claims("refresh"))):
        response = call(local_app, HTTP_AUTHORIZATION=f"Bearer {token}")
        assert response.status_code == 200
        assert response.json["authenticated"] is False


def test_good_token_from_loopback_identifies_the_caller(local_app):
    header = f"Bearer {forge(claims(scope='view'))}"
    assert call(local_app, HTTP_AUTHORIZATION=header).json["subject"] == "admin"
    assert call(local_app, "/scoped", HTTP_AUTHORIZATION=header).status_code == 403
    assert call(local_app, "/fresh", HTTP_AUTHORIZATION=header).status_code == 401


def test_registration_warns_of_the_bypass(make_app, caplog):
    make_app()
    assert "API_AUTH_DISABLE_LOCALHOST" not in caplog.text
    make_app(API_AUTH_DISABLE_LOCALHOST=True)
    assert "API_AUTH_DISABLE_LOCALHOST" in caplog.text


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Forwarded-Prefix",
        "X-Forwarded-Anything-New",
        "X-Original-Forwarded-For",
        "True-Client-IP",
        "X-Cluster-Client-IP",
        "Fastly-Client-IP",
        "X-Envoy-External-Address",
        "Forwarded-For",
        "Fly-Client-IP",
        "X-ProxyUser-Ip",
        "X-Azure-ClientIP",
        "X-AppEngine-User-IP",
        "CloudFront-Viewer-Address",
        "CDN-Loop",
    ],
)
def test_request_with_a_proxy_header_needs_a_token(make_app, name):
    client = make_app(API_AUTH_DISABLE_LOCALHOST=True).test_client()
    assert client.get("/who").status_code == 200
    assert client.get("/who", headers={name: "127.0.0.1"}).status_code == 401

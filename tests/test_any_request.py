"""Any request at all: no server error, and the same form of error."""

from __future__ import annotations

import json
import typing as t

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_core_auth import CoreAuth, auth_required

from .apps import PASSWORD, SECRET, USERNAME
from .forge import claims, forge

JSON = "application/json"

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
    app = Flask(__name__)
    app.config.update(
        API_AUTH_USERNAME=USERNAME,
        API_AUTH_PASSWORD=PASSWORD,
        API_AUTH_JWT_SECRET=SECRET,
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
def test_any_request_gets_a_well_formed_response(
    fuzzed, path, method, header, body, content_type, query, cookie
):
    status, headers, response = fuzzed(path, method, header, body, content_type, query, cookie)
    assert status < 500
    if status in (400, 401, 403, 413, 429):
        assert headers["Content-Type"] == "application/json"
        if method != "HEAD":
            error = json.loads(response)
            assert set(error) == {"code", "message", "details"}
            assert error["code"] == status
            assert all(isinstance(detail, str) for detail in error["details"])
        assert ("WWW-Authenticate" in headers) is (status == 401)
    else:
        assert status in (200, 405)

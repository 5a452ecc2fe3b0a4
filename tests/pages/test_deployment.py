"""Run the code blocks of docs/deployment.md, and check its claims."""

from __future__ import annotations

import io
import itertools
import logging

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_core_auth import CoreAuth, auth_required, current_identity

from .blocks import Page


def new_app(**config):
    app = Flask(__name__)
    app.config.update(
        {
            "API_AUTH_USERNAME": "admin",
            "API_AUTH_PASSWORD": "correct-horse",
            "API_AUTH_JWT_SECRET": "made-with-flask-core-auth-generate-secret",
            **config,
        }
    )
    return app


def client_of(config):
    app = new_app(**config)
    app.register_blueprint(CoreAuth())
    app.get("/x")(auth_required(lambda: "x"))
    return app.test_client()


def tokens_of(config):
    credentials = {"username": "admin", "password": "correct-horse"}
    return client_of(config).post("/api/login", json=credentials).json


def works(config, tokens):
    client = client_of(config)
    access = {"Authorization": f"Bearer {tokens['access_token']}"}
    refresh = {"Authorization": f"Bearer {tokens['refresh_token']}"}
    statuses = {
        client.get("/x", headers=access).status_code,
        client.get("/api/login/refresh", headers=refresh).status_code,
    }
    assert len(statuses) == 1
    return statuses == {200}


def test_gunicorn(page: Page) -> None:
    page.run("app.py", "start", "curl")


def test_forwarded_addresses_share_no_limit() -> None:
    app = new_app(API_AUTH_LOGIN_LIMIT="1/minute")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)
    app.register_blueprint(CoreAuth())
    client = app.test_client()

    def fail(forwarded_for):
        credentials = {"username": "admin", "password": "wrong"}
        return client.post(
            "/api/login", json=credentials, headers={"X-Forwarded-For": forwarded_for}
        ).status_code

    assert fail("192.0.2.1") == 403
    assert fail("192.0.2.1") == 429
    assert fail("192.0.2.2") == 403
    assert fail("made-up, 192.0.2.2") == 429


def test_bypass_for_localhost_opens_no_forwarded_request() -> None:
    app = new_app(API_AUTH_DISABLE_LOCALHOST=True)
    app.register_blueprint(CoreAuth())
    app.get("/x")(auth_required(lambda: {"authenticated": current_identity.authenticated}))
    app.get("/fresh", endpoint="fresh")(auth_required(fresh=True)(lambda: "fresh"))
    client = app.test_client()
    from_nginx = {"Host": "127.0.0.1:8000"}
    assert client.get("/x", headers=from_nginx).json == {"authenticated": False}
    assert client.get("/fresh", headers=from_nginx).status_code == 401
    for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP"):
        assert client.get("/x", headers={**from_nginx, name: "192.0.2.1"}).status_code == 401
    assert client.get("/x", headers={"Host": "api.example.com"}).status_code == 401
    assert client.get("/x", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 401


def test_page_of_another_origin_reads_rejections(page: Page) -> None:
    app = new_app()
    app.register_blueprint(CoreAuth())
    app.get("/api/v3/process")(auth_required(lambda: "p"))
    page.run("cors", app=app)
    client = app.test_client()
    origin = {"Origin": "https://app.example.com"}
    rejected = client.get("/api/v3/process", headers=origin)
    assert rejected.status_code == 401
    assert rejected.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "WWW-Authenticate" in rejected.headers["Access-Control-Expose-Headers"]
    login = client.post("/api/login", json={"username": "admin", "password": "x"}, headers=origin)
    assert (login.status_code, login.headers["Access-Control-Allow-Origin"]) == (403, origin["Origin"])
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    for path in ("/api/login", "/api/v3/process"):
        preflight = client.options(path, headers={**origin, **asks})
        assert preflight.status_code == 200
        assert preflight.headers["Access-Control-Allow-Headers"] == "content-type"
    other = client.get("/api/v3/process", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in other.headers


def test_limit_holds_while_its_storage_is_down(page: Page) -> None:
    page.run("limit-storage")
    app = new_app(API_AUTH_LIMIT_STORAGE="redis://127.0.0.1:1/0", API_AUTH_LOGIN_LIMIT="1/minute")
    app.register_blueprint(CoreAuth())
    client = app.test_client()
    wrong = {"username": "admin", "password": "wrong"}
    assert client.post("/api/login", json=wrong).status_code == 403
    assert client.post("/api/login", json=wrong).status_code == 429


def test_change_of_the_secret_ends_no_login(page: Page) -> None:
    page.run("secret-change")
    before, *steps = (page[name] for name in ("before", "step_1", "step_2", "step_3"))
    for here, there in itertools.pairwise([before, *steps]):
        assert works(there, tokens_of(here))
        assert works(here, tokens_of(there))
    assert not works(steps[-1], tokens_of(before))


def test_log_has_logins_and_no_secret() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("flask_core_auth")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    client = client_of({})
    client.post("/api/login", json={"username": "admin", "password": "pass-phrase"})
    token = client.post("/api/login", json={"username": "admin", "password": "correct-horse"}).json
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "Login from 127.0.0.1 refused: 'Wrong username or password'"
    assert lines[1] == "Login of 'admin' (local) from 127.0.0.1"
    for secret in ("pass-phrase", "correct-horse", *token.values()):
        assert secret not in stream.getvalue()

"""A broad run with canaries, which are passwords, secrets and tokens, and all that the run shows."""

from __future__ import annotations

import contextlib
import json
import traceback
import typing as t
from urllib.parse import quote

import httpx2
import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo
from werkzeug.exceptions import HTTPException
from werkzeug.security import generate_password_hash

from flask_core_auth import ConfigError, CoreAuth, signals
from flask_core_auth.cli import core_auth as commands
from flask_core_auth.client import CoreClient, CoreClientError
from flask_core_auth.client.credentials import Credentials
from flask_core_auth.errors import AuthError
from flask_core_auth.testing import FakeTenant

from .apps import Clock, bearer, csrf_header
from .bad_tokens import BAD_TOKENS
from .client import server as core
from .client.test_secrecy import FAULTS
from .conftest import MakeApp
from .evidence import Evidence

PASSWORD, WRONG = 'canary-"pä ss/ß%+1', 'canary-wrong-"pä ss/ß%+2'
SECRET, OLD_SECRET = "canary-of-the-secret-ä/+%-long-enough", "canary-of-the-old-secret-ä/+%-long-enough"
STORE_PASSWORD = "canary-störe/+%password"
#: Percent-encoded, as a URL has it.
IN_URL = quote(STORE_PASSWORD, safe="")
HASH = generate_password_hash(PASSWORD, "scrypt:1024:8:1")
#: A port that nothing listens on.
DOWN = "127.0.0.1:1"


class Run:
    """One run, and what it has shown.

    :ivar secrets: what must not be shown, by name; tokens are added when they are issued.
    """

    def __init__(self, make_app: MakeApp, sqlite_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch):
        self.evidence = Evidence()
        self.secrets = {
            "password": PASSWORD,
            "wrong password": WRONG,
            "hash": HASH,
            "secret": SECRET,
            "old secret": OLD_SECRET,
            "password of the store": STORE_PASSWORD,
        }
        self.make_app = make_app
        self.sqlite_url = sqlite_url
        self.clock = clock
        self.monkeypatch = monkeypatch

    def add_token(self, name: str, token: str) -> None:
        number = len(self.secrets)
        self.secrets[f"{name} {number}"] = token
        # Whoever has the signature has the token: its other parts can be made.
        self.secrets[f"signature of {name} {number}"] = token.rpartition(".")[2]

    def app(self, core_auth: CoreAuth | None = None, **config: t.Any) -> Flask:
        """Make an app whose handled errors and signals are evidence."""
        settings = {
            "API_AUTH_PASSWORD": PASSWORD,
            "API_AUTH_USERS": {"eve": {"password": HASH, "scopes": ["edit"]}},
            "API_AUTH_JWT_SECRET": SECRET,
            "API_AUTH_JWT_SECRET_FALLBACKS": [OLD_SECRET],
            "API_AUTH_LIMIT_STORAGE": f"redis://:{IN_URL}@{DOWN}/0",
            "API_AUTH_LOGIN_LIMIT": "30/minute",
            "API_AUTH_SESSIONS": self.sqlite_url,
            "API_AUTH_SESSION_CHECK": "always",
            "API_AUTH_REFRESH_ROTATION": True,
            "API_AUTH_COOKIES": True,
            "API_AUTH_ABOUT": {"app": "x", "version": {"number": "1.2.3"}},
            "API_AUTH_OPENAPI": True,
        }
        app = self.make_app(core_auth, **{**settings, **config})
        handle = app.handle_user_exception

        def record(error: Exception) -> t.Any:
            # Trackers store the frames of an error that is no response, or one of a failure.
            is_rejection = isinstance(error, HTTPException) and (error.code or 500) < 500
            self.evidence.add_error("handled error", error, frames=not is_rejection)
            return handle(error)

        app.handle_user_exception = record  # type: ignore[method-assign]
        return app

    def hear(self, app: Flask, **values: t.Any) -> None:
        """Receive a signal."""
        self.evidence.add("signal", values)
        self.evidence.add_frames("signal", (frame for frame, _ in traceback.walk_stack(None)))

    def send(self, client: t.Any, method: str, path: str, **options: t.Any) -> t.Any:
        """Send a request. The response is evidence, unless it has new tokens."""
        response = client.open(path, method=method, **options)
        if response.status_code == 200 and path.startswith("/api/login"):
            for name, token in response.get_json().items():
                self.add_token(name, token)
            for cookie in response.headers.getlist("Set-Cookie"):
                name, _, token = cookie.partition(";")[0].partition("=")
                if name.endswith("_token_cookie"):
                    self.add_token(name, token)
        else:
            self.evidence.add(f"response of {method} {path}", response.text, response.headers)
        return response


# The parts of the run


def log_in(
    run: Run, client: t.Any, password: str = PASSWORD, username: str = "admin", **options: t.Any
) -> t.Any:
    body = {"username": username, "password": password}
    return run.send(client, "POST", "/api/login", json=body, **options)


def run_logins(run: Run) -> None:
    """Log in with passwords and with a tenant's tokens, right and wrong."""
    client = run.app().test_client()
    for username in ("admin", "eve", "nobody"):
        log_in(run, client, username=username)
        log_in(run, client, WRONG, username)
    for data, content_type in (
        (f'{{"username":"admin","password":"{WRONG}', "application/json"),
        (json.dumps([WRONG]), "application/json"),
        (json.dumps({"username": "admin", "password": [WRONG]}), "application/json"),
        (json.dumps({"username": "admin", "password": f"{WRONG}\0"}), "application/json"),
        (f"username=admin&password={quote(WRONG)}", "application/x-www-form-urlencoded"),
        (json.dumps({"username": "admin", "password": WRONG * 1000}), "application/json"),
    ):
        run.send(client, "POST", "/api/login", data=data, content_type=content_type)
    run.send(
        client,
        "POST",
        "/api/login",
        headers={"Authorization": f"Bearer {WRONG} b".encode().decode("latin-1")},
    )
    with FakeTenant().serving() as tenant:
        client = run.app(**tenant.config).test_client()
        for token in (
            tenant.token(),
            tenant.token("auth0|mallory"),
            tenant.token(aud="other"),
            tenant.token(exp=1),
            tenant.token(iss="https://other.example/"),
        ):
            run.add_token("token of a tenant", token)
            run.send(client, "POST", "/api/login", headers=bearer(token))
    limited = run.app(API_AUTH_LOGIN_LIMIT="1/minute").test_client()
    for _ in range(3):
        log_in(run, limited, WRONG)


def run_tokens(run: Run) -> None:
    """Send tokens, right and wrong, to every route."""
    # Without cookies: flask-jwt-extended reads the clock of the machine when it sets them.
    client = run.app(API_AUTH_COOKIES=False).test_client()
    tokens = log_in(run, client).json
    for make in BAD_TOKENS.values():
        for use in ("access", "refresh"):
            token = make(use)
            if len(token) > 40:  # shorter ones are words that a text may have
                run.secrets[f"bad token {len(run.secrets)}"] = token
            headers = {"Authorization": f"Bearer {token}".encode("latin-1").decode("latin-1")}
            run.send(client, "GET", "/who" if use == "access" else "/api/login/refresh", headers=headers)
    access, refresh = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
    for path in (
        "/open",
        "/fresh",
        "/optional",
        "/scoped",
        "/who",
        "/api",
        "/api/openapi.json",
        "/api/sessions",
    ):
        run.send(client, "GET", path, headers=access)
        run.send(client, "GET", path, headers=refresh)
    run.send(client, "GET", "/api/login/refresh", headers=refresh)
    run.clock.move(60)
    run.send(client, "GET", "/api/login/refresh", headers=refresh)  # spent: ends the session
    run.send(client, "GET", "/who", headers=access)
    for method, path in (
        ("DELETE", "/api/sessions/x"),
        ("DELETE", "/api/sessions"),
        ("POST", "/api/logout"),
    ):
        run.send(client, method, path, headers=bearer(log_in(run, client).json["access_token"]))
    run.clock.move(10**6)
    run.send(client, "GET", "/who", headers=access)


def run_cookies(run: Run) -> None:
    """Log in, refresh and log out by cookie, with and without the CSRF value."""
    client = run.app().test_client()
    browser = {"base_url": "https://localhost"}
    log_in(run, client, **browser)
    for headers in ({}, {"X-CSRF-TOKEN": "wrong"}, csrf_header(client, "refresh")):
        run.send(client, "GET", "/api/login/refresh", headers=headers, **browser)
    for headers in ({}, {"X-CSRF-TOKEN": "wrong"}, csrf_header(client)):
        run.send(client, "POST", "/who", headers=headers, **browser)
    run.send(client, "POST", "/api/logout", headers=csrf_header(client), **browser)


def run_failures(run: Run) -> None:
    """Let the app's own code and the stores fail."""

    def fail(*arguments: object, **values: object) -> t.NoReturn:
        run.evidence.add_frames("callback", (frame for frame, _ in traceback.walk_stack(None)))
        raise LookupError("failed")

    core_auth = CoreAuth()
    core_auth.password_verifier(fail)
    app = run.app(core_auth)
    log_in(run, app.test_client(), username="carol")
    client = app.test_client(use_cookies=False)
    tokens = log_in(run, client).json
    app.extensions["flask-jwt-extended"].token_in_blocklist_loader(fail)
    run.send(client, "GET", "/who", headers=bearer(tokens["access_token"]))
    run.send(client, "GET", "/api/login/refresh", headers=bearer(tokens["refresh_token"]))
    for name, password in (("logged_in", PASSWORD), ("login_failed", WRONG)):
        with getattr(signals, name).connected_to(fail):
            log_in(run, app.test_client(), password)
    for url in (f"redis://:{IN_URL}@{DOWN}/0", f"postgresql+psycopg://user:{IN_URL}@{DOWN}/db"):
        app = run.app(API_AUTH_SESSIONS=url)
        client = app.test_client(use_cookies=False)
        log_in(run, client)
        for path in ("/who", "/api/sessions", "/api/login/refresh"):
            run.send(client, "GET", path, headers=bearer(tokens["access_token"]))
        blueprint = t.cast(CoreAuth, app.blueprints["core_auth"])
        for call in (blueprint.issue, blueprint.revoke, blueprint.sessions_of):
            with app.app_context():
                try:
                    call("carol")
                except AuthError as error:
                    run.evidence.add_error("error of a call", error)


#: Settings that cannot be used, and hold a secret.
INVALID: dict[str, object] = {
    "API_AUTH_SESSIONS": f"mysql://user:{IN_URL}@host/db",
    "API_AUTH_LIMIT_STORAGE": f"amqp://user:{IN_URL}@host",
    "API_AUTH_PASSWORD": f"$2b$12${WRONG}",
    "API_AUTH_JWT_SECRET": "canary-shört",
    "API_AUTH_JWT_SECRET_FALLBACKS": f'["{SECRET}", "canary-shört"]',
    "API_AUTH_USERS": json.dumps({"eve": {"password": f"scrypt:{WRONG}", "scopes": []}}),
}


def run_commands(run: Run) -> None:
    """Run the commands; those that make a secret show only that one."""
    runner = CliRunner()
    run.secrets["short secret"] = "canary-shört"

    def invoke(arguments: str, stdin: str | None = None, **config: t.Any) -> str:
        info = ScriptInfo(create_app=lambda: run.app(**config))
        result = runner.invoke(commands, arguments.split(), obj=info, input=stdin)
        made = arguments.startswith(("token", "generate-secret"))
        run.evidence.add(f"output of {arguments}", *([] if made else [result.output, result.stderr]))
        if result.exception is not None:
            run.evidence.add_error(f"error of {arguments}", result.exception)
        return result.output

    for json_option in ("", " --json"):
        for token in json.loads(invoke("token carol --force --json")).values():
            run.add_token("token of the command", token)
        for arguments in ("check", "sessions list carol", "sessions revoke carol", "token \0 --force"):
            invoke(arguments + json_option)
            invoke(arguments + json_option, API_AUTH_SESSIONS=f"redis://:{IN_URL}@{DOWN}/0")
            invoke(arguments + json_option, API_AUTH_SESSIONS=f"postgresql://user:{IN_URL}@{DOWN}/db")
            invoke(arguments + json_option, **INVALID)
            for key, value in INVALID.items():
                invoke(arguments + json_option, **{key: value})
    invoke("hash-password", f"{PASSWORD}\n{PASSWORD}\n")
    invoke("hash-password", f"{PASSWORD}\n{WRONG}\n")
    invoke("generate-secret")


def run_registration(run: Run) -> None:
    """Register on an app whose settings cannot be used."""
    run.secrets["short secret"] = "canary-shört"
    for config in (INVALID, *({key: value} for key, value in INVALID.items())):
        try:
            run.app(**config)
        except ConfigError as error:
            run.evidence.add_error("error of the registration", error)


def run_client(run: Run) -> None:
    """Run the client at a server that rejects, redirects and quotes the request."""
    server = core.CoreServer()
    server.password = PASSWORD
    credentials = server.credentials
    run.evidence.add("repr", Credentials(**credentials))
    with contextlib.closing(server), CoreClient(server.url, verify=False, **credentials) as client:
        for token in (client.tokens().access_token, client.tokens().refresh_token):
            run.add_token("token of the client", token)
        run.evidence.add("repr", client, client.auth, client.tokens(), client.get(core.PROCESS))
        for fault in FAULTS.values():
            for path in (core.LOGIN, core.REFRESH):
                server.faults = {core.REFRESH: core.unauthorized, path: fault}
                try:
                    client.refresh()
                except (CoreClientError, httpx2.RequestError) as error:
                    # Without the frames: the caller has the password, too.
                    run.evidence.add_error("error of the client", error, frames=False)
        run.evidence.add_objects()


PARTS = (
    run_logins,
    run_tokens,
    run_cookies,
    run_failures,
    run_commands,
    run_registration,
    run_client,
)

"""The targets: each takes any bytes, and raises if flask-core-auth does anything that is not documented."""

from __future__ import annotations

import contextlib
import functools
import json
import time
import typing as t
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest import mock

import httpx2
from flask import Config, Flask
from joserfc.jwk import RSAKey
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_core_auth import ConfigError, CoreAuth, Identity, auth_required, load_env
from flask_core_auth.check import _display
from flask_core_auth.client import CoreClient, CoreClientError
from flask_core_auth.config import SETTINGS, AuthConfig
from flask_core_auth.errors import ForbiddenError, UnauthorizedError
from flask_core_auth.jws import load_object
from flask_core_auth.testing import FakeTenant
from flask_core_auth.validators import jwks
from flask_core_auth.validators.auth0 import Auth0Validator, SignedToken

from ..apps import CREDENTIALS, PASSWORD, SECRET, USERNAME
from ..forge import encode, forge

#: A refresh token that a client sends. No input contains it, so that an error that does shows it.
REFRESH_TOKEN = "canary.of-the-refresh.token"
CLIENT_PASSWORD = "canary of the client's password"


@dataclass(frozen=True)
class Target:
    """A target.

    :param name: its name on the command line.
    :param run: takes one input, and raises if flask-core-auth does anything that is not documented.
    """

    name: str
    run: Callable[[bytes], object]


@functools.cache
def _app() -> Flask:
    app = Flask(__name__)
    app.config.update(
        _tenant().config,
        API_AUTH_USERNAME=USERNAME,
        API_AUTH_PASSWORD=PASSWORD,
        API_AUTH_JWT_SECRET=SECRET,
        API_AUTH_LOGIN_LIMIT=None,
        PROPAGATE_EXCEPTIONS=True,
    )
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/who", "who", auth_required(lambda: "ok"))
    return app


@functools.cache
def _tenant() -> FakeTenant:
    # For good: this process serves its keys to nobody else.
    return FakeTenant().serving().__enter__()


def _send(method: str, path: str, *, body: bytes = b"", authorization: str | None = None) -> int:
    """Send a request, check the form of the response, and return its status."""
    builder = EnvironBuilder(path, method=method, data=body, content_type="application/json")
    environ = builder.get_environ()
    builder.close()
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    chunks, line, headers = run_wsgi_app(_app().wsgi_app, environ, buffered=True)
    status = int(line.split()[0])
    if status != 200:
        error = json.loads(b"".join(chunks))
        assert error.keys() == {"code", "message", "details"}, error
        assert error["code"] == status
        assert ("WWW-Authenticate" in headers) is (status == 401), headers
    return status


def run_tokens(data: bytes) -> None:
    """A token; the payload of a signed token; its header and, in the next line, its payload."""
    text = data.decode("latin-1")
    header, _, payload = data.partition(b"\n")
    for token in (text, forge(data), forge(payload, header=header.decode("latin-1"))):
        _verify(token)


def _verify(token: str) -> None:
    app = _app()
    core_auth = t.cast(CoreAuth, app.blueprints["core_auth"])
    with app.app_context():
        try:
            identity = core_auth.verify(token)
        except UnauthorizedError:
            return
    assert isinstance(identity, Identity)
    assert isinstance(identity.subject, str)
    assert identity.claims["iss"] == "flask-core-auth"
    assert identity.claims["usefor"] == "access"
    assert identity.claims["exp"] > time.time() - 60


def run_tenant(data: bytes) -> None:
    """The header and, in the next line, the payload of a tenant's token, whose signature is valid."""
    header, _, payload = data.partition(b"\n")
    try:
        token = SignedToken(load_object(header), load_object(payload))
    except (ValueError, RecursionError):
        return
    with _app().app_context():
        try:
            _validator().validate_token(token, scopes=["edit"] if len(data) % 2 else None)
        except ForbiddenError:
            return
    assert token.claims["sub"] in _tenant().users


@functools.cache
def _validator() -> Auth0Validator:
    (tenant,) = _app().extensions["core_auth"].config.tenants
    return Auth0Validator(tenant)


def run_login(data: bytes) -> None:
    """The body of a login."""
    status = _send("POST", "/api/login", body=data)
    assert status in (200, 400, 403, 413), status
    if status == 200:
        sent = json.loads(data)
        assert {name: sent[name] for name in CREDENTIALS} == CREDENTIALS


def run_authorization(data: bytes) -> None:
    """The Authorization header of each kind of route."""
    header = data.decode("latin-1")
    assert _send("GET", "/who", authorization=header) in (200, 401)
    assert _send("GET", "/api/login/refresh", authorization=header) == 401
    assert _send("POST", "/api/login", authorization=header) in (200, 400, 403)
    body = json.dumps(CREDENTIALS).encode()
    assert _send("POST", "/api/login", authorization=header, body=body) in (200, 403)


def run_jwks(data: bytes) -> None:
    """The body of a key set; then tokens that claim to be signed with each of its keys."""
    try:
        keys = load_object(data).get("keys")
    except (ValueError, RecursionError):
        return
    if not isinstance(keys, list):
        return
    for kid, algorithms in jwks.parse_keys(keys).items():
        for algorithm, found in algorithms.items():
            assert all(isinstance(key, RSAKey) is algorithm.startswith(("RS", "PS")) for key in found)
            assert all(not key.is_private for key in found)
            _verify_signature(kid, algorithm, found)


def _verify_signature(kid: str, algorithm: str, keys: tuple[t.Any, ...]) -> None:
    validator = _validator_of(algorithm)
    header = encode(json.dumps({"alg": algorithm, "kid": kid}))
    for size in (0, 64, 256):
        token = b".".join((header, encode("{}"), encode(b"\x01" * size))).decode()
        with mock.patch.object(jwks.TenantKeys, "find", return_value=keys):
            try:
                validator.authenticate_token(token)
            except ForbiddenError:
                continue
        raise AssertionError(f"a signature of {size} bytes is accepted")


@functools.cache
def _validator_of(algorithm: str) -> Auth0Validator:
    app = Flask(__name__)
    config = _tenant().config
    config["API_AUTH_AUTH0_TENANTS"][0] |= {"algorithms": [algorithm]}
    app.config.update(config, API_AUTH_JWT_SECRET=SECRET)
    return Auth0Validator(AuthConfig.from_app(app).tenants[0])


_empty_app = functools.cache(lambda: Flask(__name__))


def run_config(data: bytes) -> None:
    """A setting, by its number in the first byte, and its value, which is also tried as JSON."""
    setting = SETTINGS[data[0] % len(SETTINGS) if data else 0]
    text = data[1:].decode("utf-8", "replace")
    values: list[object] = [text, data[1:].decode("utf-8", "surrogateescape")]
    with contextlib.suppress(ValueError, RecursionError):
        values.append(json.loads(text))
    for value in values:
        app = _empty_app()
        app.config = Config(app.root_path, {**app.default_config, "API_AUTH_JWT_SECRET": SECRET})
        app.config[setting.key] = value
        if isinstance(value, str):
            load_env(app.config, environ={f"CORE_{setting.key}": value})
        with contextlib.suppress(ConfigError):
            AuthConfig.from_app(app)
        _display(setting, value)


def run_client(data: bytes) -> None:
    """The response to each request of a client: the status, header fields, an empty line and the body."""
    head, _, body = data.partition(b"\n\n")
    status, *lines = head.split(b"\n")
    code = int(status) if status.isdigit() and len(status) == 3 and b"200" <= status < b"600" else 200
    headers = [(name, value) for name, colon, value in (line.partition(b":") for line in lines) if colon]

    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(code, headers=headers, stream=httpx2.ByteStream(body))

    for tokens in ({}, {"access_token": "opaque", "refresh_token": REFRESH_TOKEN}):
        with (
            _no_secret_in(CoreClientError, httpx2.RequestError),
            CoreClient(
                "http://core.example",
                username=USERNAME,
                password=CLIENT_PASSWORD,
                transport=httpx2.MockTransport(respond),
                **tokens,
            ) as client,
        ):
            client.get("/api/v3/process", follow_redirects=False)
            client.refresh()


@contextlib.contextmanager
def _no_secret_in(*documented: type[Exception]) -> Iterator[None]:
    """Suppress documented exceptions, unless they show a secret of the client."""
    try:
        yield
    except documented as error:
        shown = f"{error} {error!r} {vars(error)}"
        if CLIENT_PASSWORD in shown or REFRESH_TOKEN in shown:
            raise AssertionError(f"a secret is shown: {shown}") from None


TARGETS = {
    target.name: target
    for target in (
        Target("tokens", run_tokens),
        Target("tenant", run_tenant),
        Target("login", run_login),
        Target("authorization", run_authorization),
        Target("jwks", run_jwks),
        Target("config", run_config),
        Target("client", run_client),
    )
}

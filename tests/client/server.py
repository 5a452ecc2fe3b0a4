"""A server with the login of the Core API, on a real port, whose responses a test can replace."""

from __future__ import annotations

import json
import threading
import time
import typing as t
import uuid
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt

from ..apps import Clock

DAY = 86400.0
LOGIN, REFRESH = "/api/login", "/api/login/refresh"
PROCESS, FRESH = "/api/v3/process", "/api/v3/fresh"
REDIRECT, DOWNLOAD = "/api/v3/redirect", "/api/v3/download"
#: Limit on waits that end at once unless the test fails, in seconds: long enough for a busy machine.
PATIENCE = 60.0


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    bearer: str | None
    body: bytes
    headers: t.Mapping[str, str]


Fault = t.Callable[["Handler"], None]


class CoreServer:
    """The login of the Core API, and some protected routes.

    A test may change the attributes while the server runs. The clock stands still until a test moves it. A
    new secret invalidates all tokens of its kind.

    :ivar faults: functions that respond instead of the server, by path.
    :ivar skew: seconds by which the server's wall clock is ahead of the client's.
    """

    username = "admin"
    password = "correct horse battery staple"

    def __init__(self) -> None:
        self.access_secret = self.new_secret()
        self.refresh_secret = self.new_secret()
        self.access_expires = 600.0
        self.refresh_expires = DAY
        self.clock = Clock()
        self.skew = 0.0
        self.rotation = False
        self.opaque = False
        self.auth0_tokens: set[str] = set()
        self.faults: dict[str, Fault] = {}
        self.seen: list[Seen] = []
        self.proceed = threading.Event()
        self._http = _Listener(("127.0.0.1", 0), Handler)
        self._http.core = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self.proceed.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def count(self, path: str) -> int:
        return self.paths.count(path)

    @property
    def credentials(self) -> dict[str, str]:
        return {"username": self.username, "password": self.password}

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    @property
    def logins(self) -> int:
        return self.count(LOGIN)

    @property
    def refreshes(self) -> int:
        return self.count(REFRESH)

    @staticmethod
    def new_secret() -> str:
        return uuid.uuid4().hex

    def now(self) -> float:
        return self.clock() + self.skew

    def issue(self, usefor: str, *, fresh: bool = False) -> str:
        expires = self.access_expires if usefor == "access" else self.refresh_expires
        if self.opaque:
            return f"opaque-{usefor}-{uuid.uuid4().hex}"
        now = self.now()
        claims = {
            "exi": int(expires),
            "exp": now + expires,
            "iat": now,
            "iss": "datarhei-core",
            "jti": str(uuid.uuid4()),
            "sub": self.username,
            "usefor": usefor,
            "fresh": fresh,
        }
        return jwt.encode(claims, self._secret(usefor), algorithm="HS256")

    def verify(self, token: str | None, usefor: str) -> dict[str, t.Any] | None:
        if token is None:
            return None
        if self.opaque:
            return {"sub": self.username} if token.startswith(f"opaque-{usefor}-") else None
        try:
            claims: dict[str, t.Any] = jwt.decode(
                token,
                self._secret(usefor),
                algorithms=["HS256"],
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return None
        return claims if claims["usefor"] == usefor and claims["exp"] > self.now() else None

    def _secret(self, usefor: str) -> str:
        return self.access_secret if usefor == "access" else self.refresh_secret


class _Listener(ThreadingHTTPServer):
    core: CoreServer
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        core = self.server.core
        self.core = core
        self.url = urlsplit(self.path)
        self.body = self._read_body()
        scheme, _, bearer = self.headers.get("Authorization", "").partition(" ")
        self.bearer = bearer if scheme.lower() == "bearer" else None
        core.seen.append(Seen(self.command, self.url.path, self.bearer, self.body, dict(self.headers)))
        fault = core.faults.get(self.url.path)
        if fault:
            fault(self)
            return
        self.route()

    def do_POST(self) -> None:
        self.do_GET()

    def route(self) -> None:
        """Respond as a Core does."""
        routes = {
            LOGIN: self.on_login,
            REFRESH: self.on_refresh,
            PROCESS: self.on_process,
            FRESH: self.on_fresh,
            REDIRECT: self.on_redirect,
            DOWNLOAD: self.on_download,
        }
        routes.get(self.url.path, self.on_unknown)()

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def on_login(self) -> None:
        core = self.core
        if self.bearer is not None:
            admitted = self.bearer in core.auth0_tokens
        else:
            try:
                login = json.loads(self.body)
            except ValueError:
                return self.error(400, "Bad Request", "The body is no JSON")
            admitted = login.get("username") == core.username and login.get("password") == core.password
        if not admitted:
            return self.error(403, "Forbidden", "Invalid username or password")
        return self.respond(
            200, {"access_token": core.issue("access", fresh=True), "refresh_token": core.issue("refresh")}
        )

    def on_refresh(self) -> None:
        core = self.core
        if core.verify(self.bearer, "refresh") is None:
            return self.unauthorized()
        tokens = {"access_token": core.issue("access")}
        if core.rotation:
            tokens["refresh_token"] = core.issue("refresh")
        return self.respond(200, tokens)

    def on_process(self) -> None:
        claims = self.core.verify(self.bearer, "access")
        if claims is None:
            return self.unauthorized()
        return self.respond(200, {"user": claims["sub"], "body": self.body.decode()})

    def on_fresh(self) -> None:
        claims = self.core.verify(self.bearer, "access")
        if claims is None or not claims["fresh"]:
            return self.unauthorized()
        return self.respond(200, {})

    def on_unknown(self) -> None:
        self.error(404, "Not Found")

    def on_redirect(self) -> None:
        """A protected route that redirects."""
        if self.core.verify(self.bearer, "access") is None:
            return self.unauthorized()
        query = parse_qs(self.url.query)
        return self.respond(int(query["status"][0]), b"", {"Location": query["to"][0]})

    def on_download(self) -> None:
        """A protected route that sends the second half of its body when the test sets ``proceed``."""
        if self.core.verify(self.bearer, "access") is None:
            return self.unauthorized()
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"first")
        self.core.proceed.wait(PATIENCE)
        self.wfile.write(b"-last")
        return None

    def unauthorized(self) -> None:
        challenge = 'Bearer realm="datarhei-core", error="invalid_token"'
        self.error(401, "Unauthorized", "Missing or invalid JWT token", {"WWW-Authenticate": challenge})

    def error(
        self, status: int, message: str, detail: str = "", headers: t.Mapping[str, str] | None = None
    ) -> None:
        body = {"code": status, "message": message, "details": [detail] if detail else []}
        self.respond(status, body, headers)

    def respond(
        self,
        status: int,
        body: dict[str, t.Any] | bytes,
        headers: t.Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.core.now() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, *args: t.Any) -> None:
        pass


def responds(status: int, body: dict[str, t.Any] | bytes = b"", **headers: str) -> Fault:
    """Respond with this status and body. An underscore in a header's name stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.respond(status, body, named)


def html(status: int) -> Fault:
    """Respond with the error page of a proxy."""
    page = b"<html><body><h1>Something went wrong</h1></body></html>"
    return lambda handler: handler.respond(status, page, content_type="text/html")


def unauthorized(handler: Handler) -> None:
    """Respond with 401."""
    handler.unauthorized()


def drop(handler: Handler) -> None:
    """Close the connection without a response."""
    handler.close_connection = True


def cut_short(handler: Handler) -> None:
    """Close the connection in the middle of the response."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"access_token": ')
    handler.close_connection = True


def slow(seconds: float, then: Fault | None = None) -> Fault:
    """Respond as a Core does, or with ``then``, after ``seconds``."""

    def fault(handler: Handler) -> None:
        time.sleep(seconds)
        (then or Handler.route)(handler)

    return fault


def held(released: threading.Event, then: Fault | None = None) -> Fault:
    """Respond as a Core does, or with ``then``, once the test has set ``released``."""

    def fault(handler: Handler) -> None:
        released.wait(PATIENCE)
        (then or Handler.route)(handler)

    return fault

"""An app behind a real server: chunked bodies, repeated headers, bytes that no client library sends."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..apps import PASSWORD, SECRET, USERNAME
from ..forge import claims, forge
from ..tether import tethered

APP = f"""
from flask import Flask
from flask_core_auth import CoreAuth, auth_required, current_identity

app = Flask(__name__)
app.config.update(
    API_AUTH_USERNAME={USERNAME!r},
    API_AUTH_PASSWORD={PASSWORD!r},
    API_AUTH_JWT_SECRET={SECRET!r},
    API_AUTH_LOGIN_LIMIT=None,
    JWT_TOKEN_LOCATION=["headers", "query_string", "cookies"],
)
app.register_blueprint(CoreAuth())


@app.route("/who", methods=["GET", "POST"])
@auth_required
def who():
    return {{"subject": current_identity.subject}}
"""
CREDENTIALS = json.dumps({"username": USERNAME, "password": PASSWORD}).encode()
#: Time limit for a response and for the end of the server: far more than a slow machine needs.
PATIENCE_SECONDS = 120
#: Delay of a Core's response to a wrong password.
CORE_DELAY_SECONDS = 5


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    """Serve the app with gunicorn and two workers, and yield the port."""
    folder: Path = tmp_path_factory.mktemp("served")
    (folder / "served.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        number = listener.getsockname()[1]
        listener.set_inheritable(True)
        server = subprocess.Popen(
            tethered(
                *(sys.executable, "-m", "gunicorn", "served:app", "--workers", "2", "--threads", "2"),
                *("--bind", f"fd://{listener.fileno()}", "--log-level", "error"),
                *("--worker-tmp-dir", str(folder), "--graceful-timeout", "1", "--no-control-socket"),
                *("--keep-alive", str(PATIENCE_SECONDS)),
            ),
            cwd=folder,
            pass_fds=[listener.fileno()],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    # Connections wait in the socket's backlog until the workers are up.
    try:
        yield number
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE_SECONDS)
        finally:
            server.kill()


class Response(t.NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> t.Any:
        return json.loads(self.body)


def send(port: int, *pieces: bytes, shut: bool = False) -> Response:
    """Send bytes, and return the response.

    :param shut: whether to close the sending half of the connection afterwards.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            if shut:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has responded and closed the connection
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    return Response(int(re.match(r"HTTP/1\.1 (\d+)", status)[1]), headers, body)


def request(path: str, method: str = "GET", *fields: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def login(*fields: str) -> bytes:
    return request("/api/login", "POST", "Content-Type: application/json", *fields)


def chunks(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


CHUNKED = "Transfer-Encoding: chunked"


def test_login_refresh_and_protected_route_work_across_workers(port):
    response = send(port, login(f"Content-Length: {len(CREDENTIALS)}"), CREDENTIALS)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    access, refresh = response.json["access_token"], response.json["refresh_token"]
    # Each worker accepts the tokens of the others.
    for _ in range(8):
        assert send(port, request("/who", "GET", f"Authorization: Bearer {access}")).json == {
            "subject": "admin"
        }
    response = send(port, request("/api/login/refresh", "GET", f"Authorization: bearer {refresh}"))
    assert response.status == 200
    assert set(response.json) == {"access_token"}
    assert send(port, request("/who", "GET", f"Authorization: Bearer {refresh}")).status == 401


def test_chunked_body_is_read(port):
    for size in (1, 7, 1000):
        assert send(port, login(CHUNKED), chunks(CREDENTIALS, size)).status == 200


@pytest.mark.parametrize(("size", "status"), [(16384, 200), (16385, 413), (16386, 413), (300_000, 413)])
def test_large_body_is_rejected_chunked_or_not(port, size, status):
    body = CREDENTIALS.ljust(size)
    responses = [
        send(port, login(CHUNKED), chunks(body, 4096)),
        send(port, login(f"Content-Length: {size}"), body),
    ]
    for response in responses:
        assert response.status == status
        if status == 413:
            assert response.json["code"] == 413
            assert response.json["details"] == ["The body must not be larger than 16384 bytes"]


def test_endless_body_is_rejected(port):
    assert send(port, login(CHUNKED), chunks(b"x" * 20_000, 20_000)[:-5]).status == 413


def test_deeply_nested_json_is_a_bad_request(port):
    for field, body in (
        (CHUNKED, chunks(b"[" * 16384, 4096)),
        ("Content-Length: 16384", b"[" * 16384),
    ):
        response = send(port, login(field), body)
        assert response.status == 400
        assert response.json["details"] == ["The body is not valid JSON"]


@pytest.mark.parametrize(
    "broken", [b"zz\r\nxx\r\n0\r\n\r\n", b"5\r\n{", b"-1\r\n", b"5\r\n{}\r\n0\r\n\r\n"]
)
def test_broken_chunks_are_a_bad_request(port, broken):
    response = send(port, login(CHUNKED), broken, shut=True)
    assert response.status == 400
    assert response.json["code"] == 400


def test_body_that_ends_early_is_a_bad_request(port):
    response = send(port, login("Content-Length: 500"), CREDENTIALS[:-1], shut=True)
    assert response.status == 400
    assert response.json["code"] == 400


def test_repeated_authorization_header_is_an_invalid_token(port):
    good = f"Authorization: Bearer {forge(claims())}"
    assert send(port, request("/who", "GET", good)).status == 200
    for fields in ((good, good), (good, "Authorization: Bearer x"), ("Authorization: Basic x", good)):
        assert send(port, request("/who", "GET", *fields)).status == 401
    # A login with a body ignores the header.
    response = send(port, login(good, good, f"Content-Length: {len(CREDENTIALS)}"), CREDENTIALS)
    assert response.status == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer \xe4",
        "\xff",
        "Bearer " + "x" * 8000,
        "Bearer a b",
        "Basic YTpi",
        "Bearer \t x y",
    ],
)
def test_malformed_authorization_header_is_a_401(port, header):
    for path in ("/who", "/api/login/refresh"):
        response = send(port, request(path, "GET", f"Authorization: {header}"))
        assert response.status == 401
        assert response.json["code"] == 401
        assert response.headers["WWW-Authenticate"].startswith('Bearer realm="flask-core-auth"')


def test_invalid_utf8_is_a_client_error(port):
    cookie = request("/who", "GET", "Cookie: access_token_cookie=\xff.\xe4.")
    assert send(port, cookie).status == 401
    assert send(port, request("/who?jwt=%ff.%e4.")).status == 401
    assert send(port, login("Content-Length: 4"), b"\xff\xfe\x00\x00").status == 400


def test_connection_stays_open_after_an_error(port):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        for _ in range(3):
            connection.sendall(request("/who").replace(b"Connection: close\r\n", b""))
            received = b""
            while b'"]}' not in received:
                chunk = connection.recv(65536)
                assert chunk, "the server closed the connection"
                received += chunk
            assert received.startswith(b"HTTP/1.1 401")


def test_options_is_allowed_and_head_is_protected(port):
    response = send(port, request("/who", "OPTIONS"))
    assert response.status == 200
    response = send(port, request("/who", "HEAD"))
    assert (response.status, response.body) == (401, b"")


def test_wrong_password_gets_its_response_without_delay(port):
    body = CREDENTIALS.replace(PASSWORD.encode(), b"wrong")

    def seconds() -> float:
        start = time.monotonic()
        assert send(port, login(f"Content-Length: {len(body)}"), body).status == 403
        return time.monotonic() - start

    # On a slow machine, some responses may take long, but not all.
    assert any(seconds() < CORE_DELAY_SECONDS for _ in range(10))

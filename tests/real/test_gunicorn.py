"""What only a real server does: chunked bodies, repeated headers, bytes that no client library sends."""

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

from ..forge import SECRET, claims, forge
from ..tether import tethered

APP = f"""
from flask import Flask
from flask_core_auth import CoreAuth, auth_required, current_identity

app = Flask(__name__)
app.config.update(
    API_AUTH_USERNAME="admin",
    API_AUTH_PASSWORD="correct horse",
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
RIGHT = b'{"username":"admin","password":"correct horse"}'


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    """The port of a gunicorn that serves the app with two workers."""
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
            ),
            cwd=folder,
            pass_fds=[listener.fileno()],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    # Connections wait in the socket's backlog until the workers are there.
    try:
        yield number
    finally:
        server.terminate()
        server.wait(10)


class Answer(t.NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> t.Any:
        return json.loads(self.body)


def send(port: int, *pieces: bytes, shut: bool = False) -> Answer:
    """Send bytes as they are; with ``shut``, say that no more will come."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            if shut:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has answered already and closed
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    return Answer(int(re.match(r"HTTP/1\.1 (\d+)", status)[1]), headers, body)


def request(path: str, method: str = "GET", *fields: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def login(*fields: str) -> bytes:
    return request("/api/login", "POST", "Content-Type: application/json", *fields)


def chunks(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


CHUNKED = "Transfer-Encoding: chunked"


def test_the_whole_way(port):
    answer = send(port, login(f"Content-Length: {len(RIGHT)}"), RIGHT)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    access, refresh = answer.json["access_token"], answer.json["refresh_token"]
    # Other workers accept what one has issued.
    for _ in range(8):
        assert send(port, request("/who", "GET", f"Authorization: Bearer {access}")).json == {
            "subject": "admin"
        }
    answer = send(port, request("/api/login/refresh", "GET", f"Authorization: bearer {refresh}"))
    assert answer.status == 200
    assert set(answer.json) == {"access_token"}
    assert send(port, request("/who", "GET", f"Authorization: Bearer {refresh}")).status == 401


def test_a_chunked_body_is_read(port):
    for size in (1, 7, 1000):
        assert send(port, login(CHUNKED), chunks(RIGHT, size)).status == 200


@pytest.mark.parametrize(("size", "status"), [(16384, 200), (16385, 413), (16386, 413), (300_000, 413)])
def test_a_large_body_is_refused_chunked_or_not(port, size, status):
    body = RIGHT.ljust(size)
    answers = [
        send(port, login(CHUNKED), chunks(body, 4096)),
        send(port, login(f"Content-Length: {size}"), body),
    ]
    for answer in answers:
        assert answer.status == status
        if status == 413:
            assert answer.json["code"] == 413
            assert answer.json["details"] == ["The body must not be larger than 16384 bytes"]


def test_an_endless_body_is_refused(port):
    assert send(port, login(CHUNKED), chunks(b"x" * 20_000, 20_000)[:-5]).status == 413


def test_deep_json_is_a_bad_request(port):
    for field, body in (
        (CHUNKED, chunks(b"[" * 16384, 4096)),
        ("Content-Length: 16384", b"[" * 16384),
    ):
        answer = send(port, login(field), body)
        assert answer.status == 400
        assert answer.json["details"] == ["The body is not valid JSON"]


@pytest.mark.parametrize(
    "broken", [b"zz\r\nxx\r\n0\r\n\r\n", b"5\r\n{", b"-1\r\n", b"5\r\n{}\r\n0\r\n\r\n"]
)
def test_broken_chunks_are_a_bad_request(port, broken):
    answer = send(port, login(CHUNKED), broken, shut=True)
    assert answer.status == 400
    assert answer.json["code"] == 400


def test_a_body_that_ends_early_is_a_bad_request(port):
    answer = send(port, login("Content-Length: 500"), RIGHT[:-1], shut=True)
    assert answer.status == 400
    assert answer.json["code"] == 400


def test_a_doubled_authorization_header_is_an_invalid_token(port):
    good = f"Authorization: Bearer {forge(claims())}"
    assert send(port, request("/who", "GET", good)).status == 200
    for fields in ((good, good), (good, "Authorization: Bearer x"), ("Authorization: Basic x", good)):
        assert send(port, request("/who", "GET", *fields)).status == 401
    # At a login the body decides.
    answer = send(port, login(good, good, f"Content-Length: {len(RIGHT)}"), RIGHT)
    assert answer.status == 200


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
def test_headers_of_every_kind_are_a_401(port, header):
    for path in ("/who", "/api/login/refresh"):
        answer = send(port, request(path, "GET", f"Authorization: {header}"))
        assert answer.status == 401
        assert answer.json["code"] == 401
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="flask-core-auth"')


def test_bytes_that_are_no_text(port):
    cookie = request("/who", "GET", "Cookie: access_token_cookie=\xff.\xe4.")
    assert send(port, cookie).status == 401
    assert send(port, request("/who?jwt=%ff.%e4.")).status == 401
    assert send(port, login("Content-Length: 4"), b"\xff\xfe\x00\x00").status == 400


def test_connections_are_kept_after_an_error(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for _ in range(3):
            connection.sendall(request("/who").replace(b"Connection: close\r\n", b""))
            received = b""
            while b'"]}' not in received:
                received += connection.recv(65536)
            assert received.startswith(b"HTTP/1.1 401")


def test_options_and_head(port):
    answer = send(port, request("/who", "OPTIONS"))
    assert answer.status == 200
    answer = send(port, request("/who", "HEAD"))
    assert (answer.status, answer.body) == (401, b"")


def test_it_answers_at_once(port):
    body = RIGHT.replace(b"correct", b"wronger")
    start = time.monotonic()
    assert send(port, login(f"Content-Length: {len(body)}"), body).status == 403
    assert time.monotonic() - start < 2  # a Core takes five

"""Requests as bytes, sent over a socket, and their responses."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass

from .filling import raw

TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Request:
    """One request of a case.

    :param path: the request target, sent as it is.
    :param headers: pairs of name and value, sent as they are. Host and Content-Length are added if no pair
        has their name.
    :param body: a text; see :func:`.filling.raw`.
    :param json: a JSON value as the body; adds a Content-Type if no pair has its name.
    :param body_base64: any bytes as the body.
    :param host: the Host header; null: none.
    :param address: the client's address, one of 127.0.0.0/8.
    :param wait: seconds by which the clock is moved before.
    :param times: how often it is sent; each response must be as expected.
    """

    path: str
    method: str = "GET"
    headers: Sequence[Sequence[str]] = ()
    body: str | None = None
    json: t.Any = None
    body_base64: str | None = None
    host: str | None = "localhost"
    address: str = "127.0.0.1"
    wait: float = 0
    times: int = 1

    def content(self) -> bytes:
        """The body, as bytes."""
        if self.body_base64 is not None:
            return base64.b64decode(self.body_base64)
        if self.json is not None:
            return json.dumps(self.json).encode()
        return raw(self.body or "")

    def message(self) -> bytes:
        """The whole request, as bytes."""
        body, named = self.content(), {name.lower() for name, _ in self.headers}
        headers = [tuple(pair) for pair in self.headers]
        if self.host is not None and "host" not in named:
            headers.insert(0, ("Host", self.host))
        if self.json is not None and "content-type" not in named:
            headers.append(("Content-Type", "application/json"))
        has_body = body or self.method in ("POST", "PUT", "PATCH")
        if has_body and named.isdisjoint(("content-length", "transfer-encoding")):
            headers.append(("Content-Length", str(len(body))))
        head = f"{self.method} {self.path} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers)
        return raw(f"{head}\r\n") + body


@dataclass(frozen=True)
class Response:
    """A response.

    :param headers: pairs of name, in lower case, and value.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of a header, several joined by a comma; None without it."""
        values = self.all(name)
        return ", ".join(values) if values else None

    def all(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for named, value in self.headers if named == name.lower()]

    def json(self) -> t.Any:
        """The body, parsed."""
        return json.loads(self.body)

    def everything(self) -> bytes:
        """Headers and body, to search for secrets."""
        lines = "".join(f"{name}: {value}\n" for name, value in self.headers)
        return lines.encode() + self.body


def send(request: Request, port: int) -> Response:
    """Send a request to a port of this machine, and read the response up to its end."""
    with socket.create_connection(
        ("127.0.0.1", port), timeout=TIMEOUT_SECONDS, source_address=(request.address, 0)
    ) as connection:
        connection.sendall(request.message())
        response = http.client.HTTPResponse(connection, method=request.method)
        try:
            response.begin()
            body = response.read()
            headers = tuple((name.lower(), value) for name, value in response.getheaders())
            return Response(response.status, headers, body)
        finally:
            response.close()

"""Run the app of docs/tutorial.md from its first line to gunicorn."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http import HTTPStatus

from .blocks import Page


def status(url: str, body: dict[str, str] | None = None, **headers: str) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_app_of_the_tutorial(page: Page) -> None:
    page.run("install", "models.py", "auth.py", "app.py", "configure", "try")
    page.run("test_app.py", "test")
    assert "2 passed" in page.output
    page.run("gunicorn")
    address = f"http://127.0.0.1:{page.ports[8000]}"
    code, body = status(f"{address}/api/login", {"username": "alice", "password": "a new password"})
    assert code == HTTPStatus.OK
    header = {"Authorization": f"Bearer {json.loads(body)['access_token']}"}
    # Many requests: both processes of gunicorn answer some of them.
    assert {status(f"{address}/notes", None, **header)[0] for _ in range(20)} == {HTTPStatus.OK}
    assert status(f"{address}/notes")[0] == HTTPStatus.UNAUTHORIZED
    assert status(f"{address}/notes", {"text": ""}, **header)[0] == HTTPStatus.BAD_REQUEST
    unknown = {"username": "bob", "password": "a new password"}
    assert status(f"{address}/api/login", unknown)[0] == HTTPStatus.FORBIDDEN

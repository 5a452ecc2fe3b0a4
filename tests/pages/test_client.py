"""Run the code blocks of docs/client.md, and check its claims."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from unittest import mock

import pytest
from flask import request
from werkzeug.serving import make_server

from example_app import create_app
from flask_core_auth.client import AsyncCoreClient, CoreClient
from flask_core_auth.testing import FakeTenant

from .blocks import Page, move_clocks_by_sleep

PROFILE = "/api/v3/profile"


@dataclass
class Demo:
    """The example app, served at the address that the page shows."""

    tenant: FakeTenant = field(default_factory=FakeTenant)
    paths: list[str] = field(default_factory=list)  # the requested paths


@pytest.fixture
def demo(page: Page) -> Iterator[Demo]:
    demo = Demo()
    app = create_app(
        {
            "API_AUTH_USERNAME": "admin",
            "API_AUTH_PASSWORD": "correct-horse",
            "API_AUTH_JWT_SECRET": "made-with-flask-core-auth-generate-secret",
            "API_AUTH_JWT_ACCESS_EXPIRES": 5 * 60,
            **demo.tenant.config,
        }
    )
    app.before_request(lambda: demo.paths.append(request.path))
    server = make_server("127.0.0.1", page.ports[8080], app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield demo
    server.shutdown()
    server.server_close()


def test_second_run_of_the_program_makes_no_login(page: Page, demo: Demo) -> None:
    # The 5 and 6 seconds of the page are minutes here: no pause of the machine lasts as long.
    move_clocks_by_sleep(60)
    with mock.patch.object(sys, "argv", ["client.py", "correct-horse"]):
        page.run("program")
    assert demo.paths == ["/api/login", PROFILE, "/api/login/refresh", PROFILE]
    demo.paths.clear()
    with mock.patch.object(sys, "argv", ["client.py"]):
        page.run("program")
    assert "/api/login" not in demo.paths
    assert demo.paths.count(PROFILE) == 2


def test_clients_log_in(page: Page, demo: Demo) -> None:
    page.run("sync", CoreClient=CoreClient)
    page.run("async")
    with demo.tenant.serving():
        page.run("connect", current_token=demo.tenant.token)
    page.run("auth")
    page.run("failed-login", raises="LoginError")
    page.run("fresh-route", "cookie-jar")


def test_table_has_the_parameters_of_both_clients(page: Page) -> None:
    listed = page.text.partition("| parameter |")[2].partition("\n\n")[0].splitlines()[2:]
    named = [name.strip("` ") for row in listed for name in row.split("|")[1].split(",")]
    for kind in (CoreClient, AsyncCoreClient):
        parameters = inspect.signature(kind).parameters
        assert sorted(named) == sorted(set(parameters) - {"options"})
        assert parameters["timeout"].default == 15
        assert parameters["prefix"].default == "/api"

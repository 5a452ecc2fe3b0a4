"""The command ``explain``, and an app behind a real HTTP server, whose tokens it explains.

``conftest.py`` imports the fixture.
"""

from __future__ import annotations

import http.client
import json
import threading
import typing as t
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from flask import Flask, abort
from flask.cli import ScriptInfo
from werkzeug.serving import make_server

from flask_core_auth.cli import core_auth
from flask_core_auth.explanation import CHECKS

from .apps import EVE, SECRET, add_jwt_required_routes, log_in
from .forge import OTHER_SECRET, forge, read
from .frames import TOKEN
from .tenant import Tenant

if t.TYPE_CHECKING:
    from .conftest import MakeApp

REFRESH = "/api/login/refresh"


def explain(app: Flask, pasted: str | bytes, *options: str) -> Result:
    done = CliRunner().invoke(
        core_auth, ["explain", *options], input=pasted, obj=ScriptInfo(create_app=lambda: app)
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert TOKEN.search(done.output) is None
    assert SECRET not in done.output
    assert OTHER_SECRET not in done.output
    assert "Traceback" not in done.output
    return done


def checks(app: Flask, token: str) -> dict[str, dict[str, t.Any]]:
    """The checks of the JSON by name."""
    listed = json.loads(explain(app, token, "--json").stdout)["checks"]
    assert tuple(check["check"] for check in listed) == CHECKS
    return {check["check"]: check for check in listed}


def results(app: Flask, token: str) -> dict[str, bool | None]:
    """The checks that the token does not pass."""
    return {name: check["ok"] for name, check in checks(app, token).items() if check["ok"] is not True}


def rejections(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The log lines of rejected requests."""
    return [
        record.getMessage() for record in caplog.records if record.getMessage().startswith("Token rejected")
    ]


class Stage:
    """An app behind a real HTTP server, with sessions, cookies, a tenant and loaders.

    :ivar rejecting: the name of the loader that rejects every token.
    """

    def __init__(self, app: Flask, tenant: Tenant) -> None:
        self.app = app
        self.tenant = tenant
        self.rejecting = ""
        manager = app.extensions["flask-jwt-extended"]
        manager.token_in_blocklist_loader(lambda header, data: self.rejecting == "blocklist")
        manager.token_verification_loader(lambda header, data: self.rejecting != "verification")
        manager.user_lookup_loader(self.look_up)
        add_jwt_required_routes(app)
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def look_up(self, header: object, data: object) -> object:
        if self.rejecting == "abort":
            abort(403)
        if self.rejecting == "fails":
            raise RuntimeError(SECRET)
        return None if self.rejecting == "lookup" else "user"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def send(self, path: str, headers: dict[str, str], method: str = "GET") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.server_port)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def token(self, use: str = "access", username: str = "admin", **changes: t.Any) -> str:
        """A token of a new login, with changes to its claims."""
        return forge(self.claims(use, username, **changes))

    def claims(self, use: str = "access", username: str = "admin", **changes: t.Any) -> dict[str, t.Any]:
        valid = read(log_in(self.app, username)[f"{use}_token"])
        return {name: value for name, value in {**valid, **changes}.items() if value is not ...}

    def logged_out(self, use: str) -> str:
        tokens = log_in(self.app)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert self.send("/api/logout", headers, "POST") == 204
        return tokens[f"{use}_token"]

    def of_removed_user(self) -> str:
        token = log_in(self.app, "eve")["refresh_token"]
        del self.app.extensions["core_auth"].validators._local._users["eve"]
        return token

    def of_removed_tenant(self) -> str:
        bearer = {"Authorization": f"Bearer {self.tenant.token()}"}
        tokens = self.app.test_client().post("/api/login", headers=bearer).json
        self.app.extensions["core_auth"].validators._tenants.clear()
        return t.cast(str, tokens["refresh_token"])

    def spent(self) -> str:
        first = log_in(self.app)["refresh_token"]
        assert self.send("/api/login/refresh", {"Authorization": f"Bearer {first}"}) == 200
        return first


@pytest.fixture
def stage(make_app: MakeApp, tenant: Tenant, sqlite_url: str) -> Iterator[Stage]:
    app = make_app(
        API_AUTH_SESSIONS=sqlite_url,
        API_AUTH_SESSION_CHECK="always",
        API_AUTH_REFRESH_ROTATION=True,
        API_AUTH_REFRESH_GRACE=0,
        API_AUTH_COOKIES=True,
        API_AUTH_USERS=EVE,
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_AUTH0_TENANTS=[tenant.settings()],
        debug=True,
    )
    stage = Stage(app, tenant)
    yield stage
    stage.close()

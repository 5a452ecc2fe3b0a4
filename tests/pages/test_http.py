"""``docs/http.md``: every route and status, and the wrapper of ``fetch`` in a JavaScript engine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import typing as t
from collections import Counter

import pytest
from flask import Flask, Response, current_app, request
from werkzeug.serving import make_server

from flask_core_auth import CoreAuth, auth_required, current_identity
from flask_core_auth.openapi import spec
from flask_core_auth.routes import ROUTES

from ..apps import CREDENTIALS, EVE, PASSWORD, SECRET, USERNAME, Clock, bearer, log_in, post_login
from ..example_app import stage
from .blocks import Page
from .tables import read, rows

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE = read("http.md")
OWN_ROUTES = "your protected routes"


def new_app(path: Path, **config: t.Any) -> Flask:
    """Make an app with every route."""
    app = Flask("http", instance_path=str(path))
    app.config.update(
        API_AUTH_USERNAME=USERNAME,
        API_AUTH_PASSWORD=PASSWORD,
        API_AUTH_JWT_SECRET=SECRET,
        API_AUTH_SESSIONS="sqlite:///sessions.db",
        API_AUTH_ABOUT={"app": "my-app", "version": {"number": "1.2.3"}, "id": "7"},
        API_AUTH_OPENAPI=True,
    )
    app.config.update(config)
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/me", "me", auth_required(lambda: {"me": current_identity.subject}))
    app.add_url_rule("/fresh", "fresh", auth_required(fresh=True)(lambda: {"fresh": True}))
    app.add_url_rule("/scope", "scope", auth_required(scopes="read")(lambda: {"scope": True}))
    return app


# The tables


def documented() -> dict[str, set[str]]:
    return {row[0].strip("`"): set(re.findall(r"\b\d{3}\b", row[3])) for row in rows(PAGE, "request")}


def test_every_route_is_listed_with_every_status(tmp_path: Path) -> None:
    paths = spec(new_app(tmp_path))["paths"]
    described = {
        f"{method.upper()} {path.replace('{', '<').replace('}', '>')}": set(operation["responses"])
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    listed = documented()
    listed.pop(OWN_ROUTES)
    assert listed == described
    assert set(listed) == {f"{route.method} /api{route.rule}" for route in ROUTES}


def test_every_error_status_has_a_meaning() -> None:
    statuses = set.union(*documented().values())
    assert {row[0] for row in rows(PAGE, "status")} == {status for status in statuses if status >= "400"}


def test_condition_of_a_route_is_the_documented_setting(tmp_path: Path) -> None:
    conditions = {row[0].strip("`"): re.findall(r"API_AUTH_\w+", row[1]) for row in rows(PAGE, "request")}
    off = {"API_AUTH_SESSIONS": None, "API_AUTH_ABOUT": None, "API_AUTH_OPENAPI": False}
    on = {"API_AUTH_SESSIONS": "sqlite:///s.db", "API_AUTH_ABOUT": {}, "API_AUTH_OPENAPI": True}
    for route in ROUTES:
        keys = conditions[f"{route.method} /api{route.rule}"]
        for key in keys:
            values = {"API_AUTH_COOKIES": True, **on}
            assert has_route(new_app(tmp_path, **{**off, key: values[key]}), route.endpoint)
        assert has_route(new_app(tmp_path, **off), route.endpoint) is (keys == [])


def has_route(app: Flask, endpoint: str) -> bool:
    return any(rule.endpoint == f"core_auth.{endpoint}" for rule in app.url_map.iter_rules())


def test_challenges_and_their_meanings_are_real(tmp_path: Path, clock: Clock) -> None:
    app = new_app(
        tmp_path,
        API_AUTH_USERNAME=None,
        API_AUTH_PASSWORD=None,
        API_AUTH_USERS={USERNAME: {"password": PASSWORD}},
    )
    tokens = log_in(app)
    client = app.test_client()
    refreshed = client.get("/api/login/refresh", headers=bearer(tokens["refresh_token"])).json
    responses = [
        client.get("/me"),
        client.get("/me", headers=bearer("x")),
        client.get("/fresh", headers=bearer(refreshed["access_token"])),
        client.get("/scope", headers=bearer(tokens["access_token"])),
    ]
    found = [response.headers["WWW-Authenticate"].replace('"read"', '"..."') for response in responses]
    assert found == [row[0].strip("`") for row in rows(PAGE, "`WWW-Authenticate`")]
    assert [response.status_code for response in responses] == [401, 401, 401, 403]
    clock.move(600)
    expired = client.get("/me", headers=bearer(tokens["access_token"]))
    assert expired.headers["WWW-Authenticate"] == found[1]


def test_other_paths_and_methods_are_the_apps_own_errors(tmp_path: Path) -> None:
    app = new_app(tmp_path)
    client, header = app.test_client(), bearer(log_in(app)["refresh_token"])
    assert client.head("/api/login/refresh", headers=header).status_code == 405
    assert client.get("/api/login").status_code == 405
    assert client.get("/api/", headers=header).status_code == 404
    assert client.options("/api/login").status_code == client.options("/me").status_code == 200


def test_json_of_the_page_is_the_json_of_the_routes(page: Page, tmp_path: Path) -> None:
    page.run("credentials", "tokens", "about", "error")
    names = ("credentials", "tokens", "about", "error")
    credentials, tokens, about, error = (json.loads(page.code_of(name)) for name in names)
    app = new_app(tmp_path, API_AUTH_USERNAME="admin", API_AUTH_PASSWORD="correct-horse")
    client = app.test_client()
    login = client.post("/api/login", json={**credentials, "more": 1})
    assert login.status_code == 200
    assert set(login.json) == set(tokens)
    assert client.get("/api").json == client.get("/api", headers=bearer("x")).json == about
    assert client.get("/api", headers=bearer(login.json["access_token"])).json["id"] == "7"
    assert client.get("/me").json == error
    assert (
        client.get("/me", headers={"Authorization": f"bEARER {login.json['access_token']}"}).status_code
        == 200
    )


def test_tokens_and_sessions_are_not_cached(tmp_path: Path) -> None:
    app = new_app(tmp_path)
    client = app.test_client()
    login = post_login(client)
    access, refresh = bearer(login.json["access_token"]), bearer(login.json["refresh_token"])
    private = [client.get(path, headers=access) for path in ("/api", "/api/sessions")]
    for response in (login, *private, client.get("/api/login/refresh", headers=refresh)):
        assert response.headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in client.get("/api").headers


# The wrapper of fetch


@pytest.fixture
def wrapper(page: Page) -> str:
    return page.code_of("api.js")


class Served:
    """An app on a real port, with the requests that it has answered, in their order."""

    def __init__(self, wrapper: str, path: Path, clock: Clock, **config: t.Any) -> None:
        self.wrapper = wrapper
        self.seen: list[str] = []
        self.app = new_app(path, **config)
        self.is_down = False
        #: A refresh has arrived; refreshes may go on.
        self.arrived, self.released = threading.Event(), threading.Event()
        self.released.set()
        repeated = threading.Event()

        def is_late() -> None:
            # The 401 of this request must arrive when another request was repeated with a new token.
            if request.path == "/late" and not self.seen.count("200 /me"):
                assert repeated.wait(60)

        def wait() -> str:
            assert self.arrived.wait(60)
            return ""

        def release() -> str:
            self.released.set()
            return ""

        def hold() -> None:
            if request.path.endswith("/refresh"):
                self.arrived.set()
                assert self.released.wait(60)

        def refuse() -> Response | None:
            if self.is_down and request.path.endswith("/refresh"):
                return Response(status=503, headers={"Retry-After": "5"})
            return None

        def note(response: Response) -> Response:
            self.seen.append(f"{response.status_code} {request.path}")
            if self.seen[-1] == "200 /me":
                repeated.set()
            return response

        def move(seconds: str) -> str:
            clock.move(float(seconds))
            self.seen.clear()
            repeated.clear()
            return ""

        def down() -> str:
            self.is_down = True
            return ""

        self.app.before_request(is_late)
        self.app.before_request(refuse)
        self.app.before_request(hold)
        self.app.add_url_rule("/wait", "wait", wait)
        self.app.add_url_rule("/release", "release", release)
        self.app.after_request(note)
        late = auth_required(lambda: {"late": True})
        self.app.add_url_rule("/late", "late", late)
        echo = auth_required(lambda: {"echo": request.get_json()})
        self.app.add_url_rule("/echo", "echo", echo, methods=["POST"])
        self.app.add_url_rule("/move/<seconds>", "move", move)
        self.app.add_url_rule("/down", "down", down)
        self.app.add_url_rule("/", "page", lambda: "<!doctype html><title>empty</title>")
        self.app.add_url_rule(
            "/api.js",
            "wrapper",
            lambda: current_app.response_class(wrapper, mimetype="text/javascript"),
        )

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        server = make_server("127.0.0.1", 0, self.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def run_in_node(wrapper: str, scenario: str, address: str, path: Path) -> t.Any:
    (path / "api.mjs").write_text(wrapper)
    (path / "run.mjs").write_text(
        'import { createClient } from "./api.mjs";\n'
        f"const result = await ({scenario})(createClient({address!r}), {address!r});\n"
        "console.log(JSON.stringify(result));\n"
    )
    environ = {**os.environ, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        ["node", path / "run.mjs"], capture_output=True, text=True, timeout=120, env=environ, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_in_chromium(wrapper: str, scenario: str, address: str, path: Path) -> t.Any:
    with stage.open_browser() as browser:
        tab = browser.new_page()
        tab.goto(address)
        return tab.evaluate(
            "async (address) => { const { createClient } = await import('/api.js');"
            f" return await ({scenario})(createClient(), address); }}",
            address,
        )


def engine() -> Callable[[str, str, str, Path], t.Any]:
    if shutil.which("node"):
        return run_in_node
    if stage.CHROMIUM is not None:
        return run_in_chromium
    if os.environ.get("CI") == "true":
        pytest.fail("neither Node nor Chromium is installed")
    pytest.skip("neither Node nor Chromium is installed")


#: Logs in, lets the access token expire, and then does the rest.
EXPIRED = """async (client, address) => {{
  const login = await client.logIn({username!r}, {password!r});
  await fetch(address + "/move/600");
  const status = async (path, options) => (await client.request(path, options)).status;
  {rest}
}}"""


def run(served: Served, path: Path, rest: str) -> t.Any:
    scenario = EXPIRED.format(username=CREDENTIALS["username"], password=CREDENTIALS["password"], rest=rest)
    with served.serving() as address:
        return engine()(served.wrapper, scenario, address, path)


@pytest.mark.parametrize("rotation", [False, True], ids=["same refresh token", "rotation"])
def test_wrapper_refreshes_once_for_concurrent_requests(
    wrapper: str, tmp_path: Path, clock: Clock, rotation: bool
) -> None:
    served = Served(wrapper, tmp_path, clock, API_AUTH_REFRESH_ROTATION=rotation, API_AUTH_REFRESH_GRACE=0)
    rest = 'return await Promise.all(["/me", "/me", "/me", "/late"].map((path) => status(path)));'
    assert run(served, tmp_path, rest) == [200] * 4
    assert Counter(served.seen[1:]) == {
        "401 /me": 3,
        "401 /late": 1,
        "200 /api/login/refresh": 1,
        "200 /me": 3,
        "200 /late": 1,
    }


@pytest.mark.parametrize("rotation", [False, True], ids=["same refresh token", "rotation"])
def test_wrapper_refreshes_again_when_the_next_token_expires(
    wrapper: str, tmp_path: Path, clock: Clock, rotation: bool
) -> None:
    served = Served(wrapper, tmp_path, clock, API_AUTH_REFRESH_ROTATION=rotation, API_AUTH_REFRESH_GRACE=0)
    rest = """
      const first = await status("/me");
      await fetch(address + "/move/600");
      return [first, await status("/me")];
    """
    assert run(served, tmp_path, rest) == [200, 200]
    assert served.seen == ["200 /move/600", "401 /me", "200 /api/login/refresh", "200 /me"]


def test_wrapper_sends_body_and_headers_again(wrapper: str, tmp_path: Path, clock: Clock) -> None:
    rest = """
      const headers = { "Content-Type": "application/json" };
      const response = await client.request("/echo", { method: "POST", headers, body: "[7]" });
      return await response.json();
    """
    assert run(Served(wrapper, tmp_path, clock), tmp_path, rest) == {"echo": [7]}


def test_wrapper_returns_the_401_after_the_session_has_ended(
    wrapper: str, tmp_path: Path, clock: Clock
) -> None:
    served = Served(wrapper, tmp_path, clock, API_AUTH_JWT_REFRESH_EXPIRES=600)
    rest = 'return [await status("/me"), await status("/me")];'
    assert run(served, tmp_path, rest) == [401, 401]
    assert served.seen[1:] == ["401 /me", "401 /api/login/refresh", "401 /me"]


def test_wrapper_keeps_the_tokens_while_the_refresh_is_unavailable(
    wrapper: str, tmp_path: Path, clock: Clock
) -> None:
    served = Served(wrapper, tmp_path, clock)
    rest = """
      await fetch(address + "/down");
      const both = await Promise.all([client.request("/me"), client.request("/me")]);
      const waits = both.map((response) => response.headers.get("Retry-After"));
      await Promise.all(both.map((response) => response.text()));
      return [...both.map((response) => response.status), ...waits, await status("/me")];
    """
    assert run(served, tmp_path, rest) == [503, 503, "5", "5", 503]


def test_wrapper_does_not_refresh_for_a_fresh_login(wrapper: str, tmp_path: Path, clock: Clock) -> None:
    served = Served(wrapper, tmp_path, clock)
    rest = 'return [await status("/me"), await status("/fresh")];'
    assert run(served, tmp_path, rest) == [200, 401]
    assert served.seen.count("200 /api/login/refresh") == 1


def test_wrapper_keeps_the_tokens_of_a_login_during_the_refresh(
    wrapper: str, tmp_path: Path, clock: Clock
) -> None:
    served = Served(wrapper, tmp_path, clock, API_AUTH_USERS=EVE)
    served.released.clear()
    rest = f"""
      const before = client.request("/me");
      await fetch(address + "/wait");
      await client.logIn("eve", {PASSWORD!r});
      await fetch(address + "/release");
      const responses = [await before, await client.request("/me")];
      return await Promise.all(responses.map(async (response) => (await response.json()).me));
    """
    assert run(served, tmp_path, rest) == ["eve", "eve"]


def test_wrapper_sends_no_token_to_another_origin(wrapper: str, tmp_path: Path, clock: Clock) -> None:
    rest = """
      const failures = [];
      for (const path of ["//evil.example/me", "https://evil.example/me"])
        await client.request(path).catch((error) => failures.push(error.message));
      return failures;
    """
    failures = run(Served(wrapper, tmp_path, clock), tmp_path, rest)
    assert [failure.partition(" is ")[2] for failure in failures] == ["of another origin"] * 2


def test_wrapper_reports_a_rejected_login(wrapper: str, tmp_path: Path, clock: Clock) -> None:
    rest = """
      const rejected = await client.logIn("admin", "wrong");
      return [login.status, rejected.status, await status("/me")];
    """
    assert run(Served(wrapper, tmp_path, clock), tmp_path, rest) == [200, 403, 200]

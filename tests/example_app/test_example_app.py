"""The example app's routes and config, without a browser."""

from __future__ import annotations

import html
import inspect
import os
import re
import typing as t
from pathlib import Path

import pytest

from example_app import create_app, demo
from example_app.routes import admin, ping, profile, secrets

from ..apps import PASSWORD, SECRET, bearer, log_in, refresh
from .config import CONFIG

if t.TYPE_CHECKING:
    from flask.testing import FlaskClient


@pytest.fixture
def client() -> FlaskClient:
    return create_app(CONFIG).test_client()


ADMIN = {"/ping": 200, "/profile": 200, "/secrets": 200, "/admin": 200}
VIEWER = {"/ping": 200, "/profile": 200, "/secrets": 200, "/admin": 403}
ANONYMOUS = {"/ping": 200, "/profile": 401, "/secrets": 401, "/admin": 401}


@pytest.mark.parametrize(
    ("username", "statuses"), [("admin", ADMIN), ("viewer", VIEWER), (None, ANONYMOUS)]
)
def test_each_user_reaches_only_the_allowed_routes(
    client: FlaskClient, username: str | None, statuses: dict[str, int]
) -> None:
    headers = bearer(log_in(client, username)["access_token"]) if username else {}
    assert {
        path: client.get(f"/api/v3{path}", headers=headers).status_code for path in statuses
    } == statuses


def test_refreshed_token_reaches_all_but_the_fresh_route(client: FlaskClient) -> None:
    tokens = log_in(client, "admin")
    refreshed = refresh(client, tokens["refresh_token"]).json
    assert refreshed is not None
    headers = bearer(refreshed["access_token"])
    statuses = {path: client.get(f"/api/v3{path}", headers=headers).status_code for path in ADMIN}
    assert statuses == {**ADMIN, "/secrets": 401}


def test_profile_returns_subject_idp_and_scopes(client: FlaskClient) -> None:
    headers = bearer(log_in(client, "viewer")["access_token"])
    assert client.get("/api/v3/profile", headers=headers).json == {
        "subject": "viewer",
        "idp": "local",
        "scopes": [],
    }


def test_config_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORE_API_AUTH_USERNAME", "root")
    monkeypatch.setenv("CORE_API_AUTH_PASSWORD", PASSWORD)
    monkeypatch.setenv("CORE_API_AUTH_JWT_SECRET", SECRET)
    client = create_app().test_client()
    headers = bearer(log_in(client, "root")["access_token"])
    assert client.get("/api/v3/admin", headers=headers).json == {"welcome": "root"}


def test_about_names_the_ways_to_log_in(client: FlaskClient) -> None:
    assert client.get("/api").json == {
        "app": "flask-core-auth-example",
        "auths": ["localjwt"],
        "version": {"number": "1.0.0"},
    }


# The pages, without a browser


def test_page_offers_every_route_with_its_purpose(client: FlaskClient) -> None:
    page = client.get("/").text
    for path in ADMIN:
        assert f'data-url="/api/v3{path}"' in page
    assert "Requires the scope admin." in page


def test_page_shows_the_source_of_each_view(client: FlaskClient) -> None:
    page = html.unescape(client.get("/").text)
    for view in (ping, profile, secrets, admin, create_app):
        assert inspect.getsource(view) in page


def test_page_shows_the_sources_that_were_read_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    client = create_app(CONFIG).test_client()
    monkeypatch.setattr(inspect, "getsource", lambda view: "# edited later")
    page = client.get("/").text
    assert "def profile()" in page
    assert "# edited later" not in page


def test_pages_work_below_a_path(client: FlaskClient) -> None:
    page = client.get("/", base_url="http://localhost/below/").text
    assert 'data-prefix="/below/api"' in page
    assert 'src="/below/static/app.js"' in page
    assert 'href="/below/docs"' in page
    docs = client.get("/docs", base_url="http://localhost/below/").text
    assert 'data-url="/below/openapi.json"' in docs
    assert 'src="/below/docs/assets/swagger-ui-bundle.js"' in docs


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_contain_no_inline_script_or_style(client: FlaskClient, path: str) -> None:
    page = client.get(path).text
    scripts = re.findall("<script[^>]*>[^<]*</script>", page)
    assert len(scripts) == page.count("<script") > 0
    assert all(
        re.fullmatch('<script (defer|type="module") src="[^"]+"></script>', script) for script in scripts
    )
    assert "<style" not in page
    assert " style=" not in page
    assert " on" not in "".join(part.partition(">")[0] for part in page.split("<"))


STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def policy(header: str) -> dict[str, str]:
    return dict(directive.split(" ", 1) for directive in header.split("; "))


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/api/v3/ping", "/api/v3/profile", "/nowhere"])
def test_every_response_carries_the_security_headers(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:  # closes a static file
        headers = response.headers
    assert policy(headers["Content-Security-Policy"]) == {
        **STRICT,
        "img-src": "'self'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_policy_of_the_docs_also_allows_data_images_and_markup(client: FlaskClient) -> None:
    headers = client.get("/docs").headers
    assert policy(headers["Content-Security-Policy"]) == {**STRICT, "img-src": "'self' data:"}
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_view_may_set_its_own_policy() -> None:
    app = create_app(CONFIG)
    app.add_url_rule("/own", view_func=lambda: ("", {"Content-Security-Policy": "default-src 'self'"}))
    assert app.test_client().get("/own").headers["Content-Security-Policy"] == "default-src 'self'"


# make demo


@pytest.fixture
def start_demo(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., list[str]]:
    """Run the demo until it starts gunicorn, and return the command line of gunicorn."""

    def start(**environ: str) -> list[str]:
        commands: list[list[str]] = []
        monkeypatch.setattr(os, "environ", environ)
        monkeypatch.setattr(os, "execv", lambda _, command: commands.append(command))
        demo.main()
        (command,) = commands
        return command

    return start


def test_demo_makes_a_password_and_prints_it(
    start_demo: t.Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    command = start_demo()
    assert command[command.index("--bind") + 1] == "127.0.0.1:8080"
    printed = capsys.readouterr().out
    assert f"user 'admin', password {os.environ['CORE_API_AUTH_PASSWORD']!r}" in printed
    assert "http://127.0.0.1:8080" in printed
    assert os.environ["CORE_API_AUTH_JWT_SECRET"] not in printed


def test_demo_keeps_sessions_in_the_instance_folder(start_demo: t.Callable[..., list[str]]) -> None:
    start_demo()
    assert os.environ["CORE_API_AUTH_SESSIONS"] == "sqlite:///core-auth.db"
    root = Path(__file__).parents[2]
    assert create_app(CONFIG).instance_path == str(root / "instance")
    assert "/instance/" in (root / ".gitignore").read_text().splitlines()


def test_demo_prefers_settings_from_the_environment(
    start_demo: t.Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    command = start_demo(
        DEMO_ADDRESS="127.0.0.1:9999",
        CORE_API_AUTH_USERNAME="root",
        CORE_API_AUTH_PASSWORD=PASSWORD,
        CORE_API_AUTH_SESSIONS="redis://localhost",
    )
    assert command[command.index("--bind") + 1] == "127.0.0.1:9999"
    assert os.environ["CORE_API_AUTH_USERNAME"] == "root"
    assert os.environ["CORE_API_AUTH_SESSIONS"] == "redis://localhost"
    assert "user 'root'" in capsys.readouterr().out

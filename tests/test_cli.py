"""flask core-auth ..., as it is run: by the flask command, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.security import check_password_hash

from flask_core_auth.config import SETTINGS

from .sessions.conftest import started
from .sessions.servers import RedisServer

SECRET = "a-secret-of-at-least-thirty-two-bytes"
APP = """
from flask import Flask
from flask_core_auth import CoreAuth, load_env

app = Flask(__name__)
load_env(app.config)
app.register_blueprint(CoreAuth())
"""


@pytest.fixture
def flask(tmp_path: Path):
    def run(*args: str, app: str = APP, stdin: str = "", debug: bool = False, **environ: str):
        (tmp_path / "wsgi.py").write_text(app)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CORE_", "RS_"))}
        command = [sys.executable, "-m", "flask", *(["--debug"] if debug else []), "core-auth", *args]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**clean, "PYTHONPATH": str(Path(__file__).parents[1]), **environ},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture
def redis_url() -> Iterator[str]:
    for server in started(RedisServer):
        yield server.url


def test_check_shows_every_setting_and_no_secret(flask):
    done = flask(
        "check",
        CORE_API_AUTH_USERNAME="admin",
        CORE_API_AUTH_PASSWORD="correct-horse",
        CORE_API_AUTH_JWT_SECRET=SECRET,
        CORE_API_AUTH_LIMIT_STORAGE="redis://user:hidden@localhost:1/0",
        CORE_API_AUTH_USERS='{"bob": {"password": "battery-staple"}}',
        CORE_API_AUTH_SESSIONS="postgresql+psycopg://user:hidden@localhost:1/db",
    )
    assert "Traceback" not in done.stderr
    for setting in SETTINGS:
        assert setting.key in done.stdout
    for secret in ("correct-horse", "battery-staple", SECRET, "hidden"):
        assert secret not in done.stdout + done.stderr
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert lines["API_AUTH_USERNAME"] == ["admin", "set"]
    assert lines["API_AUTH_PASSWORD"] == ["********", "set"]
    assert lines["API_AUTH_USERS"] == ["********", "set"]
    assert lines["API_AUTH_LIMIT_STORAGE"] == ["redis://********@localhost:1/0", "set"]
    assert lines["API_AUTH_REALM"] == ["flask-core-auth", "default"]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("redis://:hid/den@host:1/0", "redis://********@host:1/0"),
        ("redis://:hid@den@host:1/0", "redis://********@host:1/0"),
        ("redis://host:1/0?password=hidden", "redis://********@host:1/0"),
        ("redis://host:1/0", "redis://host:1/0"),
    ],
)
def test_of_an_address_only_the_place_is_shown(uri, shown):
    from flask_core_auth.check import _display

    assert _display(uri, secret=True) == shown


def test_check_says_where_a_derived_setting_comes_from(flask):
    app = APP.replace("load_env(app.config)", f"app.config['JWT_SECRET_KEY'] = {SECRET!r}")
    done = flask("check", "--json", app=app)
    report = json.loads(done.stdout)
    assert report["settings"]["API_AUTH_JWT_SECRET"] == {
        "value": "********",
        "origin": "from JWT_SECRET_KEY",
    }


def test_check_names_every_broken_key_where_the_app_cannot_load(flask):
    broken = {
        "CORE_API_AUTH_ENABLE": "maybe",
        "CORE_API_AUTH_JWT_SECRET": "short",
        "CORE_API_AUTH_JWT_ACCESS_EXPIRES": "soon",
        "CORE_API_AUTH_AUTH0_TENANTS": "nonsense",
        "CORE_API_AUTH_LOGIN_LIMIT": "often",
    }
    done = flask("check", **broken)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    for key in broken:
        assert f"Error: {key.removeprefix('CORE_')} " in done.stdout
    report = json.loads(flask("check", "--json", **broken).stdout)
    assert not report["ok"]
    assert len(report["errors"]) == len(broken)


def test_check_of_an_app_without_the_blueprint_fails(flask):
    done = flask("check", app="from flask import Flask\napp = Flask(__name__)\n")
    assert done.returncode == 1
    assert "No CoreAuth is registered" in done.stdout


def test_check_warns_of_what_will_hurt(flask):
    environ = {
        "CORE_API_AUTH_USERNAME": "admin",
        "CORE_API_AUTH_PASSWORD": "correct-horse",
        "CORE_API_AUTH_JWT_SECRET": SECRET,
        "CORE_API_AUTH_DISABLE_LOCALHOST": "true",
    }
    warnings = json.loads(flask("check", "--json", **environ).stdout)["warnings"]
    for word in ("API_AUTH_DISABLE_LOCALHOST", "plain text", "in memory", "ProxyFix"):
        assert any(word in warning for warning in warnings), word
    in_debug = json.loads(flask("check", "--json", debug=True, **environ).stdout)["warnings"]
    assert any("API_AUTH_DISABLE_LOCALHOST" in warning for warning in in_debug)
    assert not any("plain text" in warning for warning in in_debug)


def test_check_sees_a_proxy_fix_under_another_middleware(flask):
    app = APP + (
        "from werkzeug.middleware.dispatcher import DispatcherMiddleware\n"
        "from werkzeug.middleware.proxy_fix import ProxyFix\n"
        "app.wsgi_app = DispatcherMiddleware(ProxyFix(app.wsgi_app))\n"
    )
    report = json.loads(flask("check", "--json", app=app, CORE_API_AUTH_JWT_SECRET=SECRET).stdout)
    assert not any("ProxyFix" in warning for warning in report["warnings"])


def test_check_tells_of_views_that_only_look_protected(flask):
    app = APP + (
        "from flask_core_auth import auth_required\n"
        "@auth_required\n@app.get('/reversed')\ndef reversed(): return ''\n"
        "@app.route('/options', methods=['GET', 'OPTIONS'])\n@auth_required\ndef options(): return ''\n"
        "@app.get('/right')\n@auth_required\ndef right(): return ''\n"
    )
    report = json.loads(flask("check", "--json", app=app, CORE_API_AUTH_JWT_SECRET=SECRET).stdout)
    assert any(warning.startswith("/reversed is open") for warning in report["warnings"])
    assert any(warning.startswith("/options answers OPTIONS itself") for warning in report["warnings"])
    assert not any("/right" in warning for warning in report["warnings"])


def test_check_warns_of_settings_that_do_nothing(flask):
    app = APP.replace("load_env(app.config)", "load_env(app.config); app.config['API_AUTH_PASSWROD'] = 'x'")
    tenants = json.dumps([{"domain": "tenant.example", "audience": "https://api.example/", "users": ["*"]}])
    environ = {
        "CORE_API_AUTH_JWT_SECRET": SECRET,
        "CORE_API_AUTH_AUTH0_TENANTS": tenants,
        "CORE_API_AUTH_LOGIN_LIMIT": "none",
    }
    warnings = json.loads(flask("check", "--json", app=app, **environ).stdout)["warnings"]
    for word in (
        "API_AUTH_PASSWROD is no setting",
        "API_AUTH_AUTH0_ENABLE is not true",
        "LOGIN_LIMIT is None",
    ):
        assert any(word in warning for warning in warnings), word


def test_check_ends_where_a_middleware_holds_the_app_itself(flask):
    app = APP + (
        "class Middleware:\n"
        "    def __init__(self, app): self.app, self.next = app, app.wsgi_app\n"
        "    def __call__(self, *args): return self.next(*args)\n"
        "app.wsgi_app = Middleware(app)\n"
    )
    report = json.loads(flask("check", "--json", app=app, CORE_API_AUTH_JWT_SECRET=SECRET).stdout)
    assert any("ProxyFix" in warning for warning in report["warnings"])


def test_check_warns_where_nobody_can_log_in(flask):
    warnings = json.loads(flask("check", "--json", CORE_API_AUTH_JWT_SECRET=SECRET).stdout)["warnings"]
    assert any("Nobody can log in" in warning for warning in warnings)


def test_check_fetches_the_keys_of_each_tenant(flask, tenant):
    environ = {
        "CORE_API_AUTH_JWT_SECRET": SECRET,
        "CORE_API_AUTH_AUTH0_ENABLE": "true",
        "CORE_API_AUTH_AUTH0_TENANTS": json.dumps([{**tenant.settings(), "users": []}]),
    }
    done = flask("check", **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Keys of {tenant.domain}: {tenant.key.kid} (" in done.stdout
    assert "has no users" in done.stdout

    tenant.keys.clear()
    done = flask("check", **environ)
    assert done.returncode == 1
    assert "publishes no key for RS256" in done.stdout

    tenant.status = 500
    done = flask("check", **environ)
    assert done.returncode == 1
    assert f"no keys can be fetched from {tenant.jwks_uri}" in done.stdout
    assert "status 500" in done.stderr


def test_check_asks_the_stores_of_sessions_and_limits(flask, redis_url, tmp_path):
    for sessions in (redis_url, f"sqlite:///{tmp_path}/sessions.db"):
        done = flask(
            "check",
            CORE_API_AUTH_JWT_SECRET=SECRET,
            CORE_API_AUTH_SESSIONS=sessions,
            CORE_API_AUTH_LIMIT_STORAGE=redis_url,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("sessions", ["redis://user:hidden@127.0.0.1:1/0", "sqlite:////proc/none/x.db"])
def test_check_fails_where_the_store_of_sessions_cannot_be_used(flask, sessions):
    environ = {"CORE_API_AUTH_JWT_SECRET": SECRET, "CORE_API_AUTH_SESSIONS": sessions}
    done = flask("check", "--json", **environ)
    assert done.returncode == 1
    (error,) = json.loads(done.stdout)["errors"]
    assert error.startswith("API_AUTH_SESSIONS: the store does not answer: ")
    assert "hidden" not in done.stdout + done.stderr


@pytest.mark.parametrize("storage", ["redis://user:hidden@127.0.0.1:1/0", "memcached://127.0.0.1:1"])
def test_check_fails_where_the_storage_of_the_limit_cannot_be_reached(flask, storage):
    environ = {"CORE_API_AUTH_JWT_SECRET": SECRET, "CORE_API_AUTH_LIMIT_STORAGE": storage}
    done = flask("check", "--json", **environ)
    assert done.returncode == 1
    assert json.loads(done.stdout)["errors"] == ["API_AUTH_LIMIT_STORAGE: the storage does not answer"]
    assert "hidden" not in done.stdout + done.stderr
    assert flask("check", CORE_API_AUTH_LOGIN_LIMIT="none", **environ).returncode == 0


def test_check_warns_where_jwt_required_asks_for_no_session(flask, tmp_path):
    own = APP.replace(
        "app.register_blueprint",
        "from flask_jwt_extended import JWTManager\n"
        f"app.config['JWT_SECRET_KEY'] = {SECRET!r}\n"
        "JWTManager(app)\n"
        "app.register_blueprint",
    )
    sessions = {"CORE_API_AUTH_SESSIONS": f"sqlite:///{tmp_path}/sessions.db"}
    for app, environ, warned in ((own, sessions, True), (own, {}, False), (APP, sessions, False)):
        done = flask("check", "--json", app=app, CORE_API_AUTH_JWT_SECRET=SECRET, **environ)
        warnings = json.loads(done.stdout)["warnings"]
        assert any("jwt_required()" in warning for warning in warnings) is warned


@pytest.mark.parametrize("method", ["scrypt", "argon2"])
def test_hash_password_asks_twice_and_makes_a_hash_that_can_be_used(flask, method):
    done = flask("hash-password", "--method", method, stdin="correct-horse\ncorrect-horse\n")
    assert done.returncode == 0, done.stderr
    hashed = done.stdout.splitlines()[-1].rpartition(" ")[2]
    assert hashed.startswith("scrypt:" if method == "scrypt" else "$argon2id$")
    if method == "scrypt":
        assert check_password_hash(hashed, "correct-horse")
    environ = {
        "CORE_API_AUTH_USERNAME": "admin",
        "CORE_API_AUTH_PASSWORD": hashed,
        "CORE_API_AUTH_JWT_SECRET": SECRET,
    }
    assert flask("check", **environ).returncode == 0


def test_hash_password_refuses_two_that_differ(flask):
    assert flask("hash-password", stdin="one\ntwo\n").returncode == 1


def test_generate_secret_makes_another_one_each_time(flask):
    one, two = (flask("generate-secret").stdout.strip() for _ in range(2))
    assert one != two
    assert flask("check", CORE_API_AUTH_JWT_SECRET=one).returncode == 0


def test_token_is_made_in_debug_mode_or_by_force_only(flask):
    done = flask("token", "alice", CORE_API_AUTH_JWT_SECRET=SECRET)
    assert done.returncode == 1
    assert "--force" in done.stderr
    assert "eyJ" not in done.stdout
    done = flask("token", "alice", "--json", "--scope", "a", "--scope", "b", "--fresh", "--force",
                 CORE_API_AUTH_JWT_SECRET=SECRET)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"access_token", "refresh_token"}
    done = flask("token", "alice", debug=True, CORE_API_AUTH_JWT_SECRET=SECRET)
    assert done.stdout.startswith("access_token: eyJ")


@pytest.mark.parametrize("arguments", [("",), ("alice", "--scope", "two words")])
def test_token_that_cannot_be_made_is_an_error_in_words(flask, arguments):
    done = flask("token", *arguments, debug=True, CORE_API_AUTH_JWT_SECRET=SECRET)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Error:" in done.stderr


def test_token_of_an_app_that_cannot_load_is_an_error_in_words(flask):
    done = flask("token", "alice", "--force")
    assert done.returncode == 1
    assert "API_AUTH_JWT_SECRET" in done.stderr
    assert "Traceback" not in done.stderr


def test_sessions_are_listed_and_revoked(flask, tmp_path):
    environ = {
        "CORE_API_AUTH_JWT_SECRET": SECRET,
        "CORE_API_AUTH_SESSIONS": f"sqlite:///{tmp_path}/sessions.db",
    }
    for _ in range(2):
        assert flask("token", "alice", debug=True, **environ).returncode == 0
    listed = json.loads(flask("sessions", "list", "alice", "--json", **environ).stdout)
    assert len(listed) == 2
    assert set(listed[0]) == {"id", "created_at", "last_used_at", "expires_at", "address", "user_agent"}
    lines = flask("sessions", "list", "alice", **environ).stdout.splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(session["id"] for session in listed)
    assert flask("sessions", "list", "bob", **environ).stdout == ""
    assert flask("sessions", "revoke", "alice", **environ).stdout == "Ended: 2\n"
    assert json.loads(flask("sessions", "revoke", "alice", "--json", **environ).stdout) == {"ended": 0}


def test_sessions_of_an_app_without_them_are_an_error_in_words(flask):
    done = flask("sessions", "revoke", "alice", CORE_API_AUTH_JWT_SECRET=SECRET)
    assert done.returncode == 1
    assert "API_AUTH_SESSIONS" in done.stderr
    assert "Traceback" not in done.stderr


def test_sessions_of_a_store_that_is_down_are_an_error_in_words(flask):
    environ = {"CORE_API_AUTH_JWT_SECRET": SECRET, "CORE_API_AUTH_SESSIONS": "redis://127.0.0.1:1/0"}
    done = flask("sessions", "list", "alice", **environ)
    assert done.returncode == 1
    assert "Error: The session store is down" in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_are_light_to_import():
    code = (
        "import sys, flask.cli; before = set(sys.modules); import flask_core_auth.cli;"
        "print([n for n in set(sys.modules) - before if n.split('.')[0] in"
        " ('joserfc', 'authlib', 'limits', 'httpx2', 'jwt', 'flask_jwt_extended', 'sqlalchemy')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"

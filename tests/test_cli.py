"""``flask core-auth ...``: run by the flask command in a process of its own, and in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import ScriptInfo
from werkzeug.security import check_password_hash

from flask_core_auth.cli import core_auth
from flask_core_auth.config import SETTINGS

from .apps import SECRET

#: The time limits of stores are raised in its process, too.
APP = """
from flask import Flask
from flask_core_auth import CoreAuth, load_env
from tests.limits import extend_limits

extend_limits()
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
            timeout=600,
        )

    return run


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
    assert lines["API_AUTH_LIMIT_STORAGE"] == ["redis://localhost:1/0", "set"]
    assert lines["API_AUTH_REALM"] == ["flask-core-auth", "default"]


def test_check_shows_no_password_of_a_store_that_does_not_respond(flask):
    environ = {
        "CORE_API_AUTH_SESSIONS": "redis://:hid%2Fden@localhost:1/0",
        "CORE_API_AUTH_JWT_SECRET": SECRET,
    }
    for options in ((), ("--json",)):
        done = flask("check", *options, **environ)
        assert "does not respond" in done.stdout
        assert "hid" not in done.stdout + done.stderr


def test_check_shows_the_origin_of_a_derived_setting(flask):
    app = APP.replace("load_env(app.config)", f"app.config['JWT_SECRET_KEY'] = {SECRET!r}")
    done = flask("check", "--json", app=app)
    report = json.loads(done.stdout)
    assert report["settings"]["API_AUTH_JWT_SECRET"] == {
        "value": "********",
        "origin": "from JWT_SECRET_KEY",
    }


def test_check_names_every_invalid_key_of_an_app_that_cannot_load(flask):
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


def test_check_warns_of_risky_settings(flask):
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


def test_check_finds_proxyfix_under_another_middleware(flask):
    app = APP + (
        "from werkzeug.middleware.dispatcher import DispatcherMiddleware\n"
        "from werkzeug.middleware.proxy_fix import ProxyFix\n"
        "app.wsgi_app = DispatcherMiddleware(ProxyFix(app.wsgi_app))\n"
    )
    report = json.loads(flask("check", "--json", app=app, CORE_API_AUTH_JWT_SECRET=SECRET).stdout)
    assert not any("ProxyFix" in warning for warning in report["warnings"])


def test_check_warns_of_views_that_only_look_protected(flask):
    app = APP + (
        "from flask_core_auth import auth_required\n"
        "@auth_required\n@app.get('/reversed')\ndef reversed(): return ''\n"
        "@app.route('/options', methods=['GET', 'OPTIONS'])\n@auth_required\ndef options(): return ''\n"
        "@app.get('/right')\n@auth_required\ndef right(): return ''\n"
    )
    report = json.loads(flask("check", "--json", app=app, CORE_API_AUTH_JWT_SECRET=SECRET).stdout)
    assert any(warning.startswith("/reversed is open") for warning in report["warnings"])
    assert any(warning.startswith("/options responds to OPTIONS itself") for warning in report["warnings"])
    assert not any("/right" in warning for warning in report["warnings"])


def test_check_warns_of_settings_without_effect(flask):
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


def test_check_ends_with_a_middleware_that_holds_the_app(flask):
    app = APP + (
        "class Middleware:\n"
        "    def __init__(self, app): self.app, self.next = app, app.wsgi_app\n"
        "    def __call__(self, *args): return self.next(*args)\n"
        "app.wsgi_app = Middleware(app)\n"
    )
    report = json.loads(flask("check", "--json", app=app, CORE_API_AUTH_JWT_SECRET=SECRET).stdout)
    assert any("ProxyFix" in warning for warning in report["warnings"])


def test_check_warns_if_nobody_can_log_in(flask):
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


def test_check_calls_the_session_store_and_the_limit_storage(flask, redis_url, sqlite_url):
    for sessions in (redis_url, sqlite_url):
        done = flask(
            "check",
            CORE_API_AUTH_JWT_SECRET=SECRET,
            CORE_API_AUTH_SESSIONS=sessions,
            CORE_API_AUTH_LIMIT_STORAGE=redis_url,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("sessions", ["redis://user:hidden@127.0.0.1:1/0", "sqlite:////proc/none/x.db"])
def test_check_fails_if_the_session_store_does_not_respond(flask, sessions):
    environ = {"CORE_API_AUTH_JWT_SECRET": SECRET, "CORE_API_AUTH_SESSIONS": sessions}
    done = flask("check", "--json", **environ)
    assert done.returncode == 1
    (error,) = json.loads(done.stdout)["errors"]
    assert error.startswith("API_AUTH_SESSIONS: the store does not respond: ")
    assert "hidden" not in done.stdout + done.stderr


@pytest.mark.parametrize("storage", ["redis://user:hidden@127.0.0.1:1/0", "memcached://127.0.0.1:1"])
def test_check_fails_if_the_limit_storage_does_not_respond(flask, storage):
    environ = {"CORE_API_AUTH_JWT_SECRET": SECRET, "CORE_API_AUTH_LIMIT_STORAGE": storage}
    done = flask("check", "--json", **environ)
    assert done.returncode == 1
    assert json.loads(done.stdout)["errors"] == ["API_AUTH_LIMIT_STORAGE: the storage does not respond"]
    assert "hidden" not in done.stdout + done.stderr
    assert flask("check", CORE_API_AUTH_LOGIN_LIMIT="none", **environ).returncode == 0


def test_check_warns_if_jwt_required_does_not_check_sessions(flask, sqlite_url):
    own = APP.replace(
        "app.register_blueprint",
        "from flask_jwt_extended import JWTManager\n"
        f"app.config['JWT_SECRET_KEY'] = {SECRET!r}\n"
        "JWTManager(app)\n"
        "app.register_blueprint",
    )
    sessions = {"CORE_API_AUTH_SESSIONS": sqlite_url}
    for app, environ, warned in ((own, sessions, True), (own, {}, False), (APP, sessions, False)):
        done = flask("check", "--json", app=app, CORE_API_AUTH_JWT_SECRET=SECRET, **environ)
        warnings = json.loads(done.stdout)["warnings"]
        assert any("jwt_required()" in warning for warning in warnings) is warned


@pytest.mark.parametrize("method", ["scrypt", "argon2"])
def test_hash_password_asks_twice_and_prints_a_usable_hash(flask, method):
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


def test_hash_password_rejects_two_different_passwords(flask):
    assert flask("hash-password", stdin="one\ntwo\n").returncode == 1


def test_generate_secret_prints_a_new_secret_each_time(flask):
    one, two = (flask("generate-secret").stdout.strip() for _ in range(2))
    assert one != two
    assert flask("check", CORE_API_AUTH_JWT_SECRET=one).returncode == 0


def test_token_needs_debug_mode_or_force(flask):
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
def test_token_with_invalid_arguments_is_an_error_in_words(flask, arguments):
    done = flask("token", *arguments, debug=True, CORE_API_AUTH_JWT_SECRET=SECRET)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Error:" in done.stderr


def test_token_of_an_app_that_cannot_load_is_an_error_in_words(flask):
    done = flask("token", "alice", "--force")
    assert done.returncode == 1
    assert "API_AUTH_JWT_SECRET" in done.stderr
    assert "Traceback" not in done.stderr


def test_sessions_are_listed_and_revoked(flask, sqlite_url):
    environ = {
        "CORE_API_AUTH_JWT_SECRET": SECRET,
        "CORE_API_AUTH_SESSIONS": sqlite_url,
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


def test_sessions_command_without_sessions_is_an_error_in_words(flask):
    done = flask("sessions", "revoke", "alice", CORE_API_AUTH_JWT_SECRET=SECRET)
    assert done.returncode == 1
    assert "API_AUTH_SESSIONS" in done.stderr
    assert "Traceback" not in done.stderr


def test_sessions_command_with_a_store_that_is_down_is_an_error_in_words(flask):
    environ = {"CORE_API_AUTH_JWT_SECRET": SECRET, "CORE_API_AUTH_SESSIONS": "redis://127.0.0.1:1/0"}
    done = flask("sessions", "list", "alice", **environ)
    assert done.returncode == 1
    assert "Error: The session store is down" in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_import_nothing_slow():
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


# In this process


def run(app: Flask, *arguments: str) -> t.Any:
    return CliRunner().invoke(core_auth, arguments, obj=ScriptInfo(create_app=lambda: app))


def test_commands_print_text_or_json(make_app, sqlite_url):
    app = make_app(API_AUTH_SESSIONS=sqlite_url)
    assert run(app, "check").exit_code == 0
    assert run(app, "check", "--json").output.startswith("{")
    assert "--force" in run(app, "token", "alice").output
    assert run(app, "token", "alice", "--force").output.startswith("access_token: ")
    assert run(app, "token", "alice", "--force", "--json").output.startswith("{")
    assert len(run(app, "sessions", "list", "alice").output.splitlines()) == 2
    assert run(app, "sessions", "list", "alice", "--json").output.startswith("[")
    assert run(app, "sessions", "revoke", "alice").output == "Ended: 2\n"
    assert len(run(app, "generate-secret").output.strip()) == 64
    assert run(app, "hash-password", "--password", "x", "--method", "argon2").output.startswith(
        "$argon2id$"
    )


def test_errors_of_commands_are_in_words(make_app):
    app = make_app()
    for arguments in (
        ("sessions", "list", "alice"),
        ("token", "", "--force"),
        ("token", "a", "--scope", "b c"),
    ):
        done = run(app, *arguments, *(["--force"] if "--scope" in arguments else []))
        assert done.exit_code == 1
        assert done.output.startswith("Error: ")
    assert "No CoreAuth" in run(Flask(__name__), "sessions", "revoke", "alice").output
    broken = ScriptInfo(create_app=lambda: make_app(API_AUTH_ENABLE="maybe"))
    done = CliRunner().invoke(core_auth, ["token", "alice", "--force"], obj=broken)
    assert "API_AUTH_ENABLE" in done.output
    down = make_app(API_AUTH_SESSIONS="redis://127.0.0.1:1/0")
    assert "The session store is down" in run(down, "sessions", "list", "alice").output

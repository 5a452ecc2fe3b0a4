"""Defaults and contradictions between settings, unknown keys, and the environment."""

from __future__ import annotations

import dataclasses
import json

import pytest
from flask import Flask

from flask_core_auth import ConfigError, CoreAuth, load_env
from flask_core_auth.config import SETTINGS

from ..apps import SECRET
from ..forge import OTHER_SECRET
from ..tenant import EXAMPLE
from .reading import problems, read_config, tenant_settings


def test_empty_string_and_none_count_as_unset():
    empty = {setting.key: "" for setting in SETTINGS if setting.key != "API_AUTH_JWT_SECRET"}
    assert read_config(**empty) == read_config()
    none = dict.fromkeys(empty)
    assert read_config(**none) == dataclasses.replace(
        read_config(), login_limit=None, login_concurrency=None, session_limit=None
    )


def test_misspelt_key_is_logged_at_registration(make_app, caplog):
    make_app(API_AUTH_PASSWROD="x", API_AUTH_SOMETHING=1)
    assert "API_AUTH_PASSWROD is no setting: API_AUTH_PASSWORD is meant, perhaps" in caplog.text
    assert "API_AUTH_SOMETHING is no setting" in caplog.text


def test_settings_that_need_sessions_are_rejected_without_them():
    for check in ("refresh", "always"):
        config = read_config(
            API_AUTH_SESSIONS="sqlite:///core-auth.db",
            API_AUTH_SESSION_CHECK=check,
            API_AUTH_REFRESH_ROTATION=True,
        )
        assert (config.session_check, config.refresh_rotation) == (check, True)
    assert problems(API_AUTH_SESSION_CHECK="always", API_AUTH_REFRESH_ROTATION="yes") == {
        "API_AUTH_REFRESH_ROTATION": "needs sessions: set API_AUTH_SESSIONS",
        "API_AUTH_SESSION_CHECK": '"always" needs sessions: set API_AUTH_SESSIONS',
    }
    assert problems(API_AUTH_SESSION_CHECK="sometimes") == {
        "API_AUTH_SESSION_CHECK": 'must be "refresh" or "always", not \'sometimes\''
    }


def test_problem_that_only_follows_from_an_invalid_setting_is_left_out():
    only = problems(
        API_AUTH_SESSIONS="nonsense", API_AUTH_SESSION_CHECK="always", API_AUTH_REFRESH_ROTATION=True
    )
    assert set(only) == {"API_AUTH_SESSIONS"}
    assert set(problems(API_AUTH_ENABLE="perhaps", API_AUTH_JWT_SECRET="")) == {"API_AUTH_ENABLE"}
    # With a user, a secret is needed even if API_AUTH_ENABLE is false.
    user = {"API_AUTH_USERNAME": "admin", "API_AUTH_PASSWORD": "x"}
    assert set(problems(API_AUTH_ENABLE="perhaps", API_AUTH_JWT_SECRET="", **user)) == {
        *("API_AUTH_ENABLE", "API_AUTH_JWT_SECRET")
    }


def test_every_problem_is_reported_at_once():
    app = Flask(__name__)
    app.config.update(
        API_AUTH_ENABLE="perhaps",
        API_AUTH_USERNAME=5,
        API_AUTH_PASSWORD="scrypt:no hash",
        API_AUTH_JWT_SECRET="short",
        API_AUTH_JWT_ACCESS_EXPIRES=0,
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_ABOUT="x",
        JWT_ALGORITHM="RS256",
        JWT_IDENTITY_CLAIM="identity",
    )
    with pytest.raises(ConfigError) as caught:
        app.register_blueprint(CoreAuth())
    keys = [key for key, _ in caught.value.problems]
    assert sorted(keys) == [
        "API_AUTH_ABOUT",
        "API_AUTH_AUTH0_TENANTS",
        "API_AUTH_ENABLE",
        "API_AUTH_JWT_ACCESS_EXPIRES",
        "API_AUTH_JWT_SECRET",
        "API_AUTH_PASSWORD",
        "API_AUTH_USERNAME",
        "JWT_ALGORITHM",
        "JWT_IDENTITY_CLAIM",
    ]
    for key, problem in caught.value.problems:
        assert f"\n  {key}: {problem}" in str(caught.value)


def test_errors_and_repr_show_no_secret():
    secrets = {
        "API_AUTH_PASSWORD": "scrypt:hunter2",
        "API_AUTH_USERS": {"bob": {"password": "pbkdf2:hunter2"}},
        "API_AUTH_JWT_SECRET": "hunter2",
        "API_AUTH_JWT_SECRET_FALLBACKS": ["hunter2"],
        "API_AUTH_LIMIT_STORAGE": "redis://:hunter2/@localhost",
        "API_AUTH_SESSIONS": "hunter2",
    }
    found = problems(API_AUTH_USERNAME="x", **secrets)
    assert set(found) == set(secrets)
    assert "hunter2" not in str(found)
    config = read_config(
        API_AUTH_JWT_SECRET="hunter2" * 5, API_AUTH_USERNAME="x", API_AUTH_PASSWORD="hunter2"
    )
    assert "hunter2" not in repr(config)


# The secret


def test_jwt_secret_key_is_the_default_of_the_secret():
    assert read_config(API_AUTH_JWT_SECRET=..., JWT_SECRET_KEY=SECRET).secrets == (SECRET,)
    assert read_config(JWT_SECRET_KEY=OTHER_SECRET).secrets == (SECRET,)


def test_secret_key_is_never_used():
    found = problems(API_AUTH_JWT_SECRET=..., SECRET_KEY=SECRET)
    assert list(found) == ["API_AUTH_JWT_SECRET"]
    assert "SECRET_KEY is never used" in found["API_AUTH_JWT_SECRET"]
    assert "secrets.token_urlsafe" in found["API_AUTH_JWT_SECRET"]


def test_problem_with_jwt_secret_key_names_that_key():
    found = problems(API_AUTH_JWT_SECRET=..., JWT_SECRET_KEY="short")
    assert found["API_AUTH_JWT_SECRET"].startswith("is taken from JWT_SECRET_KEY, which is shorter")


def test_fallbacks_follow_the_secret():
    third = "x" * 32
    for value in ([OTHER_SECRET, third], (OTHER_SECRET, third), json.dumps([OTHER_SECRET, third])):
        assert read_config(API_AUTH_JWT_SECRET_FALLBACKS=value).secrets == (SECRET, OTHER_SECRET, third)


def test_no_secret_is_needed_without_authentication_and_users():
    one, two = (read_config(API_AUTH_JWT_SECRET=..., API_AUTH_ENABLE=False) for _ in range(2))
    assert len(one.secrets[0]) >= 32
    assert one.secrets != two.secrets, "the secret is random"


@pytest.mark.parametrize(
    "config",
    [
        {"API_AUTH_USERNAME": "admin", "API_AUTH_PASSWORD": "x"},
        {"API_AUTH_USERS": {"bob": {"password": "x"}}},
        tenant_settings(),
    ],
)
def test_secret_is_needed_when_a_user_can_log_in(config):
    found = problems(API_AUTH_JWT_SECRET=..., API_AUTH_ENABLE=False, **config)
    assert list(found) == ["API_AUTH_JWT_SECRET"]


# Flask's from_prefixed_env()


def test_password_that_from_prefixed_env_parses_as_a_number_is_rejected(monkeypatch):
    monkeypatch.setenv("CORE_API_AUTH_USERNAME", "admin")
    monkeypatch.setenv("CORE_API_AUTH_PASSWORD", "1e5")
    app = Flask(__name__)
    app.config.from_prefixed_env("CORE")
    assert "must be a string, not float" in problems(app)["API_AUTH_PASSWORD"]


def test_from_prefixed_env_works_for_other_values(monkeypatch):
    monkeypatch.setenv("CORE_API_AUTH_USERNAME", "admin")
    monkeypatch.setenv("CORE_API_AUTH_PASSWORD", '"1e5"')  # quoted twice
    monkeypatch.setenv("CORE_API_AUTH_JWT_ACCESS_EXPIRES", "60")
    monkeypatch.setenv("CORE_API_AUTH_DISABLE_LOCALHOST", "true")
    monkeypatch.setenv("CORE_API_AUTH_AUTH0_ENABLE", "true")
    monkeypatch.setenv("CORE_API_AUTH_AUTH0_TENANTS", json.dumps([EXAMPLE]))
    app = Flask(__name__)
    app.config.from_prefixed_env("CORE")
    config = read_config(app)
    assert config.users["admin"].password.matches("1e5")
    assert (config.access_expires, config.disable_localhost) == (60, True)
    assert config.tenants[0].domain == "tenant.example"


# load_env()


def env(environ: dict[str, str], **options) -> dict[str, object]:
    app = Flask(__name__)
    before = set(app.config)
    load_env(app.config, environ=environ, **options)
    return {key: app.config[key] for key in set(app.config) - before}


def test_load_env_reads_every_setting_as_a_plain_string():
    environ = {f"CORE_{setting.key}": "1e5" for setting in SETTINGS}
    assert env(environ) == {setting.key: "1e5" for setting in SETTINGS}


def test_load_env_reads_no_other_variables():
    assert (
        env({"CORE_DEBUG": "1", "CORE_SECRET_KEY": "x", "API_AUTH_USERNAME": "x", "CORE_API_AUTH_X": "x"})
        == {}
    )


def test_load_env_ignores_empty_variables():
    assert env({"CORE_API_AUTH_USERNAME": "", "CORE_API_AUTH_REALM": ""}) == {}


def test_load_env_accepts_another_prefix():
    environ = {"MY_API_AUTH_REALM": "mine", "CORE_API_AUTH_REALM": "core", "RS_USERNAME": "restreamer"}
    assert env(environ, prefix="MY") == {"API_AUTH_REALM": "mine"}


def test_load_env_reads_the_aliases_of_a_core():
    aliases = {"RS_USERNAME": "admin", "RS_PASSWORD": "12345"}
    assert env(aliases) == {"API_AUTH_USERNAME": "admin", "API_AUTH_PASSWORD": "12345"}
    assert env({**aliases, "CORE_API_AUTH_USERNAME": "root"})["API_AUTH_USERNAME"] == "root"
    assert env({**aliases, "CORE_API_AUTH_USERNAME": ""})["API_AUTH_USERNAME"] == "admin"


def test_load_env_reads_the_environment_by_default(monkeypatch):
    monkeypatch.setenv("CORE_API_AUTH_REALM", "from the environment")
    app = Flask(__name__)
    load_env(app.config)
    assert app.config["API_AUTH_REALM"] == "from the environment"


def test_environment_of_a_core_works_unchanged():
    app = Flask(__name__)
    environ = {
        "CORE_API_AUTH_ENABLE": "true",
        "CORE_API_AUTH_DISABLE_LOCALHOST": "false",
        "CORE_API_AUTH_USERNAME": "admin",
        "CORE_API_AUTH_PASSWORD": "0123",
        "CORE_API_AUTH_JWT_SECRET": SECRET,
        "CORE_API_AUTH_AUTH0_ENABLE": "true",
        "CORE_API_AUTH_AUTH0_TENANTS": "auth0://client@tenant.example?aud=api&user=auth0|alice",
    }
    load_env(app.config, environ=environ)
    app.register_blueprint(CoreAuth())
    credentials = {"username": "admin", "password": "0123"}
    assert app.test_client().post("/api/login", json=credentials).status_code == 200

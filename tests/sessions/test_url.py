"""The values of API_AUTH_SESSIONS that are rejected when the blueprint is registered."""

from __future__ import annotations

import sys

import pytest

from flask_core_auth import ConfigError

from .app import make_session_app


def problem(url: object, **config: object) -> str:
    with pytest.raises(ConfigError) as caught:
        make_session_app(url, **config)  # type: ignore[arg-type]
    ((key, why),) = caught.value.problems
    assert key == "API_AUTH_SESSIONS"
    return why


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("memory", "must be a SQLAlchemy URL"),
        ("redis", "must be a SQLAlchemy URL"),
        ("sqlite:", "must be a SQLAlchemy URL"),
        (7, "must be a string"),
        ("mysql://localhost/x", "names 'mysql', but sessions live in sqlite, postgresql or redis"),
        ("valkey://localhost", "names 'valkey', but sessions live in sqlite, postgresql or redis"),
        ("nosuch://localhost/x", "names 'nosuch', but"),
        ("postgresql+nosuch://localhost/x", "names 'postgresql+nosuch', a driver that SQLAlchemy"),
        ("postgresql+asyncpg://localhost/x", "an asynchronous driver"),
        ("sqlite+aiosqlite:///x.db", "an asynchronous driver"),
        ("sqlite://", "is in memory"),
        ("sqlite:///:memory:", "is in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "names a URI of a file"),
        ("postgresql://localhost:port/x", "is no URL that SQLAlchemy can read"),
        ("postgresql+pg8000://localhost/x", "needs a driver that is not installed: pip install pg8000"),
        ("redis://localhost:port", "is no URL that redis can read"),
        ("redis://localhost/?db=first", "is no URL that redis can read"),
        ("redis://localhost/?nosuch=1", "is no URL that redis can read"),
    ],
)
def test_unusable_url_is_a_config_error(url: object, why: str) -> None:
    assert why in problem(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@local host:x/x",
        "nosuch://user:hunter2@localhost",
        "redis://user:hunter2@localhost:x",
        "redis://user:hunter2@localhost/?nosuch=1",
        "sqlite://user:hunter2@",
    ],
)
def test_error_does_not_show_the_password(url: str) -> None:
    assert "hunter2" not in problem(url)


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("sqlite:///x.db", "sqlalchemy", "sql"), ("redis://localhost", "redis", "redis")],
)
def test_error_names_the_missing_extra(
    monkeypatch: pytest.MonkeyPatch, url: str, module: str, extra: str
) -> None:
    monkeypatch.delitem(sys.modules, f"flask_core_auth.sessions.{extra}", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    assert f"pip install 'flask-core-auth[{extra}]'" in problem(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "rediss://u:p@localhost:6380/3",
        "unix:///run/redis.sock?db=2",
        "sqlite:////x/y.db",
    ],
)
def test_usable_url_opens_no_connection(url: str) -> None:
    make_session_app(url)


def test_neither_sqlalchemy_nor_redis_is_imported_without_sessions() -> None:
    import subprocess

    script = (
        "import sys; from tests.apps import log_in; from tests.sessions.app import make_session_app;"
        "log_in(make_session_app(None));"
        "print([name for name in ('sqlalchemy', 'flask_core_auth.sessions.sql',"
        " 'flask_core_auth.sessions.redis') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert output.stdout == "[]\n"

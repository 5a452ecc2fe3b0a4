"""Sessions in a database, apart from the behaviour that all stores share."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import typing as t
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, inspect

from flask_core_auth.sessions import Session, SessionStore
from flask_core_auth.sessions.statements import SWEEP_SIZE

from ..apps import log_in, post_login, refresh
from ..limits import restore_limits
from .child import child, result
from .servers import PostgresServer
from .test_store import NOW, session

MakeApp = Callable[..., Flask]
OpenSessions = Callable[..., SessionStore]


@pytest.fixture(params=["sqlite", "postgres"])
def sql_url(request: pytest.FixtureRequest) -> str:
    return t.cast(str, request.getfixturevalue(f"{request.param}_url"))


def rows(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        ids = list(connection.exec_driver_sql("SELECT id FROM core_auth_sessions ORDER BY id").scalars())
    engine.dispose()
    return ids


def test_registration_opens_no_connection_and_creates_no_file(make_app: MakeApp, tmp_path: Path) -> None:
    make_app("sqlite:///core-auth.db")
    assert list(tmp_path.iterdir()) == []


def test_relative_path_is_created_in_the_instance_folder(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app("sqlite:///deeper/core-auth.db")
    log_in(app.test_client())
    assert (tmp_path / "instance" / "deeper" / "core-auth.db").exists()


def test_files_are_readable_by_their_user_only(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app("sqlite:///core-auth.db")
    before = os.umask(0o022)
    try:
        log_in(app.test_client())
    finally:
        os.umask(before)
    files = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "instance").iterdir()}
    assert files.keys() >= {"core-auth.db", "core-auth.db-wal"}
    assert set(files.values()) == {0o600}


def test_permissions_of_an_existing_file_stay(make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "instance" / "core-auth.db"
    file.parent.mkdir()
    file.touch(mode=0o660)
    file.chmod(0o660)
    log_in(make_app("sqlite:///core-auth.db").test_client())
    assert file.stat().st_mode & 0o777 == 0o660


def test_several_processes_can_create_the_table_at_once(sql_url: str) -> None:
    children = [child("log_in", sql_url, "5") for _ in range(4)]
    assert [result(process) for process in children] == [[200] * 5] * 4
    assert len(rows(sql_url)) == 20


def test_existing_table_is_used_without_the_right_to_create_tables(
    make_app: MakeApp, postgres_url: str, postgres_server: PostgresServer
) -> None:
    log_in(make_app(postgres_url).test_client())
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in (
            "DROP OWNED BY app",
            "DROP USER app",
        ):
            if connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = 'app'").first():
                connection.exec_driver_sql(statement)
        connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.exec_driver_sql("CREATE USER app")
        connection.exec_driver_sql("GRANT SELECT, INSERT, UPDATE, DELETE ON core_auth_sessions TO app")
    engine.dispose()
    log_in(make_app(postgres_url.replace("test@", "app@")).test_client())


def test_dropped_table_is_created_again(make_app: MakeApp, sql_url: str) -> None:
    client = make_app(sql_url).test_client()
    log_in(client)
    engine = create_engine(sql_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE core_auth_sessions")
    engine.dispose()
    assert post_login(client).status_code == 503
    log_in(client)


def test_owner_and_expiry_are_indexed(open_sessions: OpenSessions, sql_url: str) -> None:
    open_sessions(sql_url).open(session(), now=NOW, limit=None)
    engine = create_engine(sql_url)
    indexes = {tuple(index["column_names"]) for index in inspect(engine).get_indexes("core_auth_sessions")}
    engine.dispose()
    assert indexes == {("owner",), ("expires_at",)}


def test_no_token_is_stored(make_app: MakeApp, tmp_path: Path) -> None:
    tokens = log_in(make_app(f"sqlite:///{tmp_path / 'sessions.db'}").test_client())
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("sessions.db*"))
    assert b"admin" in kept
    for token in tokens.values():
        for part in token.split("."):
            assert part.encode() not in kept


def test_login_removes_a_limited_number_of_expired_sessions(
    open_sessions: OpenSessions, sql_url: str
) -> None:
    store = open_sessions(sql_url)
    for number in range(SWEEP_SIZE + 20):
        expired = replace(session(expires_at=int(NOW) + 10), id=f"expired-{number:014}")
        store.open(expired, now=NOW, limit=None)
    live: list[Session] = [session(letter) for letter in "abc"]
    store.open(live[0], now=NOW + 9, limit=None)
    assert len(rows(sql_url)) == SWEEP_SIZE + 21
    store.open(live[1], now=NOW + 10, limit=None)
    assert len(rows(sql_url)) == 22
    store.open(live[2], now=NOW + 10, limit=None)
    assert rows(sql_url) == [one.id for one in live]


@pytest.mark.parametrize("kind", ["sqlite", "postgres", "redis"])
def test_store_works_on_both_sides_of_a_fork(kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(f"{kind}_url")
    assert result(child("fork", url)) == [200, 0, 0, 0, 0]


# SQLite


def test_two_processes_can_write_to_one_file(sqlite_url: str) -> None:
    children = [child("log_in", sqlite_url, "50") for _ in range(2)]
    assert [result(process) for process in children] == [[200] * 50] * 2
    assert len(rows(sqlite_url)) == 100


def test_locked_file_causes_a_503_until_it_is_unlocked(make_app: MakeApp, tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    client = make_app(f"sqlite:///{path}").test_client()
    tokens = log_in(client)
    restore_limits()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert post_login(client).status_code == 503
        other.execute("COMMIT")
    assert refresh(client, tokens["refresh_token"]).status_code == 200


def test_full_disk_causes_a_503_until_there_is_space(sqlite_url: str) -> None:
    assert result(child("disk_full", sqlite_url)) == [200, 503, 503, 503, 200]


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that any user may read, unlike pytest's ``tmp_path``."""
    with tempfile.TemporaryDirectory(prefix="core-auth-") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


def test_read_only_file_causes_a_503_for_every_write(make_app: MakeApp, open_directory: Path) -> None:
    path = open_directory / "sessions.db"
    app = make_app(f"sqlite:///{path}")
    tokens = log_in(app.test_client())
    for file in (path, *open_directory.glob("*-wal"), *open_directory.glob("*-shm")):
        file.chmod(0o444)
    open_directory.chmod(0o555)
    reader = child("read_only", f"sqlite:///{path}", tokens["refresh_token"], tokens["access_token"])
    assert result(reader) == [503, 503, 503, 200]
    open_directory.chmod(0o755)


def test_directory_that_cannot_be_created_causes_a_503(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "instance").write_text("a file is in the way")
    client = make_app("sqlite:///core-auth.db").test_client()
    assert post_login(client).status_code == 503


def test_file_that_is_not_a_database_causes_a_503(make_app: MakeApp, tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    path.write_text("this is no database " * 100)
    client = make_app(f"sqlite:///{path}").test_client()
    assert post_login(client).status_code == 503

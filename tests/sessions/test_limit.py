"""The maximum number of sessions of one owner."""

from __future__ import annotations

import logging
import threading
import typing as t
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import Connection, text

from flask_core_auth import ConfigError, signals
from flask_core_auth.sessions import SessionStore, sql, statements
from flask_core_auth.sessions.statements import SWEEP_SIZE
from flask_core_auth.sessions.store import MAX_ENDED, RefreshRequest, StoreDownError

from ..apps import Clock, bearer, log_in, post_login, refresh
from ..forge import read
from .test_store import EVE, NOW, OWNER, accepted, session
from .test_store import refresh as refresh_in

MakeApp = Callable[..., Flask]


def live(store: SessionStore, owner: str = OWNER, *, after: float = 0) -> list[str]:
    """Return the first letters of an owner's sessions, in their order."""
    return sorted(kept.id[0] for kept in store.list_by_owner(owner, now=NOW + after))


def open_one(store: SessionStore, letter: str, owner: str = OWNER, *, after: int, limit: int = 3) -> str:
    """Open a session, and return the first letters of the sessions that were ended."""
    now = int(NOW) + after
    opened = session(letter, owner, created_at=now, last_used_at=now, expires_at=now + 1000)
    return "".join(ended[0] for ended in store.open(opened, now=NOW + after, limit=limit))


def test_login_past_the_limit_ends_the_session_that_was_unused_longest(store: SessionStore) -> None:
    ended = [open_one(store, letter, after=after) for after, letter in enumerate("abcde")]
    assert ended == ["", "", "", "a", "b"]
    assert live(store, after=4) == ["c", "d", "e"]


def test_refresh_without_rotation_keeps_the_session_that_was_opened_first(store: SessionStore) -> None:
    for after, letter in enumerate("abc"):
        open_one(store, letter, after=after)
    assert refresh_in(store, "first", after=10) == accepted("first", 1000)
    assert open_one(store, "d", after=11) == "b"


def test_rotation_keeps_the_session_that_was_opened_first(store: SessionStore) -> None:
    for after, letter in enumerate("abc"):
        open_one(store, letter, after=after)
    assert refresh_in(store, "first", "second", after=10) == accepted("second", 1010)
    assert [open_one(store, letter, after=11) for letter in "def"] == ["b", "c", "a"]


def test_limit_of_one_keeps_the_newest_login_of_a_second(store: SessionStore) -> None:
    assert [open_one(store, letter, after=0, limit=1) for letter in "bcad"] == ["", "b", "c", "a"]
    assert live(store) == ["d"]


def test_sessions_of_other_owners_do_not_count(store: SessionStore) -> None:
    assert open_one(store, "a", EVE, after=0, limit=1) == ""
    assert open_one(store, "b", OWNER, after=1, limit=1) == ""
    assert open_one(store, "c", OWNER, after=2, limit=1) == "b"
    assert live(store, EVE) == ["a"]


def test_ended_and_expired_sessions_do_not_count(store: SessionStore) -> None:
    for after, letter in enumerate("abcd"):
        open_one(store, letter, after=after, limit=4)
    assert store.end("d" * 22, OWNER)
    refresh_in(store, "first", "second", after=5)
    assert refresh_in(store, "first", "third", after=50).verdict.value == "reused"
    assert [open_one(store, letter, after=60, limit=4) for letter in "ef"] == ["", ""]
    # The others expire; "e" and "f" do not, though they were used before the last refresh of "b".
    use_b_at(store, 900)
    assert open_one(store, "g", after=1005, limit=3) == ""
    assert live(store, after=1005) == ["e", "f", "g"]


def use_b_at(store: SessionStore, after: float) -> None:
    store.refresh(RefreshRequest("b" * 22, OWNER, "first", None, NOW + after, 10, 1000, 5000))


def test_expired_session_that_no_login_has_removed_yet_goes_first(store: SessionStore) -> None:
    for number in range(SWEEP_SIZE):
        expired = session(owner=EVE, expires_at=int(NOW) + 50)
        store.open(replace(expired, id=f"{number:022}"), now=NOW, limit=None)
    store.open(session("a", expires_at=int(NOW) + 60, last_used_at=int(NOW) + 40), now=NOW, limit=None)
    store.open(session("b"), now=NOW, limit=None)
    assert open_one(store, "c", after=100, limit=2) == ""
    assert live(store, after=100) == ["b", "c"]


@pytest.mark.parametrize("concurrent", [False, True])
def test_session_that_is_used_while_it_is_ended_stays(
    open_sessions: Callable[..., SessionStore],
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    concurrent: bool,
) -> None:
    store = open_sessions(sqlite_url)
    for after, letter in enumerate("ab"):
        open_one(store, letter, after=after)
    longest, looks = sql._unused_longest, []

    def used_in_between(connection: Connection, owner: dict[str, t.Any], *, keep: int) -> list[sql.Unused]:
        looks.append(keep)
        if concurrent and len(looks) == 1:
            return []  # as if another login had not been there yet
        found = longest(connection, owner, keep=keep)
        if found and found[0].id == "a" * 22:
            refresh_in(store, "first", after=10)
        return found

    monkeypatch.setattr(sql, "_unused_longest", used_in_between)
    open_one(store, "c", after=11, limit=2)
    assert "a" in live(store)


def test_lower_limit_ends_the_excess_in_several_logins(store: SessionStore) -> None:
    for number in range(MAX_ENDED + 10):
        store.open(
            replace(session(), id=f"{number:022}", last_used_at=int(NOW) + number),
            now=NOW + number,
            limit=None,
        )
    later = {"created_at": int(NOW) + 100, "last_used_at": int(NOW) + 100}
    assert len(store.open(session("y", **later), now=NOW + 100, limit=5)) == MAX_ENDED
    assert len(store.open(session("z", **later), now=NOW + 100, limit=5)) == 7
    kept = [kept.id for kept in store.list_by_owner(OWNER, now=NOW)]
    assert kept == ["y" * 22, "z" * 22, *(f"{number:022}" for number in (29, 28, 27))]


def test_without_a_limit_no_session_is_ended(store: SessionStore) -> None:
    for letter in "abcdef":
        assert store.open(session(letter), now=NOW, limit=None) == []
    assert live(store) == list("abcdef")


def test_concurrent_logins_end_each_other_session_once_and_leave_as_many_as_the_limit(
    open_sessions: Callable[..., SessionStore], store_url: str
) -> None:
    stores = [open_sessions(store_url) for _ in range(2)]
    for after, letter in enumerate("abcd"):
        open_one(stores[0], letter, after=after, limit=4)
    together = threading.Barrier(8)

    def log_in_once(number: int) -> list[str]:
        opened = session("ABCDEFGH"[number], created_at=int(NOW) + 9, last_used_at=int(NOW) + 9)
        together.wait()
        return stores[number % 2].open(opened, now=NOW + 9 + number / 100, limit=4)

    with ThreadPoolExecutor(8) as threads:
        ended = [gone for each in threads.map(log_in_once, range(8)) for gone in each]
    kept = [kept.id for kept in stores[0].list_by_owner(OWNER, now=NOW)]
    assert len(kept) == 4
    assert len(ended) == len(set(ended)) == 8
    assert {letter * 22 for letter in "abcd"} <= set(ended)
    assert set(kept).isdisjoint(ended)


def test_login_that_cannot_be_stored_ends_no_session(store: SessionStore) -> None:
    open_one(store, "a", after=0, limit=1)
    too_long = "x" * 100 if hasattr(store, "_engine") else "x" * 22
    opened = session("b", jti=too_long)
    break_writes(store)
    with pytest.raises(StoreDownError):
        store.open(opened, now=NOW, limit=1)
    restore_writes(store)
    assert live(store) == ["a"]


def break_writes(store: SessionStore) -> None:
    """Have the server reject new sessions, but end old ones."""
    if hasattr(store, "_engine"):
        trigger(store, "CREATE")
    else:
        store._client.config_set("maxmemory", "1")


def restore_writes(store: SessionStore) -> None:
    if hasattr(store, "_engine"):
        trigger(store, "DROP")
    else:
        store._client.config_set("maxmemory", "0")


def trigger(store: SessionStore, verb: str) -> None:
    sqlite = store._is_sqlite
    with store._engine.connect() as connection:
        if verb == "CREATE" and sqlite:
            for change in ("INSERT", "UPDATE"):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER no_{change} BEFORE {change} ON core_auth_sessions"
                    " WHEN new.id LIKE 'b%' BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
        elif verb == "CREATE":
            connection.exec_driver_sql(
                "ALTER TABLE core_auth_sessions ADD CONSTRAINT no_b CHECK (id NOT LIKE 'b%%')"
            )
        elif sqlite:
            for change in ("INSERT", "UPDATE"):
                connection.exec_driver_sql(f"DROP TRIGGER no_{change}")
        else:
            connection.exec_driver_sql("ALTER TABLE core_auth_sessions DROP CONSTRAINT no_b")


def test_login_succeeds_if_the_end_of_another_session_fails(
    open_sessions: Callable[..., SessionStore], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_sessions(sqlite_url)
    for letter in "abc":
        store.open(session(letter), now=NOW, limit=None)
    monkeypatch.setattr(statements, "END_UNUSED", text("DELETE FROM no_such_table"))
    open_one(store, "d", after=1, limit=1)
    assert "d" in live(store)


# In an app


def test_session_ended_by_the_limit_is_logged_and_sends_logged_out(
    make_app: MakeApp, store_url: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flask_core_auth")
    app, sent = make_app(store_url, SESSION_LIMIT=2), []

    def receive(app: Flask, **values: object) -> None:
        values.pop("_async_wrapper", None)
        sent.append(values)

    with signals.logged_out.connected_to(receive, app):
        tokens = [log_in(app), log_in(app, "eve")]
        for _ in range(2):
            clock.move(60)
            tokens.append(log_in(app))
    ended = read(tokens[0]["access_token"])["sid"]
    assert sent == [{"subject": "admin", "idp": "local", "session": ended}]
    assert f"Session {ended} of 'admin' (local) ended by a login over API_AUTH_SESSION_LIMIT" in caplog.text
    statuses = [refresh(app, pair["refresh_token"]).status_code for pair in tokens]
    assert statuses == [401, 200, 200, 200]


def test_default_limit_is_100_sessions_for_a_user(make_app: MakeApp, sqlite_url: str) -> None:
    client = make_app(sqlite_url).test_client()
    for _ in range(102):
        tokens = log_in(client)
    listed = client.get("/api/sessions", headers=bearer(tokens["access_token"])).json["sessions"]
    assert len(listed) == 100


def test_login_that_fails_before_its_session_is_opened_ends_no_session(
    make_app: MakeApp, store_url: str
) -> None:
    app = make_app(store_url, SESSION_LIMIT=1)
    tokens = log_in(app)
    assert post_login(app, password="wrong").status_code == 403
    manager = app.extensions["flask-jwt-extended"]
    manager.additional_claims_loader(lambda subject: {"filling": "x" * 10_000})
    assert post_login(app).status_code == 503
    manager.additional_claims_loader(lambda subject: {})
    assert refresh(app, tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many"])
def test_limit_is_a_whole_number_from_1_on(make_app: MakeApp, sqlite_url: str, value: object) -> None:
    with pytest.raises(ConfigError, match="API_AUTH_SESSION_LIMIT: must be a whole number from 1"):
        make_app(sqlite_url, SESSION_LIMIT=value)


def test_limit_may_be_a_string_or_none(make_app: MakeApp, sqlite_url: str) -> None:
    def limit(value: str) -> int | None:
        return make_app(sqlite_url, SESSION_LIMIT=value).extensions["core_auth"].config.session_limit

    assert (limit("7"), limit("none")) == (7, None)

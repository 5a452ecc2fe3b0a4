"""Sessions in Redis, apart from the behaviour that all stores share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from redis import Redis

from flask_core_auth.sessions import SessionStore
from flask_core_auth.sessions.redis import _session_key
from flask_core_auth.sessions.store import RefreshRequest

from ..apps import log_in, post_login
from ..forge import read
from ..stores import started
from .servers import RedisServer
from .test_store import GRACE, NOW, OWNER, accepted, refresh, session

MakeApp = Callable[..., Flask]
OpenSessions = Callable[..., SessionStore]


@pytest.fixture
def server(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def store(open_sessions: OpenSessions, redis_url: str) -> SessionStore:
    return open_sessions(redis_url)


SESSION, INDEX = _session_key(OWNER, "a" * 22), "core-auth:*:sessions"
#: More time than a test takes; Redis measures the life of its keys by its own clock.
SLOW_SECONDS = 300


def index(server: Redis) -> str:
    (key,) = server.scan_iter(INDEX)
    return key


def assert_expires(server: Redis, key: str, after: int) -> None:
    """Check the life of a key, in seconds since it was set during this test."""
    assert after - SLOW_SECONDS < server.ttl(key) <= after


def test_session_and_its_index_expire_by_themselves(store: SessionStore, server: Redis) -> None:
    now = time.time()
    store.open(session(expires_at=int(now) + 500), now=now, limit=None)
    assert_expires(server, SESSION, after=500)
    assert_expires(server, index(server), after=500)


def test_index_expires_with_its_last_session(store: SessionStore, server: Redis) -> None:
    store.open(session("a", expires_at=int(NOW) + 5000), now=NOW, limit=None)
    store.open(session("b", expires_at=int(NOW) + 500), now=NOW, limit=None)
    assert_expires(server, index(server), after=5000)


def test_rotation_extends_the_life_of_session_and_index(store: SessionStore, server: Redis) -> None:
    store.open(session(expires_at=int(NOW) + 500), now=NOW, limit=None)
    assert refresh(store, "first", "second", after=10) == accepted("second", 1010)
    assert_expires(server, SESSION, after=1000)
    assert_expires(server, index(server), after=1000)
    assert server.zscore(index(server), "a" * 22) == int(NOW) + 1010


def test_refresh_without_rotation_does_not_extend_a_session(store: SessionStore, server: Redis) -> None:
    store.open(session(expires_at=int(NOW) + 500), now=NOW, limit=None)
    refresh(store, "first", after=100)
    assert_expires(server, SESSION, after=400)


def test_login_removes_expired_sessions_from_the_index(store: SessionStore, server: Redis) -> None:
    store.open(session("a", expires_at=int(NOW) + 10), now=NOW, limit=None)
    store.open(session("b", expires_at=int(NOW) + 1000), now=NOW + 10, limit=None)
    assert server.zrange(index(server), 0, -1) == [":" + "b" * 22, "b" * 22]


def test_ended_sessions_leave_no_keys_behind(store: SessionStore, server: Redis) -> None:
    store.open(session("a"), now=NOW, limit=None)
    store.open(session("b"), now=NOW, limit=None)
    store.end("a" * 22, OWNER)
    assert server.zrange(index(server), 0, -1) == [":" + "b" * 22, "b" * 22]
    store.end_all(OWNER)
    assert server.keys("*") == []


@pytest.mark.parametrize("successor", [None, "second"])
def test_refresh_restores_a_lost_index_so_that_revoke_finds_the_session(
    store: SessionStore, server: Redis, successor: str | None
) -> None:
    store.open(session(), now=NOW, limit=None)
    server.delete(index(server))
    assert refresh(store, "first", successor) == accepted(successor or "first", 1000)
    assert_expires(server, index(server), after=1000)
    assert store.end_all(OWNER) == [session().id]


def test_ended_session_does_not_come_back_into_the_index(store: SessionStore, server: Redis) -> None:
    store.open(session(), now=NOW, limit=None)
    assert refresh(store, "forged").verdict.value == "reused"
    assert refresh(store, "first").verdict.value == "gone"
    assert server.keys("*") == []


def test_evicted_session_is_not_found(store: SessionStore, server: Redis) -> None:
    store.open(session(), now=NOW, limit=None)
    server.delete(SESSION)
    assert store.list_by_owner(OWNER, now=NOW) == []
    assert not store.end("a" * 22, OWNER)
    assert store.end_all(OWNER) == []


def test_no_token_is_stored(make_app: MakeApp, redis_url: str, server: Redis) -> None:
    tokens = log_in(make_app(redis_url).test_client())
    session_id = read(tokens["access_token"])["sid"]
    kept = server.get(_session_key("flask-core-auth/local admin", session_id))
    assert read(tokens["refresh_token"])["jti"] == json.loads(kept)["jti"]
    for token in tokens.values():
        for part in token.split("."):
            assert part not in kept


def test_scripts_are_loaded_again_after_the_server_dropped_them(store: SessionStore, server: Redis) -> None:
    store.open(session(), now=NOW, limit=None)
    server.script_flush()
    assert refresh(store, "first", "second") == accepted("second", 1000)


def test_login_returns_503_while_the_server_has_no_memory(
    make_app: MakeApp, redis_url: str, server: Redis
) -> None:
    client = make_app(redis_url).test_client()
    server.config_set("maxmemory", "1")
    try:
        assert post_login(client).status_code == 503
    finally:
        server.config_set("maxmemory", "0")
    log_in(client)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisServer]:
    """A cluster of one server, which rejects commands and scripts with keys of two slots."""
    servers = started(lambda: RedisServer("--cluster-enabled", "yes"))
    for server in servers:
        with Redis.from_url(server.url) as client:
            client.execute_command("CLUSTER ADDSLOTS", *range(16384))
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                time.sleep(0.02)
        yield server


def test_every_call_of_the_store_works_in_a_cluster(
    open_sessions: OpenSessions, cluster: RedisServer
) -> None:
    store = open_sessions(cluster.url)
    for number in range(20):
        store.open(replace(session(), id=f"{number:022}", owner=f"{{{number % 3}}}"), now=NOW, limit=None)
    assert len(store.list_by_owner("{1}", now=NOW)) == 7
    assert store.is_live(f"{1:022}", "{1}", now=NOW, max_age=5000)
    decision = store.refresh(RefreshRequest(f"{1:022}", "{1}", "first", "second", NOW, GRACE, 1000, 5000))
    assert decision == accepted("second", 1000)
    assert store.end(f"{1:022}", "{1}")
    assert len(store.end_all("{1}")) == 6
    assert len(store.list_by_owner("{2}", now=NOW)) == 6


def test_login_limit_is_shared_by_apps_with_the_same_redis(make_app: MakeApp, redis_url: str) -> None:
    apps = [make_app(redis_url, LIMIT_STORAGE=redis_url, LOGIN_LIMIT="3/hour") for _ in range(2)]
    statuses = [post_login(apps[turn % 2], password="a guess").status_code for turn in range(5)]
    assert statuses == [403, 403, 403, 429, 429]
    for app in apps:
        app.extensions["core_auth"].throttle._limiters[0].storage.storage.close()

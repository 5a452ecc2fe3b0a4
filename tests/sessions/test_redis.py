"""What is particular to sessions in Redis."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from redis import Redis

from flask_core_auth.sessions import SessionStore
from flask_core_auth.sessions.store import RefreshRequest

from .app import PASSWORD, login
from .conftest import started
from .servers import RedisServer
from .test_store import GRACE, NOW, accepted, session, use

MakeApp = Callable[..., Flask]
OpenSessions = Callable[..., SessionStore]


@pytest.fixture
def server(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def store(open_sessions: OpenSessions, redis_url: str) -> SessionStore:
    return open_sessions(redis_url)


SESSION, INDEX = "core-auth:session:" + "a" * 22, "core-auth:owner:*"


def index(server: Redis) -> str:
    (key,) = server.scan_iter(INDEX)
    return key


def test_session_and_its_index_expire_by_themselves(store: SessionStore, server: Redis) -> None:
    now = time.time()
    store.open(session(expires_at=int(now) + 100), now=now)
    assert server.ttl(SESSION) == pytest.approx(100, abs=2)
    assert server.ttl(index(server)) == pytest.approx(100, abs=2)


def test_index_lives_as_long_as_the_session_that_expires_last(store: SessionStore, server: Redis) -> None:
    store.open(session("a", expires_at=int(NOW) + 5000), now=NOW)
    store.open(session("b", expires_at=int(NOW) + 100), now=NOW)
    assert server.ttl(index(server)) == pytest.approx(5000, abs=2)


def test_rotation_lets_session_and_index_live_longer(store: SessionStore, server: Redis) -> None:
    store.open(session(expires_at=int(NOW) + 50), now=NOW)
    assert use(store, "first", "second", after=10) == accepted("second", 1010)
    assert server.ttl(SESSION) == pytest.approx(1000, abs=2)
    assert server.ttl(index(server)) == pytest.approx(1000, abs=2)
    assert server.zscore(index(server), "a" * 22) == int(NOW) + 1010


def test_use_without_rotation_leaves_the_life_of_a_session_as_it_is(
    store: SessionStore, server: Redis
) -> None:
    store.open(session(expires_at=int(NOW) + 500), now=NOW)
    use(store, "first", after=100)
    assert server.ttl(SESSION) == pytest.approx(400, abs=2)


def test_login_clears_the_index_of_what_has_expired(store: SessionStore, server: Redis) -> None:
    store.open(session("a", expires_at=int(NOW) + 10), now=NOW)
    store.open(session("b", expires_at=int(NOW) + 1000), now=NOW + 10)
    assert server.zrange(index(server), 0, -1) == ["b" * 22]


def test_ended_sessions_leave_nothing_behind(store: SessionStore, server: Redis) -> None:
    store.open(session("a"), now=NOW)
    store.open(session("b"), now=NOW)
    store.end("a" * 22, "local admin")
    assert server.zrange(index(server), 0, -1) == ["b" * 22]
    store.end_all("local admin")
    assert server.keys("*") == []


def test_rotation_does_not_put_a_session_that_was_revoked_back_into_the_index(
    store: SessionStore, server: Redis
) -> None:
    store.open(session(), now=NOW)
    server.delete(index(server))  # as if revoked between the two steps of a refresh
    use(store, "first", "second")
    assert list(server.scan_iter(INDEX)) == []


def test_session_that_was_evicted_is_gone(store: SessionStore, server: Redis) -> None:
    store.open(session(), now=NOW)
    server.delete(SESSION)
    assert store.list_by_owner("local admin", now=NOW) == []
    assert not store.end("a" * 22, "local admin")
    assert store.end_all("local admin") == []


def test_no_token_is_stored(make_app: MakeApp, redis_url: str, server: Redis) -> None:
    tokens = login(make_app(redis_url).test_client())
    (key,) = server.scan_iter("core-auth:session:*")
    kept = server.get(key)
    assert json.loads(kept)["owner"] == "local admin"
    for token in tokens.values():
        for part in token.split("."):
            assert part not in kept


def test_scripts_survive_a_server_that_has_forgotten_them(store: SessionStore, server: Redis) -> None:
    store.open(session(), now=NOW)
    server.script_flush()
    assert use(store, "first", "second") == accepted("second", 1000)


def test_server_without_memory_is_503(make_app: MakeApp, redis_url: str, server: Redis) -> None:
    client = make_app(redis_url).test_client()
    server.config_set("maxmemory", "1")
    try:
        credentials = {"username": "admin", "password": PASSWORD}
        assert client.post("/api/login", json=credentials).status_code == 503
    finally:
        server.config_set("maxmemory", "0")
    login(client)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisServer]:
    """A cluster of one, which refuses what touches keys of two slots."""
    servers = started(lambda: RedisServer("--cluster-enabled", "yes"))
    for server in servers:
        with Redis.from_url(server.url) as client:
            client.execute_command("CLUSTER ADDSLOTS", *range(16384))
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                time.sleep(0.02)
        yield server


def test_nothing_touches_two_slots_of_a_cluster(open_sessions: OpenSessions, cluster: RedisServer) -> None:
    store = open_sessions(cluster.url)
    for number in range(20):
        store.open(replace(session(), id=f"{number:022}", owner=f"{{{number % 3}}}"), now=NOW)
    assert len(store.list_by_owner("{1}", now=NOW)) == 7
    assert store.is_live(f"{1:022}", now=NOW)
    decision = store.refresh(RefreshRequest(f"{1:022}", "first", "second", NOW, GRACE, 1000, 5000))
    assert decision == accepted("second", 1000)
    assert store.end(f"{1:022}", "{1}")
    assert len(store.end_all("{1}")) == 6
    assert len(store.list_by_owner("{2}", now=NOW)) == 6


def test_login_limit_holds_across_processes_in_the_same_redis(make_app: MakeApp, redis_url: str) -> None:
    apps = [make_app(redis_url, LIMIT_STORAGE=redis_url, LOGIN_LIMIT="3/minute") for _ in range(2)]
    wrong = {"username": "admin", "password": "a guess"}
    statuses = [
        apps[turn % 2].test_client().post("/api/login", json=wrong).status_code for turn in range(5)
    ]
    assert statuses == [403, 403, 403, 429, 429]
    for app in apps:
        app.extensions["core_auth"].throttle._limiters[0].storage.storage.close()

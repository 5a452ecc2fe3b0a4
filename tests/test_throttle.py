"""The limit on failed logins, in this process and in real storages."""

from __future__ import annotations

import gc
import logging
import signal
import time
import warnings
from collections.abc import Iterator

import pymemcache
import pytest
from flask import Flask
from redis import Redis
from werkzeug.test import TestResponse

from flask_core_auth import CoreAuth, throttle

from .apps import PASSWORD, USERNAME, Clock, at_once, bearer, post_login
from .forge import encode
from .limits import restore_limits
from .sessions.servers import RedisServer, Server, free_port
from .stores import MemcachedServer, started
from .tenant import EXAMPLE

#: An address that is reserved for documentation (RFC 5737).
ADDRESS = "192.0.2.1"


def attempt(
    app: Flask, password: str = "wrong", username: str = USERNAME, address: str = ADDRESS
) -> TestResponse:
    """Try to log in from an address."""
    return post_login(app, username, password, environ_overrides={"REMOTE_ADDR": address})


def statuses(app: Flask, count: int, **more) -> list[int]:
    return [attempt(app, **more).status_code for _ in range(count)]


def test_eleventh_failure_in_a_minute_gets_a_429(app):
    assert statuses(app, 12) == [403] * 10 + [429] * 2
    response = attempt(app, PASSWORD)
    assert response.status_code == 429
    assert response.json == {
        "code": 429,
        "message": "Too Many Requests",
        "details": ["Too many failed logins, try again later"],
    }
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_retry_after_is_the_time_until_the_next_try_is_decided(make_app, clock):
    app = make_app(API_AUTH_LOGIN_LIMIT="2/minute")
    statuses(app, 2)
    clock.move(10)
    wait = int(attempt(app).headers["Retry-After"])
    assert wait == 50
    clock.move(wait - 1)
    assert attempt(app, PASSWORD).status_code == 429
    clock.move(1)
    assert attempt(app, PASSWORD).status_code == 200


def test_logins_rejected_by_the_limit_are_not_counted(make_app, clock):
    app = make_app(API_AUTH_LOGIN_LIMIT="2/minute")
    statuses(app, 50)
    clock.move(60)
    assert statuses(app, 3) == [403, 403, 429]


def test_successful_login_is_not_counted_and_clears_no_count(app):
    assert statuses(app, 30, password=PASSWORD) == [200] * 30
    statuses(app, 9)
    assert attempt(app, PASSWORD).status_code == 200
    assert statuses(app, 2) == [403, 429]


def test_bad_request_is_not_counted(app):
    for _ in range(20):
        assert app.test_client().post("/api/login", json={}).status_code == 400
        assert app.test_client().post("/api/login", headers=bearer("a.b.c.d.e")).status_code == 400
    assert attempt(app, PASSWORD, address="127.0.0.1").status_code == 200


def test_usernames_of_one_address_have_a_limit_each_and_five_times_that_together(make_app):
    app = make_app(API_AUTH_LOGIN_LIMIT="3/minute")
    found = [statuses(app, 4, username=f"user{number}") for number in range(6)]
    assert found == [[403, 403, 403, 429]] * 5 + [[429] * 4]
    assert attempt(app, PASSWORD).status_code == 429, "any username, from that address"
    assert attempt(app, PASSWORD, address="192.0.2.2").status_code == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:0::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:DB8::1", "2001:db8:0:0:0:0:0:2", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "192.0.2.1", False),
        ("192.0.2.1:4711", "192.0.2.1:4712", True),
        ("192.0.2.1:4711", "192.0.2.1", True),
        ("[2001:db8::1]:4711", "2001:db8::2", True),
        ("[2001:db8::1]", "2001:db8::2", True),
        ("client-a", "client-b", False),
    ],
)
def test_addresses_of_one_client_share_a_limit(make_app, one, other, same):
    app = make_app(API_AUTH_LOGIN_LIMIT="1/minute")
    assert statuses(app, 2, address=one) == [403, 429]
    assert attempt(app, address=other).status_code == (429 if same else 403)


def test_similar_usernames_are_counted_separately(make_app):
    app = make_app(API_AUTH_LOGIN_LIMIT="1/minute")
    for username in ("x", "X", "x ", "xx", "ä", "a\u0308", "x" * 10000, "x\n"):
        assert statuses(app, 2, username=username)[0] in (403, 429)
    assert attempt(app, username="x").status_code == 429
    assert throttle._key("a", "b") != throttle._key("ab") != throttle._key("a", "", "b")


def test_several_limits_hold_together(make_app, clock):
    app = make_app(API_AUTH_LOGIN_LIMIT="2/minute; 3/hour")
    assert statuses(app, 3) == [403, 403, 429]
    clock.move(60)
    assert statuses(app, 2) == [403, 429]
    assert int(attempt(app).headers["Retry-After"]) > 60


def test_nothing_is_counted_without_a_limit(make_app):
    for limit in (None, "none"):
        app = make_app(API_AUTH_LOGIN_LIMIT=limit, API_AUTH_LIMIT_STORAGE="redis://127.0.0.1:1")
        assert statuses(app, 60) == [403] * 60


def test_rejected_tokens_of_a_tenant_are_counted(make_app):
    app = make_app(
        API_AUTH_LOGIN_LIMIT="2/minute", API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[EXAMPLE]
    )
    parts = ({"alg": "HS256"}, {"iss": "https://tenant.example/"}, "signature")
    token = b".".join(map(encode, parts)).decode()
    found = [app.test_client().post("/api/login", headers=bearer(token)).status_code for _ in range(3)]
    assert found == [403, 403, 429]


def test_apps_count_separately(make_app):
    statuses(make_app(), 11)
    assert attempt(make_app()).status_code == 403


def test_burst_of_wrong_passwords_is_decided_only_up_to_the_limit(app):
    assert at_once(30, lambda: attempt(app).status_code) == [403] * 10 + [429] * 20


def test_burst_of_right_passwords_logs_in(app):
    assert at_once(50, lambda: attempt(app, PASSWORD).status_code) == [200] * 50


# Storages


@pytest.fixture(scope="module")
def redis_storage() -> Iterator[RedisServer]:
    # Without a file: the storage forgets its counts when it ends.
    yield from started(lambda: RedisServer("--appendonly", "no"))


@pytest.fixture(scope="module")
def memcached_storage() -> Iterator[MemcachedServer]:
    yield from started(MemcachedServer)


@pytest.fixture
def connected() -> Iterator[None]:
    """Close connections of storages after the test; in an app they last as long as the process.

    A test asks for it before ``make_app``, which holds the apps until its own end.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(params=["redis", "memcached"])
def storage(request: pytest.FixtureRequest, connected: None) -> Server:
    """The server of an empty storage, of each kind in turn."""
    server: Server = request.getfixturevalue(f"{request.param}_storage")
    if request.param == "redis":
        with Redis(port=server.port) as connection:
            connection.flushall()
    else:
        memcached = pymemcache.Client(("127.0.0.1", server.port))
        memcached.flush_all()
        memcached.close()
    return server


def test_storage_is_shared_by_apps(storage, make_app):
    one, two = (make_app(API_AUTH_LIMIT_STORAGE=storage.url) for _ in range(2))
    assert statuses(one, 6) + statuses(two, 6) == [403] * 10 + [429] * 2
    response = attempt(one, PASSWORD)
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    for username in ("näme with spaces", "x" * 5000, "a\nb\r\nflush_all"):
        assert attempt(one, username=username).status_code == 403


def test_burst_is_limited_in_a_storage(storage, make_app):
    app = make_app(API_AUTH_LIMIT_STORAGE=storage.url)
    found = at_once(30, lambda: attempt(app).status_code)
    assert found.count(403) <= 10
    assert set(found) == {403, 429}


def test_storage_holds_no_username_and_no_address(redis_storage, connected, make_app):
    app = make_app(API_AUTH_LIMIT_STORAGE=redis_storage.url)
    with Redis(port=redis_storage.port, decode_responses=True) as connection:
        connection.flushall()
        attempt(app, username="somebody")
        keys = connection.keys()
        assert len(keys) == 2
        assert not any("somebody" in key or ADDRESS in key for key in keys)
        assert all(0 < connection.ttl(key) <= 60 for key in keys)


def lines(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if "LIMIT_STORAGE" in record.getMessage()]


def test_storage_that_is_down_is_replaced_by_memory_and_logged_once_a_minute(make_app, caplog, monkeypatch):
    caplog.set_level(logging.WARNING, "flask_core_auth")
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    app = make_app(API_AUTH_LIMIT_STORAGE=f"memcached://127.0.0.1:{free_port()}")
    assert statuses(app, 12) == [403] * 10 + [429] * 2
    assert len(lines(caplog)) == 1
    clock.move(54)
    attempt(app)
    assert len(lines(caplog)) == 1
    clock.move(6)
    attempt(app)
    assert len(lines(caplog)) == 2


def test_password_of_a_storage_is_not_logged(make_app, caplog):
    app = make_app(API_AUTH_LIMIT_STORAGE=f"redis://user:hunter2@127.0.0.1:{free_port()}")
    assert attempt(app).status_code == 403
    assert lines(caplog)
    assert "hunter2" not in caplog.text


def test_storage_that_comes_back_is_used_again(storage, make_app, pauses, caplog):
    app = make_app(API_AUTH_LIMIT_STORAGE=storage.url, API_AUTH_LOGIN_LIMIT="4/minute")
    assert statuses(app, 2) == [403, 403]
    storage.kill()
    try:
        assert statuses(app, 5) == [403] * 4 + [429]
    finally:
        storage.start()
    assert len(lines(caplog)) == 1
    pauses.move(5)
    # The storage lost its counts; new ones are in the storage, where each process sees them.
    other = make_app(API_AUTH_LIMIT_STORAGE=storage.url, API_AUTH_LOGIN_LIMIT="4/minute")
    assert statuses(app, 3) + statuses(other, 2) == [403] * 4 + [429]
    assert len(lines(caplog)) == 1


def test_storage_whose_limit_is_reached_is_used_again(storage, make_app, pauses):
    app = make_app(API_AUTH_LIMIT_STORAGE=storage.url, API_AUTH_LOGIN_LIMIT="2/minute")
    assert statuses(app, 3) == [403, 403, 429]
    app.extensions["core_auth"].throttle._breaker.fail()
    pauses.move(5)
    assert statuses(app, 3) == [429] * 3


@pytest.mark.parametrize("scheme", ["redis", "memcached"])
def test_storage_that_never_responds_is_asked_once_in_five_seconds(
    connected, black_hole, make_app, pauses, scheme
):
    restore_limits()
    app = make_app(API_AUTH_LIMIT_STORAGE=f"{scheme}://127.0.0.1:{black_hole.port}")
    # Each wait needs a new connection.
    assert attempt(app).status_code == 403
    assert black_hole.connections() == 1
    pauses.move(4.9)
    assert statuses(app, 12) == [403] * 9 + [429] * 3
    assert black_hole.connections() == 0
    for _ in range(2):
        pauses.move(5)
        assert at_once(8, lambda: attempt(app, PASSWORD).status_code) == [429] * 8
        assert black_hole.connections() == 1


def test_login_is_counted_where_it_was_checked_when_a_pause_ends(redis_storage, connected, pauses):
    login_throttle = throttle.LoginThrottle("1/minute", redis_storage.url)
    with Redis(port=redis_storage.port) as connection:
        connection.flushall()
        login_throttle._breaker.fail()
        login_throttle.check(ADDRESS, USERNAME)
        pauses.move(5)
        login_throttle.count(ADDRESS, USERNAME)
        assert connection.keys() == []
        login_throttle.check(ADDRESS, USERNAME)
        login_throttle.count(ADDRESS, USERNAME)
        assert len(connection.keys()) == 2


def test_outages_of_a_storage_give_at_most_twice_the_guesses(storage, make_app, pauses):
    guesses = []
    core_auth = CoreAuth()
    core_auth.password_verifier(lambda username, password: guesses.append(password))
    restore_limits()
    app = make_app(core_auth, API_AUTH_LIMIT_STORAGE=storage.url, API_AUTH_LOGIN_LIMIT="4/hour")
    statuses(app, 3, username="somebody")
    for _ in range(3):
        storage.signal(signal.SIGSTOP)
        try:
            statuses(app, 6, username="somebody")
        finally:
            storage.signal(signal.SIGCONT)
        pauses.move(5)
        statuses(app, 6, username="somebody")
        pauses.move(5)
    assert 4 <= len(guesses) <= 8

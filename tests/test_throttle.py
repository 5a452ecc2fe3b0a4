"""The limit on failed logins, in this process and in real stores."""

from __future__ import annotations

import gc
import getpass
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
import typing as t
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pymemcache
import pytest
import redis
from flask import Flask

from flask_core_auth import throttle

from .forge import bearer, encode
from .tether import tethered

RIGHT = "correct horse"
#: An address that nobody has: the documentation's (RFC 5737).
ADDRESS = "192.0.2.1"


def log_in(app: Flask, password: str = "wrong", username: str = "admin", address: str = ADDRESS):
    credentials = {"username": username, "password": password}
    environ = {"REMOTE_ADDR": address}
    return app.test_client().post("/api/login", json=credentials, environ_overrides=environ)


def statuses(app: Flask, count: int, **more) -> list[int]:
    return [log_in(app, **more).status_code for _ in range(count)]


def test_after_ten_failures_in_a_minute_nothing_is_looked_at(app):
    assert statuses(app, 12) == [403] * 10 + [429] * 2
    response = log_in(app, RIGHT)
    assert response.status_code == 429
    assert response.json == {
        "code": 429,
        "message": "Too Many Requests",
        "details": ["Too many failed logins, try again later"],
    }
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_retry_after_is_when_the_next_try_is_answered(make_app, clock):
    app = make_app(API_AUTH_LOGIN_LIMIT="2/minute")
    statuses(app, 2)
    clock.move(10)
    wait = int(log_in(app).headers["Retry-After"])
    assert wait == 50
    clock.move(wait - 1)
    assert log_in(app, RIGHT).status_code == 429
    clock.move(1)
    assert log_in(app, RIGHT).status_code == 200


def test_what_was_refused_unseen_is_not_counted(make_app, clock):
    app = make_app(API_AUTH_LOGIN_LIMIT="2/minute")
    statuses(app, 50)
    clock.move(60)
    assert statuses(app, 3) == [403, 403, 429]


def test_success_is_not_counted_and_clears_nothing(app):
    assert statuses(app, 30, password=RIGHT) == [200] * 30
    statuses(app, 9)
    assert log_in(app, RIGHT).status_code == 200
    assert statuses(app, 2) == [403, 429]


def test_a_bad_request_is_not_counted(app):
    for _ in range(20):
        assert app.test_client().post("/api/login", json={}).status_code == 400
        assert app.test_client().post("/api/login", headers=bearer("a.b.c.d.e")).status_code == 400
    assert log_in(app, RIGHT, address="127.0.0.1").status_code == 200


def test_names_are_counted_each_for_itself_and_five_times_as_much_together(make_app):
    app = make_app(API_AUTH_LOGIN_LIMIT="3/minute")
    found = [statuses(app, 4, username=f"user{number}") for number in range(6)]
    assert found == [[403, 403, 403, 429]] * 5 + [[429] * 4]
    assert log_in(app, RIGHT).status_code == 429  # that address, whatever the name
    assert log_in(app, RIGHT, address="192.0.2.2").status_code == 200


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
def test_which_addresses_are_one_client(make_app, one, other, same):
    app = make_app(API_AUTH_LOGIN_LIMIT="1/minute")
    assert statuses(app, 2, address=one) == [403, 429]
    assert log_in(app, address=other).status_code == (429 if same else 403)


def test_names_that_are_joined_alike_are_not_one(make_app):
    app = make_app(API_AUTH_LOGIN_LIMIT="1/minute")
    for username in ("x", "X", "x ", "xx", "ä", "a\u0308", "x" * 10000, "x\n"):
        assert statuses(app, 2, username=username)[0] in (403, 429)
    assert log_in(app, username="x").status_code == 429
    assert throttle._key("a", "b") != throttle._key("ab") != throttle._key("a", "", "b")


def test_several_limits_hold_together(make_app, clock):
    app = make_app(API_AUTH_LOGIN_LIMIT="2/minute; 3/hour")
    assert statuses(app, 3) == [403, 403, 429]
    clock.move(60)
    assert statuses(app, 2) == [403, 429]
    assert int(log_in(app).headers["Retry-After"]) > 60


def test_without_a_limit_nothing_is_counted(make_app):
    for limit in (None, "none"):
        app = make_app(API_AUTH_LOGIN_LIMIT=limit, API_AUTH_LIMIT_STORAGE="redis://127.0.0.1:1")
        assert statuses(app, 60) == [403] * 60


def test_tokens_of_a_tenant_are_counted_too(make_app):
    tenant = {"domain": "tenant.example", "audience": "api", "users": ["x"]}
    app = make_app(
        API_AUTH_LOGIN_LIMIT="2/minute", API_AUTH_AUTH0_ENABLE=True, API_AUTH_AUTH0_TENANTS=[tenant]
    )
    parts = ({"alg": "HS256"}, {"iss": "https://tenant.example/"}, "signature")
    token = b".".join(map(encode, parts)).decode()
    found = [app.test_client().post("/api/login", headers=bearer(token)).status_code for _ in range(3)]
    assert found == [403, 403, 429]


def test_each_app_counts_for_itself(make_app):
    statuses(make_app(), 11)
    assert log_in(make_app()).status_code == 403


def at_once(count: int, call: t.Callable[[], int]) -> list[int]:
    """The results of ``count`` calls that begin together."""
    barrier = threading.Barrier(count)

    def one(_: int) -> int:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(one, range(count)))


def test_a_burst_of_wrong_passwords_is_told_apart_as_often_as_the_limit_says(app):
    assert at_once(30, lambda: log_in(app).status_code) == [403] * 10 + [429] * 20


def test_a_burst_of_right_passwords_all_log_in(app):
    assert at_once(50, lambda: log_in(app, RIGHT).status_code) == [200] * 50


# Stores


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A server process on loopback that can be stopped and started again on its port."""

    def __init__(self, command: t.Callable[[int], list[str]]) -> None:
        self.port = free_port()
        self._command = command(self.port)
        program = shutil.which(self._command[0])
        if program is None:
            # Where everything is to be tried, what is missing is a failure.
            fail = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            fail(f"{self._command[0]} is not installed")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            tethered(*self._command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, "it ended"
                time.sleep(0.01)  # a process has no event to wait for
            else:
                return
        self.stop()
        pytest.fail(f"{self._command[0]} does not answer")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture(scope="module")
def redis_server() -> Iterator[Server]:
    server = Server(
        lambda port: [
            "redis-server",
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            "/tmp",
        ]
    )
    yield server
    server.stop()


@pytest.fixture(scope="module")
def memcached_server() -> Iterator[Server]:
    server = Server(
        lambda port: ["memcached", "-p", str(port), "-l", "127.0.0.1", "-U", "0", "-u", getpass.getuser()]
    )
    yield server
    server.stop()


@pytest.fixture
def connected() -> Iterator[None]:
    """For apps that connect to a store: their connections end with the process, here with the test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(params=["redis", "memcached"])
def store(request, connected) -> tuple[str, Server]:
    """A real store that is empty: its URI and its server."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    if request.param == "redis":
        with redis.Redis(port=server.port) as connection:
            connection.flushall()
    else:
        memcached = pymemcache.Client(("127.0.0.1", server.port))
        memcached.flush_all()
        memcached.close()
    return f"{request.param}://127.0.0.1:{server.port}", server


def test_a_store_is_shared_by_processes(make_app, store):
    uri, _ = store
    one, two = (make_app(API_AUTH_LIMIT_STORAGE=uri) for _ in range(2))
    assert statuses(one, 6) + statuses(two, 6) == [403] * 10 + [429] * 2
    response = log_in(one, RIGHT)
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    for username in ("näme with spaces", "x" * 5000, "a\nb\r\nflush_all"):
        assert log_in(one, username=username).status_code == 403


def test_a_burst_against_a_store(make_app, store):
    uri, _ = store
    app = make_app(API_AUTH_LIMIT_STORAGE=uri)
    found = at_once(30, lambda: log_in(app).status_code)
    assert found.count(403) <= 10
    assert set(found) == {403, 429}


def test_a_store_holds_no_name_and_no_address(make_app, redis_server, connected):
    app = make_app(API_AUTH_LIMIT_STORAGE=f"redis://127.0.0.1:{redis_server.port}")
    with redis.Redis(port=redis_server.port, decode_responses=True) as connection:
        connection.flushall()
        log_in(app, username="somebody")
        keys = connection.keys()
        assert len(keys) == 2
        assert not any("somebody" in key or ADDRESS in key for key in keys)
        assert all(0 < connection.ttl(key) <= 60 for key in keys)


def lines(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if "LIMIT_STORAGE" in record.getMessage()]


def test_a_store_that_is_down_is_replaced_by_memory_and_logged_once_a_minute(make_app, caplog, monkeypatch):
    caplog.set_level(logging.WARNING, "flask_core_auth")
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    app = make_app(API_AUTH_LIMIT_STORAGE=f"memcached://127.0.0.1:{free_port()}")
    assert statuses(app, 12) == [403] * 10 + [429] * 2
    assert len(lines(caplog)) == 1
    now[0] += 59
    log_in(app)
    assert len(lines(caplog)) == 1
    now[0] += 1
    log_in(app)
    assert len(lines(caplog)) == 2


def test_a_store_s_password_is_not_logged(make_app, caplog):
    app = make_app(API_AUTH_LIMIT_STORAGE=f"redis://user:hunter2@127.0.0.1:{free_port()}")
    assert log_in(app).status_code == 403
    assert lines(caplog)
    assert "hunter2" not in caplog.text


def test_a_store_that_comes_back_is_used_again(make_app, store, caplog):
    uri, server = store
    app = make_app(API_AUTH_LIMIT_STORAGE=uri, API_AUTH_LOGIN_LIMIT="4/minute")
    assert statuses(app, 2) == [403, 403]
    server.stop()
    try:
        assert statuses(app, 5) == [403] * 4 + [429]
    finally:
        server.start()
    assert len(lines(caplog)) == 1
    # The store forgot what it had counted; what counts now is in it, for everybody.
    other = make_app(API_AUTH_LIMIT_STORAGE=uri, API_AUTH_LOGIN_LIMIT="4/minute")
    assert statuses(app, 3) + statuses(other, 2) == [403] * 4 + [429]
    assert len(lines(caplog)) == 1


@pytest.fixture
def black_hole(connected) -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["redis", "memcached"])
def test_a_store_that_never_answers_holds_a_login_for_no_more_than_two_seconds(
    make_app, black_hole, scheme
):
    app = make_app(API_AUTH_LIMIT_STORAGE=f"{scheme}://127.0.0.1:{black_hole}")
    for password, status in ((RIGHT, 200), ("wrong", 403)):
        start = time.monotonic()
        assert log_in(app, password).status_code == status
        assert time.monotonic() - start < 3

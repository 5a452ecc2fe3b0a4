"""An app and its sessions while the store is down, slow or killed."""

from __future__ import annotations

import os
import signal
import socket
import threading
import typing as t
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_core_auth.errors import ServiceUnavailableError
from flask_core_auth.sessions import sql

from ..apps import bearer, log_in, post_login, refresh
from ..gunicorn import STUCK_SECONDS, Gunicorn, until
from ..limits import restore_limits
from ..stores import started
from .load import PATIENCE_SECONDS, Client
from .servers import PostgresServer, RedisServer, Server, free_port

MakeApp = Callable[..., Flask]


@pytest.fixture(scope="module", params=[RedisServer, PostgresServer])
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for these tests alone, since they kill it."""
    yield from started(request.param)


@pytest.fixture
def server(own_server: Server) -> Iterator[Server]:
    assert own_server.process is not None
    yield own_server
    if own_server.process.poll() is not None:
        own_server.start()


def in_time(call: Callable[[], t.Any]) -> t.Any:
    # In a thread, since a call without a time limit would never return.
    thread = ThreadPoolExecutor(1)
    try:
        return thread.submit(call).result(STUCK_SECONDS)
    finally:
        thread.shutdown(wait=False)


def every_call(client: FlaskClient, tokens: dict[str, str]) -> dict[str, int]:
    """Send each kind of request that needs the store, and return the statuses."""
    access, refresh_token = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
    calls: dict[str, Callable[[], t.Any]] = {
        "login": lambda: post_login(client),
        "refresh": lambda: client.get("/api/login/refresh", headers=refresh_token),
        "sessions": lambda: client.get("/api/sessions", headers=access),
        "end": lambda: client.delete("/api/sessions/" + "A" * 22, headers=access),
        "always": lambda: client.get("/who", headers=access),
        "logout": lambda: client.post("/api/logout", headers=refresh_token),
    }
    responses = {name: in_time(call) for name, call in calls.items()}
    for response in responses.values():
        if response.status_code == 503:
            assert response.headers["Retry-After"] == "5"
            assert response.json["details"] == ["The session store is down"]
    return {name: response.status_code for name, response in responses.items()}


DOWN = dict.fromkeys(["login", "refresh", "sessions", "end", "always", "logout"], 503)
UP = {"login": 200, "refresh": 200, "sessions": 200, "end": 404, "always": 200, "logout": 204}


class Clients(t.NamedTuple):
    """Test clients of two apps that are connected to the same store.

    :param patient: the client of an app with extended time limits.
    :param strict: the client of an app with the limits of production. On a slow machine, they may end a
        call even if the store works.
    """

    patient: FlaskClient
    strict: FlaskClient

    def wait_until_up(self) -> None:
        """Wait until every call of the strict app succeeds again."""
        until(lambda: every_call(self.strict, log_in(self.patient)) == UP)


@pytest.fixture
def clients(make_app: MakeApp, server: Server) -> Clients:
    patient = make_app(server.url, SESSION_CHECK="always").test_client()
    log_in(patient)
    restore_limits()
    strict = make_app(server.url, SESSION_CHECK="always").test_client()
    until(lambda: post_login(strict).status_code == 200)
    return Clients(patient, strict)


def test_time_limits_of_a_call_add_up_to_less_than_a_second(
    open_sessions: Callable[..., t.Any], sqlite_url: str
) -> None:
    restore_limits()
    for url in (sqlite_url, "postgresql+psycopg://test@127.0.0.1:1/test"):
        store = open_sessions(url)
        deadline = store._enter_process()
        call = sql.CALL_TIMEOUT_SECONDS if deadline is None else deadline._seconds
        assert 0 < call + store._engine.pool._timeout < 1
    arguments = open_sessions("redis://127.0.0.1:1")._client.connection_pool.connection_kwargs
    assert 0 < arguments["socket_connect_timeout"] + arguments["socket_timeout"] < 1


def test_killed_store_causes_503_until_it_is_back(clients: Clients, server: Server) -> None:
    tokens = log_in(clients.patient)
    server.kill()
    assert every_call(clients.strict, tokens) == DOWN
    server.start()
    clients.wait_until_up()
    assert every_call(clients.patient, tokens) == UP
    assert refresh(clients.patient, tokens["refresh_token"]).status_code == 401


def test_store_restart_between_requests_causes_no_503(make_app: MakeApp, server: Server) -> None:
    client = make_app(server.url, SESSION_CHECK="always").test_client()
    tokens = log_in(client)
    server.kill()
    server.start()
    assert every_call(client, tokens) == UP


def test_frozen_store_causes_503_in_time_until_it_is_back(
    clients: Clients, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = log_in(clients.patient)
    server.signal(signal.SIGSTOP)
    try:
        # Its system still accepts connections, so only the time limits end the calls.
        assert every_call(clients.strict, tokens) == DOWN
    finally:
        server.signal(signal.SIGCONT)
    assert "API_AUTH_SESSIONS is down: TimeoutError" in caplog.text
    clients.wait_until_up()


def test_many_concurrent_calls_of_a_frozen_store_each_end_in_time(clients: Clients, server: Server) -> None:
    token = log_in(clients.patient)["refresh_token"]
    app = clients.strict.application
    server.signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(30) as threads:
            calls = [threads.submit(in_time, lambda: refresh(app, token)) for _ in range(30)]
            assert {call.result().status_code for call in calls} == {503}
    finally:
        server.signal(signal.SIGCONT)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{}", "postgresql+psycopg://test@127.0.0.1:{}/test"])
def test_store_that_never_existed_causes_a_503(make_app: MakeApp, url: str) -> None:
    client = make_app(url.format(free_port())).test_client()
    assert in_time(lambda: post_login(client)).status_code == 503


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{}", "postgresql+psycopg://test@127.0.0.1:{}/test"])
@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 100])
def test_server_with_another_protocol_causes_a_503(make_app: MakeApp, url: str, greeting: bytes) -> None:
    restore_limits()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)
                stopped.wait()

        stopped = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        client = make_app(url.format(listener.getsockname()[1])).test_client()
        try:
            assert in_time(lambda: post_login(client)).status_code == 503
        finally:
            stopped.set()
            thread.join()


def test_protected_routes_work_without_the_store_if_only_refresh_checks_it(
    make_app: MakeApp, server: Server
) -> None:
    client = make_app(server.url).test_client()
    tokens = log_in(client)
    server.kill()
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200
    assert refresh(client, tokens["refresh_token"]).status_code == 503


def test_issue_and_revoke_raise_service_unavailable_while_the_store_is_down(make_app: MakeApp) -> None:
    app = make_app(f"redis://127.0.0.1:{free_port()}", SESSION_CHECK="always")
    core_auth: t.Any = app.blueprints["core_auth"]
    with app.app_context():
        for call in (lambda: core_auth.issue("admin"), lambda: core_auth.revoke("admin")):
            with pytest.raises(ServiceUnavailableError):
                call()


def test_store_failure_is_logged_once_a_minute_without_the_password(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(f"redis://user:hunter2@127.0.0.1:{free_port()}")
    client = app.test_client()
    for _ in range(3):
        post_login(client)
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if "API_AUTH_SESSIONS is down" in line]) == 1
    assert "hunter2" not in caplog.text


def test_protected_routes_need_no_store_if_api_auth_enable_is_false(
    make_app: MakeApp, server: Server
) -> None:
    client = make_app(server.url, SESSION_CHECK="always", ENABLE=False).test_client()
    tokens = log_in(client)
    server.kill()
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 200


# kill -9 under load


def kill_a_worker(gunicorn: Gunicorn) -> None:
    _, worker = gunicorn.caller.insist("GET", "/pid")
    os.kill(worker["pid"], signal.SIGKILL)


def test_killed_store_loses_no_session_and_revives_none(server: Server) -> None:
    kill_under_load(server.url, server)


def test_killed_worker_loses_no_session_and_revives_none(sqlite_url: str) -> None:
    kill_under_load(sqlite_url, None)


def kill_under_load(url: str, server: Server | None) -> None:
    # The master has used the store before it forked the workers.
    gunicorn = Gunicorn("tests.sessions.served:app", ready="/pid", workers=2, threads=4, SESSIONS=url)
    clients = [Client(gunicorn.caller) for _ in range(6)]

    def go_on() -> None:
        """Wait until the clients have finished some more sessions."""
        enough = sum(client.done for client in clients) + 25
        until(lambda: sum(client.done for client in clients) >= enough)

    try:
        for client in clients:
            client.start()
        go_on()
        kill_a_worker(gunicorn)
        go_on()
        if server is not None:
            server.kill()
            server.start()
        go_on()
        kill_a_worker(gunicorn)
        go_on()
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join(2 * PATIENCE_SECONDS)
            assert not client.is_alive()
        call = gunicorn.caller.insist
        live = [tokens for client in clients for tokens in client.live]
        ended = [tokens for client in clients for tokens in client.ended]
        assert [client.wrong for client in clients] == [[]] * len(clients)
        assert min(len(live), len(ended)) >= 10
        for tokens in live:
            assert call("GET", "/who", tokens["access_token"])[0] == 200
            assert call("GET", "/api/login/refresh", tokens["refresh_token"])[0] == 200
        for tokens in ended:
            assert call("GET", "/who", tokens["access_token"])[0] == 401
            assert call("GET", "/api/login/refresh", tokens["refresh_token"])[0] == 401
    finally:
        gunicorn.stop()

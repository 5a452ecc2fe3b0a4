"""An app under load while its session store is stopped, or killed and started again."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from ..apps import CREDENTIALS
from ..forge import OTHER_SECRET, claims, forge
from ..gunicorn import until
from ..sessions.load import GRACE_SECONDS, Caller
from ..sessions.servers import PostgresServer, RedisServer, Server
from ..stores import started
from .conftest import Serve
from .load import Poller, Refresher, running

#: What happens to the store: the break, and the repair.
Fault = tuple[Callable[[Server], None], Callable[[Server], None]]
FAULTS: dict[str, Fault] = {
    "stopped": (lambda server: server.signal(signal.SIGSTOP), lambda server: server.signal(signal.SIGCONT)),
    "killed": (lambda server: server.kill(), lambda server: server.start()),
}


@pytest.fixture(scope="module", params=[RedisServer, PostgresServer])
def store(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for these tests alone, since they kill it."""
    yield from started(request.param)


def log_in(caller: Caller) -> dict[str, str]:
    status, tokens = caller.insist("POST", "/api/login", body=CREDENTIALS)
    assert status == 200
    return tokens


def connections(store: Server) -> int:
    """The number of connections that Redis has accepted."""
    with Redis.from_url(store.url) as client:
        return client.info("stats")["total_connections_received"]


@pytest.mark.parametrize("name", FAULTS)
def test_app_recovers_from_an_outage_of_its_store_and_no_session_is_lost(
    serve: Serve, store: Server, name: str
) -> None:
    caller = serve(
        SESSIONS=store.url, SESSION_CHECK="always", REFRESH_ROTATION=True, REFRESH_GRACE=GRACE_SECONDS
    ).caller
    break_, repair = FAULTS[name]
    ended = log_in(caller)
    assert caller.insist("POST", "/api/logout", ended["refresh_token"])[0] == 204
    live = [log_in(caller) for _ in range(4)]
    before = [Refresher(caller, log_in(caller)) for _ in range(2)]
    during = [Refresher(caller, log_in(caller)) for _ in range(2)]
    opened = Poller(caller, "GET", "/open")
    members = [Poller(caller, "GET", "/who", tokens["access_token"]) for tokens in live]
    outsiders = [
        Poller(caller, "GET", "/who", ended["access_token"]),
        Poller(caller, "GET", "/api/login/refresh", ended["refresh_token"]),
        Poller(caller, "GET", "/who", forge(claims(), secret=OTHER_SECRET)),
    ]
    with running(opened, *members, *outsiders, *before):
        until(lambda: min(poller.statuses[200] for poller in (opened, *members, *before)) >= 10)
        accepted = connections(store) if isinstance(store, RedisServer) else None
        up, down = opened.median(), opened.count
        break_(store)
        try:
            with running(*during):
                members_down = sum(member.statuses[503] for member in members)
                until(lambda: opened.count >= down + 40)
                until(lambda: sum(member.statuses[503] for member in members) >= members_down + 100)
            median = opened.median(down)
            failed = sum(poller.statuses[503] for poller in (*members, *outsiders, *before, *during))
        finally:
            repair(store)
        counts = [member.statuses[200] for member in members]
        recovery = until(
            lambda: all(m.statuses[200] > count for m, count in zip(members, counts, strict=True))
        )
        if accepted is not None and name == "stopped":
            # A request that asks the stopped store does so on a new connection.
            assert connections(store) - accepted < failed / 2
    print(f"{type(store).__name__} {name}: up after {recovery:.1f} s, {failed} responses were 503")
    print(f"open route {up:.1f} ms, {median:.1f} ms in the outage")  # shown with -s
    assert set(opened.statuses) == {200}
    assert set().union(*(poller.statuses for poller in (*members, *before, *during))) == {200, 503}
    assert set().union(*(outsider.statuses for outsider in outsiders)) <= {401, 503}
    for refresher in (*before, *during):
        assert caller.insist("GET", "/api/login/refresh", refresher.tokens["refresh_token"])[0] == 200
    for tokens in live:
        assert caller.insist("GET", "/api/login/refresh", tokens["refresh_token"])[0] == 200

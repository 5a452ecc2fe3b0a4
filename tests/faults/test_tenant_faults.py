"""An app under load while the server of a tenant's keys hangs, fails, lies or changes its keys."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import pytest
from joserfc.jwk import RSAKey

from ..apps import CREDENTIALS
from ..gunicorn import STUCK_SECONDS, Gunicorn, until
from ..sessions.load import Caller
from ..tenant import Tenant
from .conftest import Serve
from .load import Poller, running

STRANGER = RSAKey.generate_key(2048, {"kid": "stranger"})


@pytest.fixture
def server(serve: Serve, tenant: Tenant) -> Gunicorn:
    return serve(AUTH0_ENABLE=True, AUTH0_TENANTS=[tenant.settings()])


def forged(tenant: Tenant) -> list[str]:
    """Tokens of somebody who knows all about the tenant but its key."""
    tokens = [(tenant.header(), STRANGER), (tenant.header(kid="stranger"), STRANGER)]
    return [tenant.sign(header, tenant.claims(), key=key) for header, key in tokens]


def log_in(caller: Caller, token: str) -> int:
    return caller.call("POST", "/api/login", token)[0]


class Load:
    """Requests of all kinds at the same time."""

    def __init__(self, caller: Caller, tenant: Tenant) -> None:
        _, tokens = caller.insist("POST", "/api/login", body=CREDENTIALS)
        self.open = Poller(caller, "GET", "/open")
        self.protected = Poller(caller, "GET", "/who", tokens["access_token"])
        self.honest = Poller(caller, "POST", "/api/login", tenant.token())
        self.forgers = [Poller(caller, "POST", "/api/login", token) for token in 3 * forged(tenant)]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the load. In the end, nobody was let in or locked out who should not be."""
        with running(self.open, self.protected, self.honest, *self.forgers):
            yield
        assert set(self.open.statuses) == set(self.protected.statuses) == {200}
        assert set(self.honest.statuses) <= {200, 503}
        assert set().union(*(forger.statuses for forger in self.forgers)) <= {403, 503}

    def go_on(self) -> None:
        """Wait for 40 more responses to the open route, and 100 to forgers."""
        opened, rejected = self.open.count, self._rejected()
        until(lambda: self.open.count >= opened + 40 and self._rejected() >= rejected + 100)

    def _rejected(self) -> int:
        return sum(forger.count for forger in self.forgers)


def hang(tenant: Tenant) -> None:
    tenant.answering.clear()


def drip(tenant: Tenant) -> None:
    tenant.drip = "body"


def fail(tenant: Tenant) -> None:
    tenant.status = 500


def heal(tenant: Tenant) -> None:
    tenant.status, tenant.drip = 200, None
    tenant.answering.set()


@pytest.mark.parametrize("break_", [hang, drip, fail])
def test_app_recovers_from_a_tenant_that_was_down_at_its_start(
    server: Gunicorn, tenant: Tenant, break_: Callable[[Tenant], None]
) -> None:
    break_(tenant)
    load = Load(server.caller, tenant)
    began = time.monotonic()
    with load.running():
        load.go_on()
        assert not load.honest.statuses[200]
        # Pauses of 1, 2, 4, ... seconds passed between the requests.
        pauses = 2 ** (len(tenant.requests) - 1) - 1
        assert pauses <= time.monotonic() - began
        heal(tenant)
        recovery = until(lambda: load.honest.statuses[200] > 0)
        down, up = load.open.median(), load.open.count
        load.go_on()
    print(f"{break_.__name__}: up after {recovery:.1f} s")  # shown with -s
    print(f"open route {down:.1f} ms in the outage, {load.open.median(up):.1f} ms after it")


def test_users_of_known_keys_log_in_while_the_tenant_hangs(server: Gunicorn, tenant: Tenant) -> None:
    until(lambda: log_in(server.caller, tenant.token()) == 200)
    hang(tenant)
    load = Load(server.caller, tenant)
    with load.running():
        load.go_on()
        assert set(load.honest.statuses) == {200}
        heal(tenant)


def test_open_routes_respond_before_logins_that_wait_for_a_tenant(serve: Serve, tenant: Tenant) -> None:
    """More logins than threads wait for a tenant that never responds."""
    config = {"AUTH0_ENABLE": True, "AUTH0_TENANTS": [tenant.settings()]}
    caller = serve({"FETCH_TIMEOUT": "3600"}, **config).caller
    hang(tenant)
    token = tenant.token()
    with ThreadPoolExecutor(24) as pool:
        logins = [pool.submit(log_in, caller, token) for _ in range(24)]
        try:
            rejected = list(islice(as_completed(logins, STUCK_SECONDS), 20))
            assert {login.result() for login in rejected} == {503}
            assert {caller.call("GET", "/open")[0] for _ in range(40)} == {200}
            assert sum(not login.done() for login in logins) == 4
        finally:
            heal(tenant)
        assert [login.result() for login in logins if login not in rejected] == [200] * 4


def test_tenant_that_flaps_lets_its_users_in_and_nobody_else(server: Gunicorn, tenant: Tenant) -> None:
    stopped = threading.Event()

    def flap() -> None:
        while not stopped.wait(0.05):
            tenant.status = 700 - tenant.status

    fail(tenant)
    flapping = threading.Thread(target=flap)
    load = Load(server.caller, tenant)
    with load.running():
        flapping.start()
        load.go_on()
        until(lambda: load.honest.statuses[200] > 0)
        load.go_on()
    stopped.set()
    flapping.join()


def test_tenant_that_redirects_to_another_lets_nobody_in(
    server: Gunicorn, make_tenant: Callable[[], Tenant], tenant: Tenant
) -> None:
    other = make_tenant()
    other.keys = [STRANGER]
    tenant.status, tenant.headers["Location"] = 302, other.jwks_uri
    load = Load(server.caller, tenant)
    with load.running():
        load.go_on()
    assert not load.honest.statuses[200]
    assert not other.requests


def test_key_that_a_tenant_replaced_lets_nobody_in(server: Gunicorn, tenant: Tenant) -> None:
    old = tenant.token()
    until(lambda: log_in(server.caller, old) == 200)
    load = Load(server.caller, tenant)
    tenant.key = RSAKey.generate_key(2048, {"kid": "key-2"})
    tenant.keys = [tenant.key]
    with running(load.open, load.protected):
        until(lambda: log_in(server.caller, tenant.token()) == 200)
        assert {log_in(server.caller, old) for _ in range(10)} == {403}
        assert {log_in(server.caller, token) for token in forged(tenant)} == {403}
        assert log_in(server.caller, tenant.token()) == 200
    assert set(load.open.statuses) == set(load.protected.statuses) == {200}

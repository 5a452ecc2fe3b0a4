"""Tokens are renewed by themselves, and what happens if that fails."""

from __future__ import annotations

import time
import typing as t

import httpx2
import pytest

from flask_core_auth.client import CoreClient, CoreClientError, LoginError, RefreshError, TokenPair

from .conftest import Clock, Connect
from .server import DAY, CoreServer, answers, cut_short, drop, html, slow, unauthorized


def paths(server: CoreServer) -> list[str]:
    return [seen.path for seen in server.seen]


LOGIN, REFRESH, PROCESS, FRESH = "/api/login", "/api/login/refresh", "/api/v3/process", "/api/v3/fresh"


def test_access_token_is_renewed_before_it_expires(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    server.access_expires = 1
    client = connect(server.url, **login)
    first = client.tokens()

    assert client.get(PROCESS).status_code == 200
    time.sleep(1.05)
    assert client.get(PROCESS).status_code == 200

    # No request was refused on the way.
    assert paths(server) == [LOGIN, PROCESS, REFRESH, PROCESS]
    assert client.tokens().access_token != first.access_token
    assert client.tokens().refresh_token == first.refresh_token


@pytest.mark.parametrize(("passed", "refreshes"), [(560.0, 0), (575.0, 1)])
def test_renewal_is_due_half_a_minute_before_the_end(
    server: CoreServer,
    connect: Connect,
    login: dict[str, str],
    clock: Clock,
    passed: float,
    refreshes: int,
) -> None:
    client = connect(server.url, **login)

    clock.passed = passed
    client.get(PROCESS)

    assert server.refreshes == refreshes


def test_refused_access_token_is_renewed_once(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    client = connect(server.url, **login)
    server.access_secret = server.new_secret()

    response = client.post(PROCESS, content=b"a body")

    assert response.json() == {"user": "admin", "body": "a body"}
    assert paths(server) == [LOGIN, PROCESS, REFRESH, PROCESS]


def test_login_again_when_the_refresh_token_is_gone(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    client = connect(server.url, **login)
    first = client.tokens()
    server.access_secret, server.refresh_secret = server.new_secret(), server.new_secret()

    assert client.get(PROCESS).status_code == 200

    assert paths(server) == [LOGIN, PROCESS, REFRESH, LOGIN, PROCESS]
    assert client.tokens().refresh_token != first.refresh_token


@pytest.mark.parametrize("status", [401, 403])
def test_no_login_without_credentials(
    server: CoreServer, connect: Connect, login: dict[str, str], status: int
) -> None:
    stored = connect(server.url, **login).tokens()
    client = connect(server.url, refresh_token=stored.refresh_token)
    server.faults[REFRESH] = answers(status, {"details": ["Gone"]})

    with pytest.raises(RefreshError) as caught:
        client.get(PROCESS)

    assert (caught.value.status, caught.value.details) == (status, ("Gone",))
    assert server.logins == 1
    assert client.tokens().refresh_token == stored.refresh_token


def test_new_refresh_token_is_taken_over(
    server: CoreServer, connect: Connect, login: dict[str, str]
) -> None:
    server.rotation = True
    client = connect(server.url, **login)
    old = client.tokens()

    new = client.refresh()

    assert new == client.tokens()
    assert new.refresh_token != old.refresh_token
    client.refresh()
    assert [seen.bearer for seen in server.seen if seen.path == REFRESH] == [
        old.refresh_token,
        new.refresh_token,
    ]


def test_refresh_by_hand(server: CoreServer, connect: Connect, login: dict[str, str]) -> None:
    client = connect(server.url, **login)

    tokens = client.refresh()

    assert isinstance(tokens, TokenPair)
    client.get(PROCESS)
    assert paths(server) == [LOGIN, REFRESH, PROCESS]
    assert server.seen[-1].bearer == tokens.access_token


def test_refresh_by_hand_with_nothing_to_do_it_with(server: CoreServer, connect: Connect) -> None:
    client = connect(server.url, access_token=server.issue("access"))

    with pytest.raises(RefreshError, match="nothing to log in with"):
        client.refresh()


def test_opaque_tokens_are_renewed_when_they_are_refused(
    server: CoreServer, connect: Connect, login: dict[str, str], clock: Clock
) -> None:
    server.opaque = True
    client = connect(server.url, **login)
    clock.passed = 365 * DAY
    assert client.get(PROCESS).status_code == 200
    assert server.refreshes == 0

    refusals = [True]
    server.faults[PROCESS] = lambda handler: (
        handler.unauthorized() if refusals and refusals.pop() else handler.route()
    )

    assert client.get(PROCESS).status_code == 200
    assert server.refreshes == 1


def test_login_without_a_refresh_token_is_renewed_by_login(
    server: CoreServer, connect: Connect, login: dict[str, str], clock: Clock
) -> None:
    server.faults[LOGIN] = lambda handler: handler.answer(200, {"access_token": server.issue("access")})
    client = connect(server.url, **login)
    assert client.tokens().refresh_token == ""

    clock.passed = 700
    assert client.get(PROCESS).status_code == 200

    assert paths(server) == [LOGIN, LOGIN, PROCESS]


class TestWhatIsRefusedForEver:
    def test_resource_that_is_refused_for_ever_is_the_callers(
        self, server: CoreServer, connect: Connect, login: dict[str, str]
    ) -> None:
        client = connect(server.url, **login)
        server.faults[PROCESS] = unauthorized

        response = client.get(PROCESS)

        assert response.status_code == 401
        assert response.json()["details"] == ["Missing or invalid JWT token"]
        with pytest.raises(httpx2.HTTPStatusError):
            response.raise_for_status()
        assert paths(server) == [LOGIN, PROCESS, REFRESH, PROCESS]

    def test_server_that_refuses_everything_from_now_on(
        self, server: CoreServer, connect: Connect, login: dict[str, str]
    ) -> None:
        client = connect(server.url, **login)
        for path in (LOGIN, REFRESH, PROCESS):
            server.faults[path] = unauthorized

        with pytest.raises(LoginError) as caught:
            client.get(PROCESS)

        assert caught.value.status == 401
        assert paths(server) == [LOGIN, PROCESS, REFRESH, LOGIN]

    def test_token_that_was_just_renewed_is_renewed_once_more_if_it_is_refused(
        self, server: CoreServer, connect: Connect, login: dict[str, str], clock: Clock
    ) -> None:
        """Servers cut the time of issue to whole seconds: what lives for one may be dead on arrival."""
        client = connect(server.url, **login)
        server.faults[PROCESS] = unauthorized
        clock.passed = 700

        assert client.get(PROCESS).status_code == 401
        assert paths(server) == [LOGIN, REFRESH, PROCESS, REFRESH, PROCESS]

    def test_route_for_fresh_tokens_only(
        self, server: CoreServer, connect: Connect, login: dict[str, str]
    ) -> None:
        client = connect(server.url, **login)
        assert client.get(FRESH).status_code == 200

        client.refresh()

        assert client.get(FRESH).status_code == 401
        assert client.get(FRESH).status_code == 401
        assert server.logins == 1
        assert server.count(FRESH) == 5

    def test_nothing_to_renew_with(self, server: CoreServer, connect: Connect) -> None:
        server.faults[PROCESS] = unauthorized
        client = connect(server.url, access_token=server.issue("access"))

        assert client.get(PROCESS).status_code == 401
        assert paths(server) == [PROCESS]

    def test_403_is_no_reason_to_renew(
        self, server: CoreServer, connect: Connect, login: dict[str, str]
    ) -> None:
        client = connect(server.url, **login)
        server.faults[PROCESS] = answers(403)

        assert client.get(PROCESS).status_code == 403
        assert server.refreshes == 0


class TestFailingRefresh:
    @pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
    def test_refresh_token_is_kept(
        self, server: CoreServer, connect: Connect, login: dict[str, str], clock: Clock, status: int
    ) -> None:
        client = connect(server.url, **login)
        before = client.tokens()
        server.faults[REFRESH] = answers(status, {"message": "Later"}, Retry_After="3")
        clock.passed = 700

        with pytest.raises(RefreshError) as caught:
            client.get(PROCESS)

        assert caught.value.status == status
        assert caught.value.details == ("Later",)
        assert caught.value.retry_after == 3
        assert client.tokens() == before
        assert server.logins == 1

        server.faults.clear()
        assert client.get(PROCESS).status_code == 200
        assert server.logins == 1

    @pytest.mark.parametrize("fault", [html(200), html(502), answers(200, {}), answers(200, b"[]")])
    def test_answer_that_makes_no_sense(
        self, server: CoreServer, connect: Connect, login: dict[str, str], fault: t.Any
    ) -> None:
        client = connect(server.url, **login)
        server.faults[REFRESH] = fault

        with pytest.raises(RefreshError):
            client.refresh()

        assert server.logins == 1

    @pytest.mark.parametrize("fault", [drop, cut_short])
    def test_network_errors_stay_httpx2s_own_and_keep_the_tokens(
        self, server: CoreServer, connect: Connect, login: dict[str, str], clock: Clock, fault: t.Any
    ) -> None:
        client = connect(server.url, **login)
        before = client.tokens()
        server.faults[REFRESH] = fault
        clock.passed = 700

        with pytest.raises(httpx2.RemoteProtocolError):
            client.get(PROCESS)
        with pytest.raises(httpx2.RemoteProtocolError):
            client.refresh()

        assert client.tokens() == before
        server.faults.clear()
        assert client.get(PROCESS).status_code == 200
        assert server.logins == 1

    def test_renewal_has_the_clients_timeout_and_not_the_requests(
        self, server: CoreServer, connect: Connect, login: dict[str, str]
    ) -> None:
        client = connect(server.url, timeout=0.3, **login)
        server.access_secret = server.new_secret()
        server.faults[REFRESH] = slow(1.0)

        with pytest.raises(httpx2.ReadTimeout):
            client.get(PROCESS, timeout=None)

    def test_failed_login_keeps_the_tokens(
        self, server: CoreServer, connect: Connect, login: dict[str, str]
    ) -> None:
        client = connect(server.url, **login)
        before = client.tokens()
        server.access_secret = server.new_secret()
        server.faults[REFRESH] = unauthorized
        server.faults[LOGIN] = drop

        with pytest.raises(httpx2.RemoteProtocolError):
            client.get(PROCESS)

        assert client.tokens() == before
        server.faults.clear()
        assert client.get(PROCESS).status_code == 200
        assert server.logins == 2


class TestResuming:
    def test_stored_tokens_save_the_login(
        self, server: CoreServer, connect: Connect, login: dict[str, str]
    ) -> None:
        stored = connect(server.url, **login).tokens()

        client = connect(
            server.url, access_token=stored.access_token, refresh_token=stored.refresh_token, **login
        )
        assert paths(server) == [LOGIN]
        assert client.tokens() == stored

        assert client.get(PROCESS).status_code == 200
        assert paths(server) == [LOGIN, PROCESS]

    def test_refresh_token_alone(self, server: CoreServer, connect: Connect, login: dict[str, str]) -> None:
        stored = connect(server.url, **login).tokens()

        client = connect(server.url, refresh_token=stored.refresh_token, **login)
        assert paths(server) == [LOGIN]
        assert client.tokens() == TokenPair("", stored.refresh_token)

        assert client.get(PROCESS).status_code == 200
        assert paths(server) == [LOGIN, REFRESH, PROCESS]

    def test_access_token_alone_is_used_until_it_is_refused(
        self, server: CoreServer, connect: Connect, login: dict[str, str], clock: Clock
    ) -> None:
        client = connect(server.url, access_token=server.issue("access"), **login)
        clock.passed = DAY

        assert client.get(PROCESS).status_code == 200
        server.access_secret = server.new_secret()
        assert client.get(PROCESS).status_code == 200

        assert paths(server) == [PROCESS, PROCESS, LOGIN, PROCESS]

    def test_expired_access_token_leads_to_a_refresh_at_the_first_request(
        self, server: CoreServer, connect: Connect, clock: Clock
    ) -> None:
        access_token, refresh_token = server.issue("access"), server.issue("refresh")
        clock.passed = 700

        client = connect(server.url, access_token=access_token, refresh_token=refresh_token)
        assert server.seen == []

        assert client.get(PROCESS).status_code == 200
        assert paths(server) == [REFRESH, PROCESS]

    def test_access_token_runs_out_after_it_was_resumed(
        self, server: CoreServer, connect: Connect, clock: Clock
    ) -> None:
        client = connect(
            server.url, access_token=server.issue("access"), refresh_token=server.issue("refresh")
        )
        client.get(PROCESS)
        clock.passed = 590

        client.get(PROCESS)

        assert paths(server) == [PROCESS, REFRESH, PROCESS]

    def test_making_a_client_logs_in_when_both_have_expired(
        self, server: CoreServer, connect: Connect, login: dict[str, str]
    ) -> None:
        server.access_expires = server.refresh_expires = 1
        access_token, refresh_token = server.issue("access"), server.issue("refresh")
        server.access_expires, server.refresh_expires = 600, DAY
        time.sleep(1.05)

        connect(server.url, access_token=access_token, refresh_token=refresh_token, **login)

        assert paths(server) == [REFRESH, LOGIN]

    def test_making_a_client_fails_when_both_have_expired_and_there_are_no_credentials(
        self, server: CoreServer, connect: Connect, clock: Clock
    ) -> None:
        access_token, refresh_token = server.issue("access"), server.issue("refresh")
        clock.passed = 2 * DAY
        server.refresh_secret = server.new_secret()

        with pytest.raises(RefreshError):
            connect(server.url, access_token=access_token, refresh_token=refresh_token)

    def test_opaque_tokens(self, server: CoreServer, connect: Connect) -> None:
        server.opaque = True
        client = connect(
            server.url, access_token=server.issue("access"), refresh_token=server.issue("refresh")
        )

        assert client.get(PROCESS).status_code == 200
        assert paths(server) == [PROCESS]


@pytest.mark.parametrize("skew", [-DAY, DAY], ids=["server behind", "server ahead"])
class TestWrongClock:
    def test_a_session(
        self, server: CoreServer, connect: Connect, login: dict[str, str], clock: Clock, skew: float
    ) -> None:
        server.skew = skew
        client = connect(server.url, **login)

        assert client.get(PROCESS).status_code == 200
        clock.passed, server.skew = 300, skew + 300
        assert client.get(PROCESS).status_code == 200
        assert paths(server) == [LOGIN, PROCESS, PROCESS]

        clock.passed, server.skew = 700, skew + 700
        assert client.get(PROCESS).status_code == 200
        assert paths(server)[3:] == [REFRESH, PROCESS]

    def test_resuming_makes_no_login(
        self, server: CoreServer, connect: Connect, login: dict[str, str], skew: float
    ) -> None:
        server.skew = skew
        stored = connect(server.url, **login).tokens()

        client = connect(
            server.url, access_token=stored.access_token, refresh_token=stored.refresh_token, **login
        )

        for _ in range(3):
            assert client.get(PROCESS).status_code == 200
        assert server.logins == 1
        assert server.refreshes <= 1

    def test_resuming_with_an_expired_access_token_makes_no_login(
        self, server: CoreServer, connect: Connect, login: dict[str, str], skew: float
    ) -> None:
        server.skew = skew
        stored = connect(server.url, **login).tokens()
        server.skew += 700

        client = connect(
            server.url, access_token=stored.access_token, refresh_token=stored.refresh_token, **login
        )

        assert client.get(PROCESS).status_code == 200
        assert (server.logins, server.refreshes) == (1, 1)


class TestOnTokens:
    def test_called_with_each_new_pair(
        self, server: CoreServer, connect: Connect, login: dict[str, str]
    ) -> None:
        stored: list[TokenPair] = []

        client = connect(server.url, on_tokens=stored.append, **login)
        assert stored == [client.tokens()]

        client.get(PROCESS)
        client.refresh()
        assert len(stored) == 2
        assert stored[1] == client.tokens()

    def test_not_called_for_tokens_that_the_caller_brought(
        self, server: CoreServer, connect: Connect
    ) -> None:
        stored: list[TokenPair] = []

        client = connect(server.url, access_token=server.issue("access"), on_tokens=stored.append)
        client.get(PROCESS)

        assert stored == []

    def test_what_it_raises_is_raised_but_the_tokens_are_in_force(
        self, server: CoreServer, connect: Connect, login: dict[str, str], clock: Clock
    ) -> None:
        def full(pair: TokenPair) -> None:
            raise OSError("No space left on device")

        before = connect(server.url, **login).tokens()
        client = connect(server.url, refresh_token=before.refresh_token, on_tokens=full)

        with pytest.raises(OSError, match="No space"):
            client.get(PROCESS)

        assert client.tokens().access_token
        assert client.get(PROCESS).status_code == 200
        assert server.refreshes == 1

    def test_may_use_the_client(self, server: CoreServer, login: dict[str, str]) -> None:
        clients: list[CoreClient] = []
        order: list[TokenPair] = []

        def use(pair: TokenPair) -> None:
            order.append(pair)
            if clients and len(order) < 3:
                clients[0].refresh()

        with CoreClient(server.url, on_tokens=use, **login) as client:
            clients.append(client)
            client.refresh()

            assert len(order) == 3
            assert order[-1] == client.tokens()


def test_error_tree() -> None:
    assert issubclass(LoginError, CoreClientError)
    assert issubclass(RefreshError, CoreClientError)
    assert not issubclass(CoreClientError, httpx2.HTTPError)

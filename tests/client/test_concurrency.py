"""One renewal at a time, whose outcome all share."""

from __future__ import annotations

import asyncio
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx2
import pytest

from flask_core_auth.client import (
    AsyncCoreClient,
    CoreClient,
    CoreClientError,
    CoreTokenAuth,
    LoginError,
    RefreshError,
    TokenPair,
)

from .conftest import Clock
from .server import CoreServer, answers, drop, slow, unauthorized

THREADS = 50
TASKS = 1000
PROCESS = "/api/v3/process"

Outcome = httpx2.Response | BaseException


def in_threads(client: httpx2.Client) -> list[Outcome]:
    """What each of fifty threads gets that ask at the same moment."""
    barrier = threading.Barrier(THREADS)

    def ask(_: int) -> Outcome:
        barrier.wait()
        try:
            return client.get(PROCESS)
        except Exception as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(ask, range(THREADS)))


async def in_tasks(client: httpx2.AsyncClient, tasks: int = TASKS) -> list[Outcome]:
    return await asyncio.gather(*(client.get(PROCESS) for _ in range(tasks)), return_exceptions=True)


def statuses(outcomes: list[Outcome]) -> set[t.Any]:
    return {
        outcome.status_code if isinstance(outcome, httpx2.Response) else repr(outcome)
        for outcome in outcomes
    }


def test_threads_that_find_the_token_expired(
    server: CoreServer, login: dict[str, str], clock: Clock
) -> None:
    server.faults["/api/login/refresh"] = slow(0.2)
    with CoreClient(server.url, **login) as client:
        clock.passed = 700

        assert statuses(in_threads(client)) == {200}

    assert (server.logins, server.refreshes, server.count(PROCESS)) == (1, 1, THREADS)


def test_threads_whose_token_is_refused(server: CoreServer, login: dict[str, str]) -> None:
    server.faults["/api/login/refresh"] = slow(0.2)
    with CoreClient(server.url, **login) as client:
        server.access_secret = server.new_secret()

        assert statuses(in_threads(client)) == {200}

    assert (server.logins, server.refreshes) == (1, 1)


def test_threads_that_have_one_connection_to_share(server: CoreServer, login: dict[str, str]) -> None:
    limits = httpx2.Limits(max_connections=1)
    with CoreClient(server.url, limits=limits, **login) as client:
        server.access_secret = server.new_secret()

        assert statuses(in_threads(client)) == {200}

    assert (server.logins, server.refreshes) == (1, 1)


def test_threads_that_log_in(server: CoreServer, login: dict[str, str]) -> None:
    server.faults["/api/login"] = slow(0.2)
    auth = CoreTokenAuth(server.url, **login)
    with httpx2.Client(auth=auth, base_url=server.url) as client:
        assert statuses(in_threads(client)) == {200}

    assert server.logins == 1


def test_threads_share_a_refusal(server: CoreServer, login: dict[str, str], clock: Clock) -> None:
    server.faults["/api/login/refresh"] = slow(0.3, answers(503, {"message": "Later"}))
    with CoreClient(server.url, **login) as client:
        clock.passed = 700

        outcomes = in_threads(client)

    assert {type(outcome) for outcome in outcomes} == {RefreshError}
    assert {(error.status, error.details) for error in outcomes} == {(503, ("Later",))}
    assert len({id(error) for error in outcomes}) == THREADS
    assert (server.refreshes, server.count(PROCESS)) == (1, 0)


def test_threads_share_a_network_error(server: CoreServer, login: dict[str, str], clock: Clock) -> None:
    server.faults["/api/login/refresh"] = slow(0.3, drop)
    with CoreClient(server.url, **login) as client:
        clock.passed = 700

        outcomes = in_threads(client)

        assert all(isinstance(outcome, httpx2.TransportError) for outcome in outcomes)
        assert sum(type(outcome) is httpx2.RemoteProtocolError for outcome in outcomes) == 1
        assert server.refreshes == 1
        assert all(error.request.url.path == "/api/login/refresh" for error in outcomes)

        server.faults.clear()
        assert client.get(PROCESS).status_code == 200


def test_threads_share_what_the_callers_function_raises(server: CoreServer) -> None:
    def current_token() -> str:
        time.sleep(0.3)
        raise OSError("Auth0 cannot be reached")

    auth = CoreTokenAuth(server.url, auth0_token=current_token)
    with httpx2.Client(auth=auth, base_url=server.url) as client:
        kinds = [type(outcome) for outcome in in_threads(client)]

    assert kinds.count(OSError) == 1
    assert kinds.count(CoreClientError) == THREADS - 1
    assert server.seen == []


def test_request_after_a_failed_renewal_tries_again(
    server: CoreServer, login: dict[str, str], clock: Clock
) -> None:
    server.faults["/api/login/refresh"] = answers(503)
    with CoreClient(server.url, **login) as client:
        clock.passed = 700
        for _ in range(3):
            with pytest.raises(RefreshError):
                client.get(PROCESS)

    assert server.refreshes == 3


def test_late_401_does_not_renew_what_was_renewed_meanwhile(
    server: CoreServer, login: dict[str, str]
) -> None:
    with CoreClient(server.url, **login) as client:
        old = client.tokens().access_token
        asked, renewed = threading.Event(), threading.Event()

        def refuse_the_old_one(handler: t.Any) -> None:
            if handler.bearer != old:
                handler.route()
                return
            asked.set()
            renewed.wait(5)
            handler.unauthorized()

        server.faults[PROCESS] = refuse_the_old_one
        with ThreadPoolExecutor(1) as pool:
            response = pool.submit(client.get, PROCESS)
            asked.wait(5)
            client.refresh()
            renewed.set()

            assert response.result().status_code == 200

    assert server.refreshes == 1


def test_pairs_are_told_one_at_a_time_and_in_order(server: CoreServer, login: dict[str, str]) -> None:
    told: list[TokenPair] = []
    busy = threading.Lock()

    def store(pair: TokenPair) -> None:
        assert busy.acquire(blocking=False)
        time.sleep(0.01)
        told.append(pair)
        busy.release()

    with CoreClient(server.url, on_tokens=store, **login) as client, ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            list(pool.map(lambda _: client.refresh(), range(8)))

        assert len({pair.access_token for pair in told}) == len(told) == server.refreshes + 1
        assert told[-1] == client.tokens()


def test_tasks_that_find_the_token_expired(server: CoreServer, login: dict[str, str], clock: Clock) -> None:
    async def scenario() -> None:
        async with AsyncCoreClient(server.url, **login) as client:
            clock.passed = 700
            assert statuses(await in_tasks(client)) == {200}

    server.faults["/api/login/refresh"] = slow(0.2)
    asyncio.run(scenario())

    assert (server.logins, server.refreshes, server.count(PROCESS)) == (1, 1, TASKS)


def test_tasks_whose_token_is_refused(server: CoreServer, login: dict[str, str]) -> None:
    async def scenario() -> None:
        async with AsyncCoreClient(server.url, **login) as client:
            server.access_secret = server.new_secret()
            assert statuses(await in_tasks(client)) == {200}

    server.faults["/api/login/refresh"] = slow(0.2)
    asyncio.run(scenario())

    assert (server.logins, server.refreshes) == (1, 1)


def test_tasks_share_a_refusal(server: CoreServer, login: dict[str, str]) -> None:
    async def scenario() -> list[Outcome]:
        auth = CoreTokenAuth(server.url, **login)
        async with httpx2.AsyncClient(auth=auth, base_url=server.url) as client:
            return await in_tasks(client)

    server.faults["/api/login"] = slow(0.2, unauthorized)
    outcomes = asyncio.run(scenario())

    assert {type(outcome) for outcome in outcomes} == {LoginError}
    assert server.logins == 1


def test_tasks_share_a_network_error(server: CoreServer, login: dict[str, str], clock: Clock) -> None:
    async def scenario() -> list[Outcome]:
        async with AsyncCoreClient(server.url, **login) as client:
            clock.passed = 700
            return await in_tasks(client)

    server.faults["/api/login/refresh"] = slow(0.2, drop)
    outcomes = asyncio.run(scenario())

    assert all(isinstance(outcome, httpx2.TransportError) for outcome in outcomes)
    assert server.refreshes == 1


async def by_asyncio(request: t.Awaitable[httpx2.Response]) -> None:
    async with asyncio.timeout(0.2):
        await request


async def by_anyio(request: t.Awaitable[httpx2.Response]) -> None:
    with anyio.fail_after(0.2):
        await request


@pytest.mark.parametrize("within_a_moment", [by_asyncio, by_anyio])
def test_task_that_is_cancelled_while_it_renews_does_not_fail_the_others(
    server: CoreServer, login: dict[str, str], clock: Clock, within_a_moment: t.Any
) -> None:
    async def scenario() -> list[Outcome]:
        async with AsyncCoreClient(server.url, **login) as client:
            clock.passed = 700

            first = asyncio.create_task(within_a_moment(client.get(PROCESS)))
            await asyncio.sleep(0.1)
            others = await in_tasks(client, 20)
            with pytest.raises(TimeoutError):
                await first
            return others

    server.faults["/api/login/refresh"] = slow(0.5)
    outcomes = asyncio.run(scenario())

    assert statuses(outcomes) == {200}
    assert (server.logins, server.refreshes) == (1, 2)


def test_task_that_is_cancelled_while_it_waits(
    server: CoreServer, login: dict[str, str], clock: Clock
) -> None:
    async def scenario() -> None:
        async with AsyncCoreClient(server.url, **login) as client:
            clock.passed = 700
            tasks = [asyncio.create_task(client.get(PROCESS)) for _ in range(20)]
            await asyncio.sleep(0.1)
            for task in tasks[5:15]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {httpx2.Response, asyncio.CancelledError}

    server.faults["/api/login/refresh"] = slow(0.4)
    asyncio.run(scenario())

    assert (server.refreshes, server.count(PROCESS)) == (1, 10)


def test_one_auth_in_several_loops_and_threads(server: CoreServer, login: dict[str, str]) -> None:
    auth = CoreTokenAuth(server.url, **login)

    async def scenario() -> None:
        async with httpx2.AsyncClient(auth=auth, base_url=server.url) as client:
            assert statuses(await in_tasks(client, 20)) == {200}

    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            server.access_secret = server.new_secret()
            for future in [pool.submit(asyncio.run, scenario()) for _ in range(3)]:
                future.result()
            with httpx2.Client(auth=auth, base_url=server.url) as client:
                assert client.get(PROCESS).status_code == 200

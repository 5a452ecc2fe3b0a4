"""One refresh or login runs at a time, and its outcome is shared."""

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

from .conftest import TimePasses
from .server import LOGIN, PATIENCE, PROCESS, REFRESH, CoreServer, drop, held, responds, unauthorized

THREADS = 50
TASKS = 1000

Outcome = httpx2.Response | BaseException


class CountingLock:
    """A lock that knows when fifty threads have asked for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._asked = 0
        self.all_asked = threading.Event()

    def __enter__(self) -> None:
        with self._counting:
            self._asked += 1
            if self._asked == THREADS:
                self.all_asked.set()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


def all_waiting(auth: t.Any) -> threading.Event:
    """Return an event that is set once fifty threads have asked ``auth`` for new tokens."""
    auth._thread_lock = CountingLock()
    return auth._thread_lock.all_asked


def in_threads(client: httpx2.Client) -> list[Outcome]:
    """Send a request in each of fifty threads at the same moment, and return the outcomes."""
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
    """Send a request in each task, and return the outcomes.

    All tasks start in one iteration of the event loop, and so before any response arrives.
    """
    return await asyncio.gather(*(client.get(PROCESS) for _ in range(tasks)), return_exceptions=True)


async def in_the_background() -> None:
    """Let other tasks run until each of them waits."""
    for _ in range(10):
        await asyncio.sleep(0)


def statuses(outcomes: list[Outcome]) -> set[t.Any]:
    return {
        outcome.status_code if isinstance(outcome, httpx2.Response) else repr(outcome)
        for outcome in outcomes
    }


def test_threads_with_an_expired_token_cause_one_refresh(
    server: CoreServer, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    with CoreClient(server.url, timeout=PATIENCE, **credentials) as client:
        server.faults[REFRESH] = held(all_waiting(client.auth))
        time_passes(700)

        assert statuses(in_threads(client)) == {200}

    assert (server.logins, server.refreshes, server.count(PROCESS)) == (1, 1, THREADS)


def test_threads_with_a_rejected_token_cause_one_refresh(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    with CoreClient(server.url, timeout=PATIENCE, **credentials) as client:
        server.faults[REFRESH] = held(all_waiting(client.auth))
        server.access_secret = server.new_secret()

        assert statuses(in_threads(client)) == {200}

    assert (server.logins, server.refreshes) == (1, 1)


def test_threads_that_share_one_connection_cause_one_refresh(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    limits = httpx2.Limits(max_connections=1)
    with CoreClient(server.url, limits=limits, timeout=PATIENCE, **credentials) as client:
        server.access_secret = server.new_secret()

        assert statuses(in_threads(client)) == {200}

    assert (server.logins, server.refreshes) == (1, 1)


def test_threads_without_a_token_cause_one_login(server: CoreServer, credentials: dict[str, str]) -> None:
    auth = CoreTokenAuth(server.url, timeout=PATIENCE, **credentials)
    server.faults[LOGIN] = held(all_waiting(auth))
    with httpx2.Client(auth=auth, base_url=server.url, timeout=PATIENCE) as client:
        assert statuses(in_threads(client)) == {200}

    assert server.logins == 1


def test_threads_share_the_error_of_a_refresh(
    server: CoreServer, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    with CoreClient(server.url, timeout=PATIENCE, **credentials) as client:
        server.faults[REFRESH] = held(all_waiting(client.auth), responds(503, {"message": "Later"}))
        time_passes(700)

        outcomes = in_threads(client)

    assert {type(outcome) for outcome in outcomes} == {RefreshError}
    assert {(error.status, error.details) for error in outcomes} == {(503, ("Later",))}
    assert len({id(error) for error in outcomes}) == THREADS
    assert (server.refreshes, server.count(PROCESS)) == (1, 0)


def test_threads_share_a_network_error(
    server: CoreServer, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    with CoreClient(server.url, timeout=PATIENCE, **credentials) as client:
        server.faults[REFRESH] = held(all_waiting(client.auth), drop)
        time_passes(700)

        outcomes = in_threads(client)

        assert all(isinstance(outcome, httpx2.TransportError) for outcome in outcomes)
        assert sum(type(outcome) is httpx2.RemoteProtocolError for outcome in outcomes) == 1
        assert server.refreshes == 1
        assert all(error.request.url.path == REFRESH for error in outcomes)

        server.faults.clear()
        assert client.get(PROCESS).status_code == 200


def test_threads_share_the_failure_of_the_auth0_token_function(server: CoreServer) -> None:
    def current_token() -> str:
        asked.wait(PATIENCE)
        raise OSError("Auth0 cannot be reached")

    auth = CoreTokenAuth(server.url, auth0_token=current_token)
    asked = all_waiting(auth)
    with httpx2.Client(auth=auth, base_url=server.url, timeout=PATIENCE) as client:
        kinds = [type(outcome) for outcome in in_threads(client)]

    assert kinds.count(OSError) == 1
    assert kinds.count(CoreClientError) == THREADS - 1
    assert server.seen == []


def test_request_after_a_failed_refresh_tries_again(
    server: CoreServer, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    server.faults[REFRESH] = responds(503)
    with CoreClient(server.url, timeout=PATIENCE, **credentials) as client:
        time_passes(700)
        for _ in range(3):
            with pytest.raises(RefreshError):
                client.get(PROCESS)

    assert server.refreshes == 3


def test_late_401_causes_no_second_refresh(server: CoreServer, credentials: dict[str, str]) -> None:
    with CoreClient(server.url, timeout=PATIENCE, **credentials) as client:
        old = client.tokens().access_token
        arrived, refreshed = threading.Event(), threading.Event()

        def reject_the_old_token(handler: t.Any) -> None:
            if handler.bearer != old:
                handler.route()
                return
            arrived.set()
            refreshed.wait(PATIENCE)
            handler.unauthorized()

        server.faults[PROCESS] = reject_the_old_token
        with ThreadPoolExecutor(1) as pool:
            response = pool.submit(client.get, PROCESS)
            arrived.wait(PATIENCE)
            client.refresh()
            refreshed.set()

            assert response.result().status_code == 200

    assert server.refreshes == 1


def test_on_tokens_gets_one_pair_at_a_time_and_in_order(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    announced: list[TokenPair] = []
    busy = threading.Lock()

    def store(pair: TokenPair) -> None:
        assert busy.acquire(blocking=False)
        time.sleep(0.01)
        announced.append(pair)
        busy.release()

    options = {"on_tokens": store, "timeout": PATIENCE, **credentials}
    with CoreClient(server.url, **options) as client, ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            list(pool.map(lambda _: client.refresh(), range(8)))

        assert len({pair.access_token for pair in announced}) == len(announced) == server.refreshes + 1
        assert announced[-1] == client.tokens()


def test_tasks_with_an_expired_token_cause_one_refresh(
    server: CoreServer, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    async def scenario() -> None:
        async with AsyncCoreClient(server.url, timeout=PATIENCE, **credentials) as client:
            time_passes(700)
            assert statuses(await in_tasks(client)) == {200}

    asyncio.run(scenario())

    assert (server.logins, server.refreshes, server.count(PROCESS)) == (1, 1, TASKS)


def test_tasks_with_a_rejected_token_cause_one_refresh(
    server: CoreServer, credentials: dict[str, str]
) -> None:
    async def scenario() -> None:
        async with AsyncCoreClient(server.url, timeout=PATIENCE, **credentials) as client:
            server.access_secret = server.new_secret()
            assert statuses(await in_tasks(client)) == {200}

    asyncio.run(scenario())

    assert (server.logins, server.refreshes) == (1, 1)


def test_tasks_share_the_error_of_a_login(server: CoreServer, credentials: dict[str, str]) -> None:
    async def scenario() -> list[Outcome]:
        auth = CoreTokenAuth(server.url, timeout=PATIENCE, **credentials)
        async with httpx2.AsyncClient(auth=auth, base_url=server.url, timeout=PATIENCE) as client:
            return await in_tasks(client)

    server.faults[LOGIN] = unauthorized
    outcomes = asyncio.run(scenario())

    assert {type(outcome) for outcome in outcomes} == {LoginError}
    assert server.logins == 1


def test_tasks_share_a_network_error(
    server: CoreServer, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    async def scenario() -> list[Outcome]:
        async with AsyncCoreClient(server.url, timeout=PATIENCE, **credentials) as client:
            time_passes(700)
            return await in_tasks(client)

    server.faults[REFRESH] = drop
    outcomes = asyncio.run(scenario())

    assert all(isinstance(outcome, httpx2.TransportError) for outcome in outcomes)
    assert server.refreshes == 1


class AsyncioTimeout:
    """Cancels a request as ``asyncio.timeout()`` does, when the test says so."""

    async def limit(self, request: t.Awaitable[httpx2.Response]) -> None:
        async with asyncio.timeout(None) as self._timeout:
            await request

    def expire(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time())


class AnyioTimeout:
    """Cancels a request as ``anyio.fail_after()`` does, when the test says so."""

    async def limit(self, request: t.Awaitable[httpx2.Response]) -> None:
        with anyio.fail_after(None) as self._scope:
            await request

    def expire(self) -> None:
        self._scope.deadline = anyio.current_time()


@pytest.mark.parametrize("timeout", [AsyncioTimeout(), AnyioTimeout()], ids=["asyncio", "anyio"])
def test_task_cancelled_during_a_refresh_does_not_fail_the_others(
    server: CoreServer, credentials: dict[str, str], time_passes: TimePasses, timeout: t.Any
) -> None:
    arrived, released = threading.Event(), threading.Event()

    def hold_the_first(handler: t.Any) -> None:
        if not arrived.is_set():
            arrived.set()
            released.wait(PATIENCE)
        handler.route()

    async def scenario() -> list[Outcome]:
        async with AsyncCoreClient(server.url, timeout=PATIENCE, **credentials) as client:
            time_passes(700)

            first = asyncio.create_task(timeout.limit(client.get(PROCESS)))
            await asyncio.to_thread(arrived.wait, PATIENCE)
            others = asyncio.create_task(in_tasks(client, 20))
            await in_the_background()
            timeout.expire()
            with pytest.raises(TimeoutError):
                await first
            return await others

    server.faults[REFRESH] = hold_the_first
    outcomes = asyncio.run(scenario())
    released.set()

    assert statuses(outcomes) == {200}
    assert (server.logins, server.refreshes) == (1, 2)


def test_tasks_cancelled_during_a_wait_do_not_fail_the_others(
    server: CoreServer, credentials: dict[str, str], time_passes: TimePasses
) -> None:
    arrived, released = threading.Event(), threading.Event()

    def hold(handler: t.Any) -> None:
        arrived.set()
        released.wait(PATIENCE)
        handler.route()

    async def scenario() -> None:
        async with AsyncCoreClient(server.url, timeout=PATIENCE, **credentials) as client:
            time_passes(700)
            tasks = [asyncio.create_task(client.get(PROCESS)) for _ in range(20)]
            await asyncio.to_thread(arrived.wait, PATIENCE)
            for task in tasks[5:15]:
                task.cancel()
            released.set()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {httpx2.Response, asyncio.CancelledError}

    server.faults[REFRESH] = hold
    asyncio.run(scenario())

    assert (server.refreshes, server.count(PROCESS)) == (1, 10)


def test_event_loops_and_threads_can_share_an_auth(server: CoreServer, credentials: dict[str, str]) -> None:
    auth = CoreTokenAuth(server.url, timeout=PATIENCE, **credentials)

    async def scenario() -> None:
        async with httpx2.AsyncClient(auth=auth, base_url=server.url, timeout=PATIENCE) as client:
            assert statuses(await in_tasks(client, 20)) == {200}

    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            server.access_secret = server.new_secret()
            for future in [pool.submit(asyncio.run, scenario()) for _ in range(3)]:
                future.result()
            with httpx2.Client(auth=auth, base_url=server.url, timeout=PATIENCE) as client:
                assert client.get(PROCESS).status_code == 200

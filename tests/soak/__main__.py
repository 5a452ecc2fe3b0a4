"""The soak: ``make soak``.

Gunicorn with two workers serves an app to clients that send a mix of all requests, while the store is
killed and the tenant hangs now and then. At the end, no response was a 500, each worker has as many threads
as after the first tenth of the time and, within 10 %, as much memory, and each user has the sessions that
it must have. Then hypothesis plays the API against its model.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import trustme
from joserfc.jwk import RSAKey

from flask_core_auth.sessions import open_store
from flask_core_auth.tokens import REMEMBERED_TOKENS

from ..forge import read
from ..limits import extend_limits
from ..model.test_model import play
from ..sessions.load import Caller
from ..sessions.servers import PostgresServer, RedisServer, Server, free_port
from ..stores import close_store
from ..tenant import Tenant
from ..tether import tethered
from .clients import Client, make_clients
from .served import CLIENTS

WORKERS = 2
#: Interval between two faults.
FAULT_SECONDS = 60
#: Duration of a hanging tenant, and of a store that is down.
HANG_SECONDS, DOWN_SECONDS = 10, 1
#: The shortest run that compares the memory. Until then, remembered tokens fill it.
MIN_MEMORY_SECONDS = 120
#: Protected requests after which each worker has as many remembered tokens as it can have.
FILLED_AFTER = int(1.5 * WORKERS * REMEMBERED_TOKENS)
#: Growth of the memory that is allowed.
GROWTH = 1.1
PATIENCE_SECONDS = 120


class Gunicorn:
    """The server.

    :param environ: environment variables of the app.
    """

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self.caller = Caller(free_port())
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                tethered(
                    *(sys.executable, "-m", "gunicorn", f"--workers={WORKERS}", "--threads=4"),
                    *(f"--bind=127.0.0.1:{self.caller.port}", "--log-level=warning"),
                    *("--timeout=120", "--no-control-socket", "tests.soak.served:make_app()"),
                ),
                env={**os.environ, **environ},
                cwd=Path(__file__).parents[2],
                stderr=output,
            )
        wait_until(lambda: self.caller.call("GET", "/api/login/refresh")[0] == 401)

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return sorted(map(int, children.split()))

    def threads(self) -> list[int]:
        return [len(os.listdir(f"/proc/{worker}/task")) for worker in self.workers()]

    def memory(self) -> list[float]:
        """The memory of each worker that no other process uses, in MiB."""
        found = []
        for worker in self.workers():
            fields = Path(f"/proc/{worker}/smaps_rollup").read_text().splitlines()[1:]
            sizes = {line.split()[0]: int(line.split()[1]) for line in fields}
            found.append((sizes["Private_Clean:"] + sizes["Private_Dirty:"]) / 1024)
        return found

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        finally:
            self.process.kill()


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


@contextlib.contextmanager
def serving_tenant(directory: Path) -> Iterator[tuple[Tenant, dict[str, str]]]:
    """Serve a tenant's keys; with the environment variables that an app needs to log in with it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    key = RSAKey.generate_key(2048, {"kid": "key-1"})
    tenant = Tenant(authority.issue_cert("localhost"), key)
    environ = {"TENANT": json.dumps(tenant.settings()), "SSL_CERT_FILE": str(directory / "authority.pem")}
    try:
        yield tenant, {**environ, "NO_PROXY": "localhost,127.0.0.1"}
    finally:
        tenant.close()


def fault(number: int, server: Server, tenant: Tenant) -> None:
    """Have the tenant hang for a while, or kill the store and start it again."""
    if number % 2 == 0:
        tenant.answering.clear()
        time.sleep(HANG_SECONDS)
        tenant.answering.set()
    else:
        server.kill()
        time.sleep(DOWN_SECONDS)
        server.start()


def soak(seconds: float, *, store: str = "redis") -> list[str]:
    """Run the clients, and return what went wrong.

    :param seconds: the time for which they run.
    :param store: the kind of store: "redis" or "postgresql".
    """
    wrong: list[str] = []
    server: Server = {"redis": RedisServer, "postgresql": PostgresServer}[store]()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(server.close)
        server.start()
        tenant, environ = stack.enter_context(serving_tenant(directory))
        url: str = server.url  # type: ignore[attr-defined]
        gunicorn = Gunicorn({**environ, "SESSIONS": url}, directory / "log")
        stack.callback(gunicorn.stop)
        clients = make_clients(gunicorn.caller, CLIENTS, tenant)
        for client in clients:
            client.start()
        began = time.monotonic()
        wait(began + seconds / 10)
        is_memory_compared = seconds >= MIN_MEMORY_SECONDS
        if is_memory_compared:
            half = began + seconds / 2
            while time.monotonic() < half and count(clients)["protected", 200] < FILLED_AFTER:
                time.sleep(1)
        workers, threads, memory = gunicorn.workers(), gunicorn.threads(), gunicorn.memory()
        pause = min(FAULT_SECONDS, seconds / 5)
        for number in itertools.count():
            next_fault = time.monotonic() + pause
            wait(min(next_fault, began + seconds))
            if next_fault > began + seconds:
                break
            fault(number, server, tenant)
        for client in clients:
            client.stopped.set()
        for client in clients:
            client.join(PATIENCE_SECONDS)
            wrong += ["a client hangs"] * client.is_alive() + client.wrong
        counted = count(clients)
        report(counted, time.monotonic() - began)
        wrong += [f"{name}: {status}" for name, status in counted if status >= 500 and status != 503]
        if gunicorn.workers() != workers:
            wrong.append("a worker has ended")
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: max(gunicorn.threads()) <= max(threads))
        later = gunicorn.memory()
        print(f"threads: {threads}, at the end {gunicorn.threads()}")
        print(f"memory in MiB: {rounded(memory)}, at the end {rounded(later)}")
        if max(gunicorn.threads()) > max(threads):
            wrong.append("threads are left")
        if not is_memory_compared:
            print("The memory is not compared: the time is too short.")
        elif sum(later) > GROWTH * sum(memory):
            wrong.append("the memory has grown")
        wrong += compare_with_store(url, clients)
        if "Traceback" in (log := gunicorn.log.read_text()):
            wrong.append(log[-3000:])
    return wrong


def count(clients: list[Client]) -> collections.Counter[tuple[str, int]]:
    return sum((client.statuses.copy() for client in clients), collections.Counter())


def wait(moment: float) -> None:
    time.sleep(max(0, moment - time.monotonic()))


def rounded(sizes: list[float]) -> list[float]:
    return [round(size, 1) for size in sizes]


def report(counted: t.Mapping[tuple[str, int], int], seconds: float) -> None:
    print(f"{sum(counted.values()):,} requests in {seconds:.0f} s")
    for (name, status), count in sorted(counted.items()):
        print(f"  {name:14} {status or '---'} {count:8,}")


def compare_with_store(url: str, clients: list[Client]) -> list[str]:
    """Compare the sessions in the store itself with those of the clients."""
    extend_limits()
    opened = open_store(url, directory="/")
    wrong = []
    for client in clients:
        expected = set(client.live)
        owners = {owner_of(tokens) for tokens in (*client.live.values(), *client.ended)}
        found = {session.id for owner in owners for session in opened.list_by_owner(owner, now=time.time())}
        if found != expected:
            wrong.append(f"{owners}: {len(found)} sessions in the store, {len(expected)} in the model")
    print(f"sessions: {sum(len(client.live) for client in clients)}")
    close_store(opened)
    return wrong


def owner_of(tokens: dict[str, str]) -> str:
    claims = read(tokens["access_token"])
    return f"{claims['iss']}/{claims['idp']} {claims['sub']}"


def play_on_each_store(runs: int) -> None:
    """Play the API against its model, on each store and without one."""
    extend_limits()
    logging.getLogger("flask_core_auth").setLevel(logging.ERROR)  # wrong passwords are warnings
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        urls: list[str | None] = [None, f"sqlite:///{directory}/sessions.db"]
        for make in (PostgresServer, RedisServer):
            server = make()
            stack.callback(server.close)
            server.start()
            urls.append(server.url)
        for url in urls:
            began = time.monotonic()
            store = None if url is None else open_store(url, directory="/")
            try:
                play(store, url, runs=max(1, runs // len(urls)), derandomize=False)
            finally:
                if store is not None:
                    close_store(store)
            kind = "no store" if url is None else url.partition(":")[0]
            print(f"model: {kind}, {max(1, runs // len(urls))} runs in {time.monotonic() - began:.0f} s")


def main() -> int:
    wrong = soak(60 * float(os.environ.get("MINUTES", "30")), store=os.environ.get("STORE", "redis"))
    for line in dict.fromkeys(wrong):
        print(f"WRONG: {line}")
    play_on_each_store(int(os.environ.get("RUNS", "2000")))
    return 1 if wrong else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())

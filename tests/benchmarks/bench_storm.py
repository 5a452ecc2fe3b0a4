"""Protected requests during a storm of wrong passwords: ``make bench``. It needs Linux, for ``/proc``.

64 clients of one address send wrong passwords for a user with a scrypt hash, and honour ``Retry-After``.
The server is one gunicorn worker with eight threads. The bars: the median of a protected request is at most
2 times the median before the storm, its 99th percentile at most 10 times. The memory grows by at most 1.5
hashes for each password check that may run. Right logins from another address succeed.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

from ..apps import PASSWORD, USERNAME, bearer
from ..tether import tethered

#: The number of password checks that may run at a time.
CONCURRENCY = 2
#: Memory of one scrypt hash with Werkzeug's parameters: 128 * N * r bytes (RFC 7914, 2), N 2**15, r 8.
HASH_MIB = 32
#: The addresses of the attackers, and of the user who logs in meanwhile (RFC 5737).
ATTACKERS, USER = "192.0.2.1", "198.51.100.1"
#: Time limit for a response and for the start of the storm, in seconds.
PATIENCE_SECONDS = 120


def bench_storm(*, clients: int = 64, requests: int = 3000, logins: int = 20) -> None:
    """Measure protected requests before and during a storm of logins.

    :param clients: number of attacking clients.
    :param requests: number of protected requests, before the storm and during it.
    :param logins: number of right logins from another address during the storm.
    """
    with serving() as (port, worker), closing(Client(port, USER)) as user:
        status, answer, _ = user.log_in(PASSWORD)
        assert status == 200
        token = json.loads(answer)["access_token"]
        for _ in range(requests // 10):
            user.protected_request(token)
        memory = memory_of(worker, "VmRSS")
        before = user.latencies(token, requests)
        with storming(port, clients):
            during = user.latencies(token, requests)
            succeeded = sum(user.insist(PASSWORD) for _ in range(logins))
        grown = memory_of(worker, "VmHWM") - memory
    for name, bar in (("median", 2), ("99th percentile", 10)):
        quantile = statistics.median if name == "median" else last_percent
        print(
            f"login storm: {name} of a protected request {quantile(during) / quantile(before):.2f} x before"
            f" (bar {bar}; {quantile(during) * 1000:.1f} ms)"
        )
    bar = 1.5 * HASH_MIB * CONCURRENCY
    print(f"login storm: memory +{grown:.0f} MiB, {HASH_MIB} MiB a hash (bar {bar:.0f} MiB)")
    print(f"login storm: {succeeded} of {logins} right logins from another address succeed")


def last_percent(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]


@contextmanager
def serving() -> Iterator[tuple[int, int]]:
    """Serve the app with one worker, and yield its port and the worker's process."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        server = subprocess.Popen(
            tethered(
                *(sys.executable, "-m", "gunicorn", "tests.benchmarks.storm_app:app", "--threads", "8"),
                *("--bind", f"fd://{listener.fileno()}", "--log-level", "error"),
                *("--worker-tmp-dir", folder, "--graceful-timeout", "1", "--no-control-socket"),
                *("--keep-alive", str(PATIENCE_SECONDS)),
            ),
            pass_fds=[listener.fileno()],
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "CONCURRENCY": str(CONCURRENCY),
            },
        )
        try:
            port = listener.getsockname()[1]
            with closing(Client(port, USER)) as client:
                client.log_in("wrong")  # waits in the socket's backlog until the worker is up
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            yield port, int(children[0])
        finally:
            server.terminate()
            server.wait(PATIENCE_SECONDS)


class Client:
    """A client with one connection.

    :param port: the server's port on this machine.
    :param address: the address that the client names in ``X-Forwarded-For``.
    """

    def __init__(self, port: int, address: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self._headers = {"X-Forwarded-For": address}

    def close(self) -> None:
        self._connection.close()

    def _call(self, method: str, path: str, **options: t.Any) -> tuple[int, bytes, float]:
        headers = {**self._headers, **options.pop("headers", {})}
        self._connection.request(method, path, headers=headers, **options)
        response = self._connection.getresponse()
        return response.status, response.read(), float(response.headers.get("Retry-After", 0))

    def log_in(self, password: str) -> tuple[int, bytes, float]:
        """Return the status, the body and the Retry-After of a login, in seconds."""
        body = json.dumps({"username": USERNAME, "password": password})
        return self._call("POST", "/api/login", body=body, headers={"Content-Type": "application/json"})

    def insist(self, password: str) -> bool:
        """Log in, and try again as often as a response names a Retry-After, for the time limit at most."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            status, _, wait = self.log_in(password)
            if not wait or time.monotonic() > end:
                return status == 200
            time.sleep(wait)

    def protected_request(self, token: str) -> None:
        status, *_ = self._call("GET", "/protected", headers=bearer(token))
        assert status == 200

    def latencies(self, token: str, requests: int) -> list[float]:
        """Return the times of protected requests, in seconds."""
        times = []
        for _ in range(requests):
            start = time.perf_counter()
            self.protected_request(token)
            times.append(time.perf_counter() - start)
        return times


@contextmanager
def storming(port: int, clients: int) -> Iterator[None]:
    """Send wrong passwords from another process, from before the block begins until it ends."""
    context = multiprocessing.get_context("spawn")
    begun, ended = context.Event(), context.Event()
    process = context.Process(target=storm, args=(port, clients, begun, ended), daemon=True)
    process.start()
    try:
        assert begun.wait(PATIENCE_SECONDS)
        yield
    finally:
        ended.set()
        process.join(PATIENCE_SECONDS)


def storm(port: int, clients: int, begun: Event, ended: Event) -> None:
    """Send wrong passwords with each client until the block ends."""
    ready = threading.Barrier(clients, action=begun.set)

    def attack() -> None:
        with closing(Client(port, ATTACKERS)) as client:
            client.log_in("wrong")
            ready.wait(PATIENCE_SECONDS)
            while not ended.is_set():
                status, _, wait = client.log_in("wrong")
                assert status in (403, 503)
                ended.wait(wait)

    threads = [threading.Thread(target=attack) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def memory_of(process: int, measure: str) -> float:
    """Return the memory of a process, in MiB.

    :param measure: ``"VmRSS"``, the memory at present, or ``"VmHWM"``, its peak.
    """
    status = Path(f"/proc/{process}/status").read_text()
    [line] = (line for line in status.splitlines() if line.startswith(measure))
    return int(line.split()[1]) / 1024

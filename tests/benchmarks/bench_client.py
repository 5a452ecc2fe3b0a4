"""What the client adds to a request: ``make bench``.

The same request, over the same kind of connection, with the same header: through httpx2's own client and
through ours, in turns, so that the ratio holds on a machine whose speed drifts. The bar: 1.05.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

from flask_core_auth.client import CoreClient

from ..tether import tethered

ROUNDS = 200
CALLS = 10
TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "x" * 300 + "." + "y" * 43


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def log_message(self, *args: object) -> None:
        pass


def time_of(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


def serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def bench_client() -> None:
    # A process of its own: in a thread it would slow down both clients, and hide the difference.
    server = subprocess.Popen(
        tethered(sys.executable, "-m", "tests.benchmarks.bench_client", "serve"),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        with (
            httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as bare,
            CoreClient(url, access_token=TOKEN, refresh_token=TOKEN) as ours,
        ):
            pairs = []
            for turn in range(ROUNDS):
                # Whoever goes second finds the caches warm: they take turns at that, too.
                if turn % 2:
                    first = time_of(lambda: ours.get("/api/v3/process"))
                    pairs.append((first, time_of(lambda: bare.get("/api/v3/process"))))
                else:
                    first = time_of(lambda: bare.get("/api/v3/process"))
                    pairs.append((time_of(lambda: ours.get("/api/v3/process")), first))
    finally:
        server.terminate()
        server.communicate()
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    theirs = statistics.median(theirs for _, theirs in pairs)
    print(f"request through CoreClient: {ratio:.3f} x httpx2.Client's {theirs:.0f} us (bar 1.05)")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        bench_client()

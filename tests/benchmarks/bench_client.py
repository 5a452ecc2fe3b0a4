"""The time that CoreClient adds to a request: ``make bench``.

httpx2's own client and CoreClient send the same request with the same header, over the same kind of
connection. The bar: 1.05.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2

from flask_core_auth.client import CoreClient

from ..apps import bearer
from ..tether import tethered
from .measure import measure

TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "x" * 300 + "." + "y" * 43


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def log_message(self, *args: object) -> None:
        pass


def serve() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def bench_client(*, rounds: int = 200, calls: int = 10) -> None:
    # In a process of its own: a thread would slow down both clients, and hide the difference.
    server = subprocess.Popen(
        tethered(sys.executable, "-m", "tests.benchmarks.bench_client", "serve"),
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        with (
            httpx2.Client(base_url=url, headers=bearer(TOKEN)) as bare,
            CoreClient(url, access_token=TOKEN, refresh_token=TOKEN) as core,
        ):
            times = measure(
                {
                    "httpx2": lambda: bare.get("/api/v3/process"),
                    "CoreClient": lambda: core.get("/api/v3/process"),
                },
                rounds=rounds,
                calls=calls,
            )
    finally:
        server.terminate()
        server.communicate()
    ratio = statistics.median(
        core / bare for core, bare in zip(times["CoreClient"], times["httpx2"], strict=True)
    )
    microseconds = statistics.median(times["httpx2"])
    print(f"request through CoreClient: {ratio:.3f} x httpx2.Client's {microseconds:.0f} us (bar 1.05)")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        bench_client()

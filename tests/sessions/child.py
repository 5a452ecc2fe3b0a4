"""Test steps that need a process of their own: ``python -m tests.sessions.child NAME ARGUMENTS``.

Each step prints its result as JSON, for :func:`result` to read.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

from ..apps import bearer, post_login, refresh
from ..apps import log_in as log_in_once
from ..limits import extend_limits
from ..tether import tether, tethered
from .app import make_session_app

#: The time after which a process counts as stuck.
STUCK_SECONDS = 300


def child(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a step in a process of its own."""
    command = [sys.executable, "-m", "tests.sessions.child", name, *arguments]
    return subprocess.Popen(tethered(*command), stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])


def result(process: subprocess.Popen[bytes]) -> t.Any:
    """Wait for a process, and return the result of its step."""
    with process:
        try:
            output, _ = process.communicate(timeout=STUCK_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0
    return json.loads(output)


def log_in(sessions: str, times: str) -> list[int]:
    """Log in several times, and return the statuses."""
    client = make_session_app(sessions).test_client()
    return [post_login(client).status_code for _ in range(int(times))]


def disk_full(sessions: str) -> list[int]:
    """Log in before, while and after the database file cannot grow, and return the statuses."""
    client = make_session_app(sessions).test_client()
    path = urlsplit(sessions).path[1:]
    statuses = [post_login(client).status_code]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(os.path.getsize(path + suffix) for suffix in ("", "-wal"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1, limits[1]))
    statuses += [post_login(client).status_code for _ in range(3)]
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    return [*statuses, post_login(client).status_code]


def read_only(sessions: str, token: str, access: str) -> list[int]:
    """Send requests with a database file that this process's user cannot write to."""
    client = make_session_app(sessions, SESSION_CHECK="always", LOGIN_LIMIT="none").test_client()
    client.get("/who")  # the other user may lack the right to read modules that are imported late
    if os.geteuid() == 0:
        os.setuid(65534)
    return [
        post_login(client).status_code,
        refresh(client, token).status_code,
        client.post("/api/logout", headers=bearer(token)).status_code,
        client.get("/who", headers=bearer(access)).status_code,
    ]


def fork(sessions: str) -> list[int]:
    """Use a store before a fork, and then in five processes at the same time."""
    app = make_session_app(sessions)
    tokens = log_in_once(app)

    def use() -> set[int]:
        return {refresh(app, tokens["refresh_token"]).status_code for _ in range(50)}

    children = []
    parent = os.getpid()
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            tether(parent)
            os._exit(0 if use() == {200} else 1)
        children.append(pid)
    return [*use(), *(os.waitpid(pid, 0)[1] for pid in children)]


if __name__ == "__main__":
    extend_limits()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))

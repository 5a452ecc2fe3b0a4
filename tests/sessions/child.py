"""What has to happen in a process of its own: ``python -m tests.sessions.child NAME ARGUMENTS``.

Each function prints what it has seen as JSON, which :func:`answer` reads.
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

from flask.testing import FlaskClient

from ..tether import tether, tethered
from .app import PASSWORD, bearer, make_session_app, refresh
from .limits import take_time

#: How long a process may take, in seconds, before it counts as stuck.
STUCK = 300


def child(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A call of one of these functions in a process of its own."""
    command = [sys.executable, "-m", "tests.sessions.child", name, *arguments]
    return subprocess.Popen(tethered(*command), stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])


def answer(process: subprocess.Popen[bytes]) -> t.Any:
    """What it has seen."""
    with process:
        try:
            output, _ = process.communicate(timeout=STUCK)
        finally:
            process.kill()
    assert process.returncode == 0
    return json.loads(output)


def _log_in(client: FlaskClient) -> tuple[int, dict[str, str]]:
    response = client.post("/api/login", json={"username": "admin", "password": PASSWORD})
    return response.status_code, response.json or {}


def log_in(sessions: str, times: str) -> list[int]:
    """Log in so many times."""
    client = make_session_app(sessions).test_client()
    return [_log_in(client)[0] for _ in range(int(times))]


def disk_full(sessions: str) -> list[int]:
    """Log in until nothing more can be written, and when it can again."""
    client = make_session_app(sessions).test_client()
    path = urlsplit(sessions).path[1:]
    statuses = [_log_in(client)[0]]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(os.path.getsize(path + suffix) for suffix in ("", "-wal"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1, limits[1]))
    statuses += [_log_in(client)[0] for _ in range(3)]
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    return [*statuses, _log_in(client)[0]]


def read_only(sessions: str, token: str, access: str) -> list[int]:
    """Do everything with a file that this process's user must not write to."""
    client = make_session_app(sessions, SESSION_CHECK="always", LOGIN_LIMIT="none").test_client()
    client.get("/who")  # what is imported late may be root's alone
    if os.geteuid() == 0:
        os.setuid(65534)
    return [
        _log_in(client)[0],
        refresh(client, token).status_code,
        client.post("/api/logout", headers=bearer(token)).status_code,
        client.get("/who", headers=bearer(access)).status_code,
    ]


def fork(sessions: str) -> list[int]:
    """Use a store before a fork, and then in five processes at a time."""
    app = make_session_app(sessions)
    _, tokens = _log_in(app.test_client())

    def use() -> set[int]:
        return {refresh(app.test_client(), tokens["refresh_token"]).status_code for _ in range(50)}

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
    take_time()
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))

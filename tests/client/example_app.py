"""The example app on gunicorn, with two workers and a real port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from ..tether import tethered
from .server import PATIENCE


class ExampleApp:
    """Serves the example app until it is closed.

    :param directory: for the logs of the app.
    :param settings: the settings of the app, by the names of the variables without ``CORE_API_AUTH_``.
    """

    username = "admin"
    password = "correct horse battery staple"

    def __init__(self, directory: Path, **settings: str) -> None:
        self._access_log = directory / "access.log"
        self._read = 0
        configured = {
            "USERNAME": self.username,
            "PASSWORD": self.password,
            "JWT_SECRET": "the secret of the example app, for tests only",
            **settings,
        }
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CORE_")}
        environ |= {f"CORE_API_AUTH_{name}": value for name, value in configured.items()}
        command = [
            *(sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--no-control-socket"),
            *("--workers", "2", "--threads", "8", "--worker-tmp-dir", str(directory)),
            *("--access-logfile", str(self._access_log), "--access-logformat", "%(m)s %(U)s %(s)s"),
            "example_app:create_app()",
        ]
        self._log = directory / "gunicorn.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(tethered(*command), env=environ, stdout=log, stderr=log)
        self.url = self._wait_for_address()

    def _wait_for_address(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            found = re.search(r"Listening at: (http://\S+)", self._log.read_text())
            if found:
                return found[1]
            time.sleep(0.05)
        self.close()
        raise AssertionError(self._log.read_text())

    @property
    def credentials(self) -> dict[str, str]:
        return {"username": self.username, "password": self.password}

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)

    def requests(self, expected: int = 0) -> Counter[str]:
        """Count each "METHOD path status" in the log since the last call.

        gunicorn logs a request after its response. The method therefore waits for ``expected`` requests,
        and then 0.1 seconds for one too many. Each test must count all of its requests, so that none is
        counted in the next test. After :meth:`close`, the log is complete.
        """
        deadline = time.monotonic() + PATIENCE
        while len(lines := self._lines()) < expected and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.1)
        lines = self._lines()
        self._read += len(lines)
        return Counter(lines)

    def _lines(self) -> list[str]:
        text = self._access_log.read_text() if self._access_log.exists() else ""
        return text.splitlines()[self._read :]

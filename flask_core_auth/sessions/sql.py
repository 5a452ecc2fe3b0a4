"""Sessions in a table of SQLite, for the processes of one machine, or of PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import typing as t
import weakref
from pathlib import Path

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Double,
    Index,
    MetaData,
    String,
    Table,
    Text,
    and_,
    bindparam,
    case,
    create_engine,
    delete,
    event,
    insert,
    literal,
    make_url,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from .deadline import Deadline
from .store import MAX_LISTED, Decision, RefreshRequest, Session, StoreDownError, StoreTimeoutError, Verdict

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
#: Maximum number of expired sessions that one login removes.
SWEEP = 100
#: Maximum number of sessions that one statement ends.
BATCH = 500

metadata = MetaData()
sessions = Table(
    "core_auth_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("jti", String(64), nullable=False),
    Column("previous_jti", String(64)),
    Column("rotated_at", Double),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("address", Text),
    Column("user_agent", Text),
    # PostgreSQL's B-tree rejects an owner of more than 2.7 kB; its hash index accepts any length.
    Index("core_auth_sessions_owner", "owner", postgresql_using="hash"),
    Index("core_auth_sessions_expires_at", "expires_at"),
    # One tree finds a row by its ID, not two: a look-up in a million rows costs little more than in a few.
    sqlite_with_rowid=False,
)
# Free space in each page for the next version of a row, so that a refresh updates only the indexes of
# changed columns. (SQLAlchemy has an argument of the table for this from 2.1 on.)
_fillfactor = DDL("ALTER TABLE %(table)s SET (fillfactor = 80)")  # type: ignore[no-untyped-call]
event.listen(sessions, "after_create", _fillfactor.execute_if(dialect="postgresql"))
_COLUMNS = sessions.c

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

    def open(self, session: Session, *, now: float) -> None:
        values = {name: getattr(session, name) for name in Session.__slots__}

        def step(connection: Connection) -> None:
            connection.execute(_SWEEP, {"second": int(now)})
            connection.execute(insert(sessions), values)

        self._run(step)

    def refresh(self, request: RefreshRequest) -> Decision:
        values: dict[str, t.Any] = {
            "session": request.session,
            "presented": request.jti,
            "now": request.now,
            "second": int(request.now),
            "grace_began": request.now - request.grace,
            "youngest": int(request.now) - request.max_age,
            "successor": request.successor,
        }
        change = _RECORD_USE
        if request.successor is not None:
            change = _ROTATE
            values |= {
                "successor_expires": int(request.now) + request.lifetime,
                "max_age": request.max_age,
            }

        def step(connection: Connection) -> Decision:
            # Of several concurrent calls, one makes the change, and all see it.
            connection.execute(change, values)
            row = connection.execute(_ADMITTED, values).one_or_none()
            if row is not None:
                return Decision(Verdict.ACCEPTED, row.jti, row.expires_at)
            # No ID comes into force twice: a rotated token stays rotated.
            reused = connection.execute(_END_REUSED, values).rowcount
            return Decision(Verdict.REUSED if reused else Verdict.GONE)

        return self._run(step)

    def is_live(self, session_id: str, *, now: float, max_age: int) -> bool:
        values = {"session": session_id, "second": int(now), "youngest": int(now) - max_age}
        return self._run(lambda connection: connection.execute(_IS_LIVE, values).first() is not None)

    def list_by_owner(self, owner: str, *, now: float) -> list[Session]:
        values = {"owner": owner, "second": int(now)}
        return self._run(
            lambda connection: [Session(*row) for row in connection.execute(_LIST_BY_OWNER, values)]
        )

    def end(self, session_id: str, owner: str) -> bool:
        values = {"session": session_id, "owner": owner}
        return self._run(lambda connection: connection.execute(_END, values).rowcount == 1)

    def end_all(self, owner: str) -> list[str]:
        def step(connection: Connection) -> list[str]:
            batch = list(connection.execute(_BATCH, {"owner": owner}).scalars())
            if batch:
                connection.execute(_END_BATCH, {"batch": batch})
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
                metadata.create_all(connection)
            except DBAPIError:  # another process may have made it in between; if not, this raises, too
                metadata.create_all(connection)
        self._has_table = True


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
        raise ValueError("names a file: URI; name the file itself, such as sqlite:///core-auth.db")
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
            isolation_level="AUTOCOMMIT",  # each step is one statement, and so atomic
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


# The statements, made once. Each is atomic: of two that change the same row, the second sees the change of
# the first (in PostgreSQL too: READ COMMITTED evaluates the WHERE again once it has the row's lock).
#
# No statement has a RETURNING: with it, SQLite keeps its lock until Python has fetched the row, and Python
# lets other threads run first. No statement writes unchanged values: otherwise 32 concurrent refreshes of
# one session are 32 writes to the disk, one after the other. Both made some calls exceed their time limit.

_session = _COLUMNS.id == bindparam("session")
_now: t.Any = bindparam("now", type_=Double)
_second: t.Any = bindparam("second", type_=BigInteger)
_presented: t.Any = bindparam("presented", type_=String)
_successor: t.Any = bindparam("successor", type_=String)
_grace_began: t.Any = bindparam("grace_began", type_=Double)
_oldest: t.Any = _COLUMNS.created_at + bindparam("max_age", type_=BigInteger)
_successor_expires: t.Any = bindparam("successor_expires", type_=BigInteger)

# Whole seconds, like the column: PostgreSQL uses no index for a comparison with a fraction.
_is_live = _COLUMNS.expires_at > _second
# The current setting also applies to sessions that were opened under another.
_is_young = _COLUMNS.created_at > bindparam("youngest", type_=BigInteger)
_is_admitted = and_(
    _session,
    _is_live,
    _is_young,
    or_(
        _COLUMNS.jti == _presented,
        # The token that this very call has rotated, even with a grace of 0. NULL without rotation.
        _COLUMNS.jti == _successor,
        and_(_COLUMNS.previous_jti == _presented, _COLUMNS.rotated_at > _grace_began),
    ),
)
_RECORD_USE = (
    update(sessions).where(_is_admitted, _COLUMNS.last_used_at < _second).values(last_used_at=_second)
)
_ROTATE = (
    update(sessions)
    .where(
        _is_admitted,
        _COLUMNS.jti == _presented,
        or_(_COLUMNS.rotated_at.is_(None), _COLUMNS.rotated_at <= _grace_began),
    )
    .values(
        jti=_successor,
        previous_jti=_COLUMNS.jti,
        rotated_at=_now,
        last_used_at=_second,
        expires_at=case((_oldest < _successor_expires, _oldest), else_=_successor_expires),
    )
)
_ADMITTED = select(_COLUMNS.jti, _COLUMNS.expires_at).where(_is_admitted)
_END_REUSED = delete(sessions).where(
    _session,
    _is_live,
    _COLUMNS.jti != _presented,
    or_(
        _COLUMNS.previous_jti.is_(None),
        _COLUMNS.previous_jti != _presented,
        _COLUMNS.rotated_at <= _grace_began,
    ),
)
_IS_LIVE = select(literal(1)).where(_session, _is_live, _is_young)
_LIST_BY_OWNER = (
    select(*(_COLUMNS[name] for name in Session.__slots__))
    .where(_COLUMNS.owner == bindparam("owner"), _is_live)
    .order_by(_COLUMNS.last_used_at.desc(), _COLUMNS.created_at.desc(), _COLUMNS.id)
    .limit(MAX_LISTED)
)
_END = delete(sessions).where(_session, _COLUMNS.owner == bindparam("owner"))
_BATCH = select(_COLUMNS.id).where(_COLUMNS.owner == bindparam("owner")).order_by(_COLUMNS.id).limit(BATCH)
_END_BATCH = delete(sessions).where(_COLUMNS.id.in_(bindparam("batch", expanding=True)))
# Two logins that remove the same rows would wait for each other in PostgreSQL.
_SWEEP = delete(sessions).where(
    _COLUMNS.id.in_(
        select(_COLUMNS.id)
        .where(_COLUMNS.expires_at <= _second)
        .order_by(_COLUMNS.expires_at)
        .limit(SWEEP)
        .with_for_update(skip_locked=True)
    )
)

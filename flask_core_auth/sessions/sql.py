"""Sessions in a table: SQLite, which serves all processes of one machine, or PostgreSQL."""

from __future__ import annotations

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
from .store import MAX_LISTED, Decision, Session, StoreDownError, Use, Verdict

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

#: How long a call may take, in seconds.
CALL_TIMEOUT = 0.8
#: How much longer it may wait for a connection of the pool, in seconds.
POOL_TIMEOUT = 0.1
#: How often a call asks for SQLite's lock, in seconds. SQLite by itself asks twelve times in 0.3 seconds,
#: ever more rarely: where others hold the lock most of the time, some never get it.
LOCK_INTERVAL = 0.003
#: So many connections has one process at most.
MAX_CONNECTIONS = 10
#: So many expired sessions are removed at one login at most.
SWEEP = 100
#: So many sessions are ended by one call at most.
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
    # PostgreSQL's B-tree refuses an owner of more than 2.7 kB, its hash takes any.
    Index("core_auth_sessions_owner", "owner", postgresql_using="hash"),
    Index("core_auth_sessions_expires_at", "expires_at"),
    # Found by its ID in one tree, not by way of a second: a million of them cost little more than a few.
    sqlite_with_rowid=False,
)
# Room in each page for the next version of a row: a refresh then touches no index but what it changes.
# (As an argument of the table, SQLAlchemy takes this from 2.1 on.)
_fillfactor = DDL("ALTER TABLE %(table)s SET (fillfactor = 80)")  # type: ignore[no-untyped-call]
event.listen(sessions, "after_create", _fillfactor.execute_if(dialect="postgresql"))
_COLUMNS = sessions.c

T = t.TypeVar("T")


class SQLStore:
    """Sessions in SQLite or PostgreSQL, by way of SQLAlchemy.

    :param url: a SQLAlchemy URL.
    :param directory: where a relative file of SQLite's is; it is made if it is not there.
    :raises ValueError: if the URL cannot be used; the message says why, and does not quote it, since it
        may hold a password.
    """

    def __init__(self, url: str, *, directory: str) -> None:
        self._url = _parse(url, directory)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        self._engine = _make_engine(self._url)
        # An app that is dropped, as many a test drops one, closes its connections; a process that ends need
        # not, and one that was forked off must not.
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

    def use(self, use: Use) -> Decision:
        values: dict[str, t.Any] = {
            "session": use.session,
            "presented": use.jti,
            "now": use.now,
            "second": int(use.now),
            "grace_began": use.now - use.grace,
            "youngest": int(use.now) - use.max_age,
            "successor": use.successor,
        }
        change = _NOTE_USE
        if use.successor is not None:
            change = _ROTATE
            values |= {
                "successor_expires": int(use.now) + use.lifetime,
                "max_age": use.max_age,
            }

        def step(connection: Connection) -> Decision:
            # Of several at a time one makes the change, and all see it.
            connection.execute(change, values)
            row = connection.execute(_ADMITTED, values).one_or_none()
            if row is not None:
                return Decision(Verdict.ACCEPTED, row.jti, row.expires_at)
            # No ID comes into force twice: what was spent a moment ago is spent for ever.
            reused = connection.execute(_END_REUSED, values).rowcount
            return Decision(Verdict.REUSED if reused else Verdict.GONE)

        return self._run(step)

    def is_live(self, session_id: str, *, now: float) -> bool:
        values = {"session": session_id, "second": int(now)}
        return self._run(lambda connection: connection.execute(_IS_LIVE, values).first() is not None)

    def of_owner(self, owner: str, *, now: float) -> list[Session]:
        values = {"owner": owner, "second": int(now)}
        return self._run(
            lambda connection: [Session(*row) for row in connection.execute(_OF_OWNER, values)]
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
            # The table may be gone with its file or its database, and is made again.
            self._has_table = False
            raise StoreDownError(_reason(error)) from error

    def _enter_process(self) -> Deadline | None:
        if self._process != os.getpid():
            with self._lock:
                if self._process != os.getpid():
                    # What a fork has brought along, connections and threads, is the parent's.
                    self._engine.dispose(close=False)
                    # The drivers' own timeouts do not bound a call: libpq takes 2 s at least to connect,
                    # and waits for an answer without end. All that SQLite waits for is its locks.
                    if not self._is_sqlite:
                        self._deadline = Deadline(CALL_TIMEOUT, threads=MAX_CONNECTIONS)
                    self._process = os.getpid()
        return self._deadline

    def _call(self, step: Callable[[Connection], T]) -> T:
        give_up = time.monotonic() + CALL_TIMEOUT
        while True:
            try:
                if not self._has_table:
                    self._make_table()
                with self._engine.connect() as connection:
                    return step(connection)
            except OperationalError as error:
                if not _is_locked(error) or time.monotonic() >= give_up:
                    raise
            time.sleep(LOCK_INTERVAL)

    def _make_table(self) -> None:
        if self._is_sqlite:
            Path(t.cast(str, self._url.database)).parent.mkdir(parents=True, exist_ok=True)
        with self._engine.connect() as connection:
            if self._is_sqlite:
                # Readers do not wait for a writer then. The file remembers it.
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
        # These free the thread of a call that was given up, when the other machine is gone for good.
        arguments["connect_timeout"] = 2
        arguments["tcp_user_timeout"] = 10_000
        arguments |= {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    try:
        engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",  # each step is atomic by being one statement
            pool_size=MAX_CONNECTIONS,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT,
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
    # What has been answered is on the disk. Some builds of SQLite take this less seriously.
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


# The statements, made once. Each is atomic: of two that change the same row, the second sees what the first
# has made of it (in PostgreSQL too: READ COMMITTED looks at the WHERE again once it has the row's lock).
#
# None has a RETURNING: with it, SQLite keeps its lock until Python has fetched the row, and Python lets
# other threads run first. None writes what is there already: without that, 32 refreshes of one session at
# a time are 32 writes to the disk, one after the other. Either made some wait longer than they may.

_session = _COLUMNS.id == bindparam("session")
_now: t.Any = bindparam("now", type_=Double)
_second: t.Any = bindparam("second", type_=BigInteger)
_presented: t.Any = bindparam("presented", type_=String)
_successor: t.Any = bindparam("successor", type_=String)
_grace_began: t.Any = bindparam("grace_began", type_=Double)
_oldest: t.Any = _COLUMNS.created_at + bindparam("max_age", type_=BigInteger)
_successor_expires: t.Any = bindparam("successor_expires", type_=BigInteger)

# Whole seconds, as the column is: PostgreSQL does not use an index to compare it with a fraction.
_is_live = _COLUMNS.expires_at > _second
_is_admitted = and_(
    _session,
    _is_live,
    # What the setting is now holds for sessions that were opened under another, too.
    _COLUMNS.created_at > bindparam("youngest", type_=BigInteger),
    or_(
        _COLUMNS.jti == _presented,
        # What this very use has rotated, which no grace has to cover. Without rotation it is NULL.
        _COLUMNS.jti == _successor,
        and_(_COLUMNS.previous_jti == _presented, _COLUMNS.rotated_at > _grace_began),
    ),
)
_NOTE_USE = (
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
_IS_LIVE = select(literal(1)).where(_session, _is_live)
_OF_OWNER = (
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

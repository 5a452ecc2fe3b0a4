"""The cost of sessions: ``make bench``.

The bars: a refresh with SQLite takes at most 2.3 times as long as without sessions. A login takes at most
1.2 times as long for a user with 100 sessions, one of which it ends, as for a user with one. A call of a
store with 1,000,000 sessions takes at most 1.3 times as long as with 1,000. The check of a session in Redis
at a protected request takes at most 1.5 times as long as one GET over the same connection.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
import statistics
import sys
import tempfile
import time
import typing as t
from collections.abc import Callable, Collection, Iterator
from dataclasses import astuple, replace
from pathlib import Path

from flask import Flask

from flask_core_auth import Identity
from flask_core_auth.sessions import Session, SessionStore, open_store
from flask_core_auth.sessions.redis import RedisStore, _dump, _index_key, _session_key, _use
from flask_core_auth.sessions.store import RefreshRequest

from ..apps import log_in
from ..forge import read
from ..sessions.app import make_session_app
from ..sessions.servers import PostgresServer, RedisServer, Server
from ..stores import close_store
from .measure import Call, measure, ratio, requester

KINDS = ("SQLite", "PostgreSQL", "Redis")
LIFETIME_SECONDS = 86400
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36"
)

Measure = Callable[[dict[str, Call]], dict[str, float]]


def bench_sessions(
    kinds: Collection[str] = KINDS,
    *,
    rounds: int = 40,
    calls: int = 50,
    few: int = 1_000,
    many: int = 1_000_000,
) -> None:
    """Measure refreshes, checks and the calls of stores.

    :param kinds: the kinds of store.
    :param few: number of sessions in a small store, at least 4.
    :param many: number of sessions in a large store.
    """

    def medians(cases: dict[str, Call]) -> dict[str, float]:
        times = measure(cases, rounds=rounds, calls=calls)
        return {name: statistics.median(case) for name, case in times.items()}

    with tempfile.TemporaryDirectory() as directory:
        urls, servers = {}, contextlib.ExitStack()
        with servers:
            if "SQLite" in kinds:
                urls["SQLite"] = f"sqlite:///{directory}/one.db"
            if "PostgreSQL" in kinds:
                urls["PostgreSQL"] = servers.enter_context(running(PostgresServer())).url
            if "Redis" in kinds:
                redis = servers.enter_context(running(RedisServer("--appendfsync", "everysec")))
                urls["Redis"] = redis.url
            measure_refresh(medians, urls)
            for kind, url in urls.items():
                measure_login(kind, url, count=rounds * calls)
            if "Redis" in kinds:
                measure_check(medians, urls["Redis"])
        counts = (few, many)
        if "SQLite" in kinds:
            files = (f"sqlite:///{directory}/few.db", f"sqlite:///{directory}/many.db")
            measure_calls(medians, "SQLite", files, counts)
    if "PostgreSQL" in kinds:
        with running(PostgresServer()) as small, running(PostgresServer()) as large:
            measure_calls(medians, "PostgreSQL", (small.url, large.url), counts)
    if "Redis" in kinds:
        with running(RedisServer("--appendonly", "no")) as redis:
            measure_calls(medians, "Redis", (redis.url, redis.url[:-1] + "1"), counts)


ServerT = t.TypeVar("ServerT", bound=Server)


@contextlib.contextmanager
def running(server: ServerT) -> Iterator[ServerT]:
    try:
        server.start()
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def session_app(sessions: str | None, **config: object) -> Iterator[Flask]:
    app = make_session_app(sessions, **config)
    try:
        yield app
    finally:
        if sessions is not None:
            close_store(app.extensions["core_auth"].sessions._store)


def measure_refresh(medians: Measure, urls: dict[str, str]) -> None:
    """Measure a whole refresh with each store, and without sessions."""
    with contextlib.ExitStack() as apps:

        def refresher(sessions: str | None) -> Call:
            app = apps.enter_context(session_app(sessions))
            return requester(app, "/api/login/refresh", log_in(app)["refresh_token"])

        times = medians({name: refresher(url) for name, url in {"stateless": None, **urls}.items()})
    for name, took in times.items():
        bar = "bar 2.3; " if name == "SQLite" else ""
        print(f"refresh, {name:10} {took / times['stateless']:5.2f} x stateless ({bar}{took:.0f} us)")


def measure_login(kind: str, url: str, *, count: int) -> None:
    """Measure whole logins, with a password in plain text, of a user with 1 session and of one with 100,
    each of which ends a session."""
    times: dict[str, list[float]] = {"admin": [], "eve": []}
    with session_app(url) as app:
        sessions = app.extensions["core_auth"].sessions
        log_in(app, "admin")
        for _ in range(sessions._limit):
            log_in(app, "eve")
        for name in itertools.islice(itertools.cycle(times), 2 * count):
            start = time.perf_counter()
            tokens = log_in(app, name)
            times[name].append((time.perf_counter() - start) * 1e6)
            if name == "admin":
                with app.app_context():
                    sessions.end(
                        read(tokens["access_token"])["sid"], Identity("admin", "local"), address=None
                    )
    at_one, at_limit = map(statistics.median, times.values())
    print(f"{kind}: login at 100 sessions {at_limit / at_one:.2f} x at 1 (bar 1.2; {at_limit:.0f} us)")


def measure_check(medians: Measure, url: str) -> None:
    """Measure the time that API_AUTH_SESSION_CHECK="always" adds to a protected request, over one GET."""
    with session_app(url, SESSION_CHECK="always") as checking, session_app(None) as stateless:
        token = log_in(checking)["access_token"]
        sessions = checking.extensions["core_auth"].sessions
        client = sessions._store._client
        key = _session_key("flask-core-auth/local admin", read(token)["sid"])
        session_id, identity = read(token)["sid"], Identity("admin", "local")
        with_check, without = requester(checking, "/who", token), requester(stateless, "/who", token)
        times = medians(
            {
                "GET": lambda: client.get(key),
                "check": lambda: sessions.is_live(session_id, identity),
                "without": without,
                "with": with_check,
                "with GET": lambda: (without(), client.get(key)),
            }
        )
    check = times["check"] / times["GET"]
    print(f'"always" with Redis: {check:.2f} x one GET (bar 1.5; {times["check"]:.0f} us)')
    # The server responds later to any command after a pause, so the GET follows a request, too.
    added = times["with"] - times["without"]
    by_get = times["with GET"] - times["without"]
    print(
        f'"always" with Redis, per request: {ratio(added, by_get):.2f} x one GET (bar 1.5; {added:.0f} us)'
    )


def measure_calls(medians: Measure, kind: str, urls: tuple[str, str], counts: tuple[int, int]) -> None:
    """Measure the calls of a store with few sessions and of one with many, each of a random session."""
    with contextlib.ExitStack() as opened:
        stores = []
        for url in urls:
            stores.append(open_store(url, directory=""))
            opened.callback(close_store, stores[-1])
        print_size(kind, stores, urls, counts)
        few, many = counts
        for name, call in store_calls().items():
            times = medians(
                {
                    "few": lambda call=call: call(stores[0], few),
                    "many": lambda call=call: call(stores[1], many),
                }
            )
            factor = times["many"] / times["few"]
            print(
                f"{kind}: {name:13} at {many:,} {factor:.2f} x at {few:,} (bar 1.3; {times['many']:.0f} us)"
            )


def print_size(
    kind: str, stores: list[SessionStore], urls: tuple[str, str], counts: tuple[int, int]
) -> None:
    """Fill the stores, and print the size of a session."""
    before = redis_memory(stores[1])
    for store, url, count in zip(stores, urls, counts, strict=True):
        fill(store, url, count)
    if before is not None:
        after = t.cast(int, redis_memory(stores[1]))
        print(f"{kind}: {(after - before) / sum(counts):.0f} bytes of memory a session")
    if kind == "SQLite":
        size = Path(urls[1].removeprefix("sqlite:///")).stat().st_size
        print(f"{kind}: {size / counts[1]:.0f} bytes of disk a session, indexes included")


def store_calls() -> dict[str, Callable[[SessionStore, int], None]]:
    """Return the calls to measure, of a store with a number of sessions."""
    # Each refresh happens half a second after the last, so that most of them change the session.
    moments = itertools.count(time.time(), 0.5)
    new_ids = (f"new-{number:018}" for number in itertools.count())
    template = make_session(0)

    def refresh(store: SessionStore, count: int) -> None:
        number = random.randrange(count)
        session_id, jti, now = _id(number), _jti(number), next(moments)
        store.refresh(
            RefreshRequest(
                session_id,
                _owner(number // 4),
                jti,
                None,
                now,
                10,
                LIFETIME_SECONDS,
                30 * LIFETIME_SECONDS,
            )
        )

    def is_live(store: SessionStore, count: int) -> None:
        number = random.randrange(count)
        owner = _owner(number // 4)
        assert store.is_live(_id(number), owner, now=time.time(), max_age=30 * LIFETIME_SECONDS)

    def open_and_end(store: SessionStore, _: int) -> None:
        session = replace(template, id=next(new_ids))
        store.open(session, now=time.time(), limit=None)
        store.end(session.id, session.owner)

    def list_by_owner(store: SessionStore, count: int) -> None:
        assert store.list_by_owner(_owner(random.randrange(count // 4)), now=time.time())

    return {call.__name__: call for call in (refresh, is_live, open_and_end, list_by_owner)}


def _id(number: int) -> str:
    return f"{number:022}"


def _jti(number: int) -> str:
    return f"5f1c6c0e-4c5c-4b7e-9d1e-{number:012}"


def _owner(number: int) -> str:
    return f"flask-core-auth/tenant.example auth0|{number:024x}"


def make_session(number: int) -> Session:
    """Make one of the sessions that fill a store; each owner has four of them."""
    now = int(time.time())
    return Session(
        id=_id(number),
        owner=_owner(number // 4),
        jti=_jti(number),
        previous_jti=f"6a1c6c0e-4c5c-4b7e-9d1e-{number:012}",
        rotated_at=now - 1000.123456,
        created_at=now - 5000,
        last_used_at=now - 1000,
        expires_at=now + LIFETIME_SECONDS,
        address=f"198.51.{number // 256 % 256}.{number % 256}",
        user_agent=USER_AGENT,
    )


def fill(store: SessionStore, url: str, count: int) -> None:
    """Put sessions into a store, in batches: one by one would take hours."""
    store.open(make_session(0), now=time.time(), limit=None)  # makes the table
    rest = map(make_session, range(1, count))
    if isinstance(store, RedisStore):
        for batch in in_batches(rest):
            pipeline = store._client.pipeline(transaction=False)
            for session in batch:
                pipeline.set(_session_key(session.owner, session.id), _dump(session), ex=LIFETIME_SECONDS)
                members = {session.id: session.expires_at, f":{session.id}": _use(session.last_used_at)}
                pipeline.zadd(_index_key(session.owner), members)
                pipeline.expire(_index_key(session.owner), LIFETIME_SECONDS)
            pipeline.execute()
    elif url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            marks = ",".join("?" * len(Session.__slots__))
            for batch in in_batches(rest):
                rows = map(astuple, batch)
                connection.executemany(f"INSERT INTO core_auth_sessions VALUES ({marks})", rows)
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        import psycopg

        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            with connection.cursor().copy("COPY core_auth_sessions FROM STDIN") as copy:
                for session in rest:
                    copy.write_row(astuple(session))
            connection.commit()
            connection.autocommit = True
            connection.execute("VACUUM ANALYZE core_auth_sessions")
            connection.execute("CHECKPOINT")


def in_batches(sessions: Iterator[Session]) -> Iterator[list[Session]]:
    while batch := list(itertools.islice(sessions, 10_000)):
        yield batch


def redis_memory(store: SessionStore) -> int | None:
    if not isinstance(store, RedisStore):
        return None
    return t.cast(int, store._client.info("memory")["used_memory"])


if __name__ == "__main__":
    bench_sessions(sys.argv[1:] or KINDS)

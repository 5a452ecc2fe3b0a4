"""What sessions cost: ``make bench``.

All figures come from one run and are measured in turns, so that their ratios hold on a machine whose
speed drifts. The bars: a store's step at 1,000,000 sessions takes at most 1.3 times as long as at 1,000;
asking Redis at a protected request takes at most 1.5 times as long as one GET over the same connection.
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
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path

from werkzeug.test import EnvironBuilder

from flask_core_auth.sessions import Session, SessionStore, open_store
from flask_core_auth.sessions.redis import RedisStore, _dump, _index_key, _session_key
from flask_core_auth.sessions.store import RefreshRequest

from ..sessions.app import login, make_session_app
from ..sessions.servers import PostgresServer, RedisServer, Server

ROUNDS = 40
CALLS = 50
FEW, MANY = 1_000, 1_000_000
LIFETIME = 86400
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36"
)


def measure(cases: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The time of one call of each case, in microseconds: the median of the rounds."""
    rounds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, call in cases.items():
            start = time.perf_counter()
            for _ in range(CALLS):
                call()
            rounds[name].append((time.perf_counter() - start) / CALLS * 1e6)
    return {name: statistics.median(times) for name, times in rounds.items()}


def bench_refresh(urls: dict[str, str]) -> None:
    """A whole refresh, of one session, with each store and without one."""

    def refresher(sessions: str | None, *, rotation: bool = False) -> Callable[[], None]:
        app = make_session_app(sessions, REFRESH_ROTATION=rotation)
        token = login(app.test_client())["refresh_token"]
        environ = EnvironBuilder("/api/login/refresh").get_environ()
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"

        def refresh() -> None:
            status: list[str] = []
            b"".join(app.wsgi_app(dict(environ), lambda line, headers: status.append(line)))
            assert status == ["200 OK"]

        return refresh

    times = measure({"stateless": refresher(None)} | {name: refresher(url) for name, url in urls.items()})
    for name, took in times.items():
        print(f"refresh, {name:22} {took / times['stateless']:5.2f} x stateless ({took:.0f} us)")


def some_sessions(count: int) -> Iterator[Session]:
    now = int(time.time())
    for number in range(count):
        yield Session(
            id=f"{number:022}",
            owner=f"tenant.example auth0|{number // 4:024x}",
            jti=f"5f1c6c0e-4c5c-4b7e-9d1e-{number:012}",
            previous_jti=f"6a1c6c0e-4c5c-4b7e-9d1e-{number:012}",
            rotated_at=now - 1000.123456,
            created_at=now - 5000,
            last_used_at=now - 1000,
            expires_at=now + LIFETIME,
            address=f"198.51.{number // 256 % 256}.{number % 256}",
            user_agent=USER_AGENT,
        )


def in_batches(sessions: Iterator[Session]) -> Iterator[list[Session]]:
    while batch := list(itertools.islice(sessions, 10_000)):
        yield batch


def fill(store: SessionStore, url: str, count: int) -> None:
    first = next(some_sessions(1))
    store.open(first, now=time.time())  # which makes the table
    rest = itertools.islice(some_sessions(count), 1, None)
    if isinstance(store, RedisStore):
        for batch in in_batches(rest):
            pipeline = store._client.pipeline(transaction=False)
            for session in batch:
                pipeline.set(_session_key(session.id), _dump(session), ex=LIFETIME)
                pipeline.zadd(_index_key(session.owner), {session.id: session.expires_at})
                pipeline.expire(_index_key(session.owner), LIFETIME)
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


def bench_step(name: str, few: str, many: str) -> None:
    """The steps of one store with few sessions and with many, of any of them in turn."""
    stores = {FEW: open_store(few, directory=""), MANY: open_store(many, directory="")}
    before = redis_memory(stores[MANY])
    for count, store in stores.items():
        fill(store, many if count == MANY else few, count)
    if before is not None:
        after = t.cast(int, redis_memory(stores[MANY]))
        print(f"{name}: {(after - before) / (MANY + FEW):.0f} bytes of memory a session")
    if name == "SQLite":
        size = Path(many.removeprefix("sqlite:///")).stat().st_size
        print(f"{name}: {size / MANY:.0f} bytes of disk a session, indexes included")

    def use(count: int) -> None:
        number = random.randrange(count)
        jti = f"5f1c6c0e-4c5c-4b7e-9d1e-{number:012}"
        # Seen from ten seconds later each time, so that each is a change.
        stores[count].refresh(
            RefreshRequest(f"{number:022}", jti, None, next(moments), 10, LIFETIME, 30 * LIFETIME)
        )

    def is_live(count: int) -> None:
        assert stores[count].is_live(f"{random.randrange(count):022}", now=time.time())

    def open_and_end(count: int) -> None:
        number = next(fresh)
        session = next(some_sessions(1))
        opened = Session(**{**{key: getattr(session, key) for key in Session.__slots__}, "id": number})
        stores[count].open(opened, now=time.time())
        stores[count].end(number, session.owner)

    def of_owner(count: int) -> None:
        owner = f"tenant.example auth0|{random.randrange(count // 4):024x}"
        assert stores[count].list_by_owner(owner, now=time.time())

    moments = itertools.count(time.time(), 0.5)
    fresh = (f"new-{number:018}" for number in itertools.count())
    for step in (use, is_live, open_and_end, of_owner):
        times = measure({"few": lambda step=step: step(FEW), "many": lambda step=step: step(MANY)})
        ratio = times["many"] / times["few"]
        print(
            f"{name}: {step.__name__:12} at {MANY:,} {ratio:.2f} x at {FEW:,} (bar 1.3;"
            f" {times['many']:.0f} us)"
        )


def redis_memory(store: SessionStore) -> int | None:
    if not isinstance(store, RedisStore):
        return None
    return t.cast(int, store._client.info("memory")["used_memory"])


def bench_always(url: str) -> None:
    """What API_AUTH_SESSION_CHECK="always" adds to a protected request, over one GET."""
    app = make_session_app(url, SESSION_CHECK="always")
    token = login(app.test_client())["access_token"]
    sessions = app.extensions["core_auth"].sessions
    client = sessions._store._client
    key = next(client.scan_iter("core-auth:session:*"))
    session_id = key.decode().rpartition(":")[2]
    environ = EnvironBuilder("/who").get_environ()
    environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    without = make_session_app(None)

    def request(app: t.Any) -> None:
        b"".join(app.wsgi_app(dict(environ), lambda line, headers: None))

    times = measure(
        {
            "GET": lambda: client.get(key),
            "check": lambda: sessions.is_live(session_id),
            "without": lambda: request(without),
            "with": lambda: request(app),
            "with GET": lambda: (request(without), client.get(key)),
        }
    )
    check = times["check"] / times["GET"]
    print(f'"always" with Redis: {check:.2f} x one GET (bar 1.5; {times["check"]:.0f} us)')
    # A server that has been idle in between takes longer to answer, to whatever question.
    added, by_get = times["with"] - times["without"], times["with GET"] - times["without"]
    print(
        f'"always" with Redis, added to a request: {added / by_get:.2f} x one GET (bar 1.5; {added:.0f} us)'
    )


@contextlib.contextmanager
def running(*servers: Server) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.close)
            server.start()
        yield


def bench_sessions(kinds: t.Collection[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        redis, postgres = RedisServer("--appendfsync", "everysec"), PostgresServer()
        with running(redis, postgres):
            urls = {
                "SQLite": f"sqlite:///{directory}/one.db",
                "PostgreSQL": postgres.url,
                "Redis": redis.url,
            }
            bench_refresh(urls)
            bench_always(redis.url)
        if "SQLite" in kinds:
            bench_step("SQLite", f"sqlite:///{directory}/few.db", f"sqlite:///{directory}/many.db")
    if "PostgreSQL" in kinds:
        few, many = PostgresServer(), PostgresServer()
        with running(few, many):
            bench_step("PostgreSQL", few.url, many.url)
    if "Redis" in kinds:
        redis = RedisServer("--appendonly", "no")
        with running(redis):
            bench_step("Redis", redis.url, redis.url[:-1] + "1")


if __name__ == "__main__":
    bench_sessions(sys.argv[1:] or ("SQLite", "PostgreSQL", "Redis"))

"""The rotation of refresh tokens."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable

import pytest
from flask import Flask

from ..apps import PASSWORD, Clock, bearer, log_in, refresh
from ..forge import read
from ..stores import close_store
from .app import make_session_app
from .child import STUCK_SECONDS
from .refreshers import GRACE_SECONDS, PROCESSES, STRAGGLERS, THREADS, Round, work

MakeApp = Callable[..., Flask]

#: A thorough run, with CORE_AUTH_ROTATION_ROUNDS=1000, takes minutes.
ROUNDS = int(os.environ.get("CORE_AUTH_ROTATION_ROUNDS", "30"))


@pytest.fixture
def app(make_app: MakeApp, store_url: str) -> Flask:
    return make_app(store_url, REFRESH_ROTATION=True)


def test_refresh_returns_a_new_access_and_a_new_refresh_token(app: Flask) -> None:
    client = app.test_client()
    tokens = log_in(client)
    response = refresh(client, tokens["refresh_token"])
    assert sorted(response.json) == ["access_token", "refresh_token"]
    old, new = read(tokens["refresh_token"]), read(response.json["refresh_token"])
    assert old["jti"] != new["jti"]
    assert client.get("/who", headers=bearer(response.json["access_token"])).status_code == 200


def test_rotated_token_keeps_every_claim_except_its_id_and_times(
    make_app: MakeApp, sqlite_url: str, clock: Clock
) -> None:
    client = make_app(sqlite_url, REFRESH_ROTATION=True).test_client()
    tokens = log_in(client, "eve")
    old, new = (
        read(tokens["refresh_token"]),
        read(refresh(client, tokens["refresh_token"]).json["refresh_token"]),
    )
    changing = ("jti", "iat", "exp", "exi")
    assert {k: v for k, v in old.items() if k not in changing} == {
        k: v for k, v in new.items() if k not in changing
    }
    access = read(refresh(client, tokens["refresh_token"]).json["access_token"])
    assert (access["fresh"], access["scope"]) == (False, "edit view")


def test_scope_returns_after_the_user_lost_it_for_a_while(
    make_app: MakeApp, sqlite_url: str, clock: Clock
) -> None:
    def client_with(*scopes: str):
        users = {"eve": {"password": PASSWORD, "scopes": list(scopes)}}
        return make_app(sqlite_url, REFRESH_ROTATION=True, USERS=users).test_client()

    tokens = log_in(client_with("view", "edit"), "eve")
    narrowed = refresh(client_with("view"), tokens["refresh_token"]).json
    assert read(narrowed["access_token"])["scope"] == "view"
    clock.move(60)
    widened = refresh(client_with("view", "edit", "more"), narrowed["refresh_token"]).json
    assert read(widened["access_token"])["scope"] == "edit view"


def test_rotated_token_depends_on_the_newest_secret_only(
    make_app: MakeApp, sqlite_url: str, clock: Clock
) -> None:
    old, new = "the old secret, which is long enough, too", "the new secret, which is long enough, too"
    tokens = log_in(make_app(sqlite_url, JWT_SECRET=old).test_client())
    between = make_app(sqlite_url, JWT_SECRET=new, JWT_SECRET_FALLBACKS=[old], REFRESH_ROTATION=True)
    tokens = refresh(between.test_client(), tokens["refresh_token"]).json
    clock.move(60)
    after = make_app(sqlite_url, JWT_SECRET=new, REFRESH_ROTATION=True)
    assert refresh(after.test_client(), tokens["refresh_token"]).status_code == 200


def test_late_refresh_within_the_grace_returns_the_same_refresh_token_id(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    tokens = log_in(client)
    first = refresh(client, tokens["refresh_token"]).json
    clock.move(GRACE_SECONDS - 0.5)
    second = refresh(client, tokens["refresh_token"]).json
    assert read(first["refresh_token"])["jti"] == read(second["refresh_token"])["jti"]
    # Both tabs go on, each with its own copy.
    clock.move(600)
    third = refresh(client, first["refresh_token"]).json
    fourth = refresh(client, second["refresh_token"]).json
    assert read(third["refresh_token"])["jti"] == read(fourth["refresh_token"])["jti"]


def test_refresh_within_the_grace_does_not_extend_the_refresh_token(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    tokens = log_in(client)
    first = refresh(client, tokens["refresh_token"]).json
    clock.move(5)
    second = refresh(client, first["refresh_token"]).json
    assert read(first["refresh_token"])["exp"] == read(second["refresh_token"])["exp"]
    assert read(second["refresh_token"])["exi"] == 86400 - 5


def test_reused_refresh_token_ends_the_session_for_thief_and_user(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    stolen = log_in(client)["refresh_token"]
    other = log_in(client)["refresh_token"]
    tokens = refresh(client, stolen).json
    clock.move(GRACE_SECONDS + 0.5)
    response = refresh(client, stolen)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert refresh(client, other).status_code == 200


def test_session_ends_at_its_maximum_age_despite_refreshes(
    make_app: MakeApp, store_url: str, clock: Clock
) -> None:
    client = make_app(
        store_url, REFRESH_ROTATION=True, JWT_REFRESH_EXPIRES=100, SESSION_MAX_AGE=1000
    ).test_client()
    opened, token, refreshed = clock.now, log_in(client)["refresh_token"], 0
    while (response := refresh(client, token)).status_code == 200:
        token, refreshed = response.json["refresh_token"], refreshed + 1
        assert read(token)["exp"] == min(int(clock.now) + 100, int(opened) + 1000)
        assert read(response.json["access_token"])["exp"] <= int(opened) + 1000
        clock.move(60)
    assert refreshed == 17
    assert clock.now >= opened + 1000


def test_session_expires_with_its_refresh_token(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    token = refresh(client, log_in(client)["refresh_token"]).json["refresh_token"]
    clock.move(86400)
    assert refresh(client, token).status_code == 401


def test_concurrent_refreshes_of_one_session_never_log_the_user_out(store_url: str) -> None:
    """In each round, 4 processes send 32 refreshes at once, and a few more within the grace."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(PROCESSES), context.Queue()
    inboxes = [context.Queue() for _ in range(PROCESSES)]
    processes = [
        context.Process(target=work, args=(os.getpid(), store_url, inbox, results, barrier), daemon=True)
        for inbox in inboxes
    ]
    app = make_session_app(store_url)
    token, opened = log_in(app.test_client())["refresh_token"], time.time()
    for process in processes:
        process.start()
    try:
        seen = {read(token)["jti"]}
        for number in range(ROUNDS):
            for inbox in inboxes:
                inbox.put(Round(token, now=opened + number * (GRACE_SECONDS + 1)))
            answers = [results.get(timeout=STUCK_SECONDS) for _ in processes]
            together = [answer for result in answers for answer in result.together]
            late = [answer for result in answers for answer in result.late]
            assert (len(together), len(late)) == (PROCESSES * THREADS, PROCESSES * STRAGGLERS)
            # All responses are successful, with the same new refresh token.
            (answer,) = {*together, *late}
            assert answer[0] == 200, answer
            assert answer[1] not in seen
            seen.add(answer[1])
            token = answers[0].token
        for inbox in inboxes:
            inbox.put(None)
        for process in processes:
            process.join(STUCK_SECONDS)
    finally:
        for process in processes:
            process.kill()
        close_store(app.extensions["core_auth"].sessions._store)
    assert [process.exitcode for process in processes] == [0] * PROCESSES

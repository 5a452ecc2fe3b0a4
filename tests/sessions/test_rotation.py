"""Refresh tokens that serve once."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable

import pytest
from flask import Flask

from .app import bearer, claims, login, make_session_app, refresh
from .child import STUCK
from .conftest import Clock, close
from .refreshers import GRACE, PROCESSES, STRAGGLERS, THREADS, Round, work

MakeApp = Callable[..., Flask]

#: 1,000 is the proof, and takes minutes: CORE_AUTH_ROTATION_ROUNDS=1000.
ROUNDS = int(os.environ.get("CORE_AUTH_ROTATION_ROUNDS", "30"))


@pytest.fixture
def app(make_app: MakeApp, store_url: str) -> Flask:
    return make_app(store_url, REFRESH_ROTATION=True)


def test_refresh_answers_with_both_tokens(app: Flask) -> None:
    client = app.test_client()
    tokens = login(client)
    response = refresh(client, tokens["refresh_token"])
    assert sorted(response.json) == ["access_token", "refresh_token"]
    old, new = claims(tokens["refresh_token"]), claims(response.json["refresh_token"])
    assert old["jti"] != new["jti"]
    assert client.get("/who", headers=bearer(response.json["access_token"])).status_code == 200


def test_rotation_changes_what_a_token_is_not_what_it_may_do(make_app: MakeApp, sqlite_url: str) -> None:
    client = make_app(sqlite_url, REFRESH_ROTATION=True).test_client()
    tokens = login(client, "eve")
    old, new = (
        claims(tokens["refresh_token"]),
        claims(refresh(client, tokens["refresh_token"]).json["refresh_token"]),
    )
    changing = ("jti", "iat", "exp", "exi")
    assert {k: v for k, v in old.items() if k not in changing} == {
        k: v for k, v in new.items() if k not in changing
    }
    access = claims(refresh(client, tokens["refresh_token"]).json["access_token"])
    assert (access["fresh"], access["scope"]) == (False, "edit view")


def test_scope_that_is_withdrawn_for_a_while_comes_back(
    make_app: MakeApp, sqlite_url: str, clock: Clock
) -> None:
    def client_with(*scopes: str):
        users = {"eve": {"password": "correct horse", "scopes": list(scopes)}}
        return make_app(sqlite_url, REFRESH_ROTATION=True, USERS=users).test_client()

    tokens = login(client_with("view", "edit"), "eve")
    narrowed = refresh(client_with("view"), tokens["refresh_token"]).json
    assert claims(narrowed["access_token"])["scope"] == "view"
    clock.move(60)
    widened = refresh(client_with("view", "edit", "more"), narrowed["refresh_token"]).json
    assert claims(widened["access_token"])["scope"] == "edit view"


def test_rotated_token_is_signed_and_bound_with_the_newest_secret(
    make_app: MakeApp, sqlite_url: str, clock: Clock
) -> None:
    old, new = "the old secret, which is long enough, too", "the new secret, which is long enough, too"
    tokens = login(make_app(sqlite_url, JWT_SECRET=old).test_client())
    between = make_app(sqlite_url, JWT_SECRET=new, JWT_SECRET_FALLBACKS=[old], REFRESH_ROTATION=True)
    tokens = refresh(between.test_client(), tokens["refresh_token"]).json
    clock.move(60)
    after = make_app(sqlite_url, JWT_SECRET=new, REFRESH_ROTATION=True)
    assert refresh(after.test_client(), tokens["refresh_token"]).status_code == 200


def test_second_tab_that_comes_late_within_the_grace_gets_the_same_line(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    tokens = login(client)
    first = refresh(client, tokens["refresh_token"]).json
    clock.move(GRACE - 0.5)
    second = refresh(client, tokens["refresh_token"]).json
    assert claims(first["refresh_token"])["jti"] == claims(second["refresh_token"])["jti"]
    # Both tabs go on, each with what it has.
    clock.move(600)
    third = refresh(client, first["refresh_token"]).json
    fourth = refresh(client, second["refresh_token"]).json
    assert claims(third["refresh_token"])["jti"] == claims(fourth["refresh_token"])["jti"]


def test_token_of_the_same_line_does_not_outlive_its_first_copy(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    tokens = login(client)
    first = refresh(client, tokens["refresh_token"]).json
    clock.move(5)
    second = refresh(client, first["refresh_token"]).json
    assert claims(first["refresh_token"])["exp"] == claims(second["refresh_token"])["exp"]
    assert claims(second["refresh_token"])["exi"] == 86400 - 5


def test_spent_token_ends_the_session_for_thief_and_user_alike(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    stolen = login(client)["refresh_token"]
    other = login(client)["refresh_token"]
    tokens = refresh(client, stolen).json
    clock.move(GRACE + 0.5)
    response = refresh(client, stolen)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert refresh(client, tokens["refresh_token"]).status_code == 401
    assert refresh(client, other).status_code == 200


def test_session_lives_for_its_greatest_age_however_often_it_is_refreshed(
    make_app: MakeApp, store_url: str, clock: Clock
) -> None:
    client = make_app(
        store_url, REFRESH_ROTATION=True, JWT_REFRESH_EXPIRES=100, SESSION_MAX_AGE=1000
    ).test_client()
    opened, token, refreshed = clock.now, login(client)["refresh_token"], 0
    while (response := refresh(client, token)).status_code == 200:
        token, refreshed = response.json["refresh_token"], refreshed + 1
        assert claims(token)["exp"] == min(int(clock.now) + 100, int(opened) + 1000)
        assert claims(response.json["access_token"])["exp"] <= int(opened) + 1000
        clock.move(60)
    assert refreshed == 17
    assert clock.now >= opened + 1000


def test_session_that_is_not_refreshed_ends_with_its_token(app: Flask, clock: Clock) -> None:
    client = app.test_client()
    token = refresh(client, login(client)["refresh_token"]).json["refresh_token"]
    clock.move(86400)
    assert refresh(client, token).status_code == 401


def test_nobody_is_logged_out_by_their_own_other_tabs(store_url: str) -> None:
    """32 refreshes at once in 4 processes, then some that come late within the grace: again and again."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(PROCESSES), context.Queue()
    inboxes = [context.Queue() for _ in range(PROCESSES)]
    processes = [
        context.Process(target=work, args=(os.getpid(), store_url, inbox, results, barrier), daemon=True)
        for inbox in inboxes
    ]
    app = make_session_app(store_url)
    token, opened = login(app.test_client())["refresh_token"], time.time()
    for process in processes:
        process.start()
    try:
        seen = {claims(token)["jti"]}
        for number in range(ROUNDS):
            for inbox in inboxes:
                inbox.put(Round(token, now=opened + number * (GRACE + 1)))
            answers = [results.get(timeout=STUCK) for _ in processes]
            together = [answer for result in answers for answer in result.together]
            late = [answer for result in answers for answer in result.late]
            assert (len(together), len(late)) == (PROCESSES * THREADS, PROCESSES * STRAGGLERS)
            # All are answered, all with one line, and it is a new one.
            (answer,) = {*together, *late}
            assert answer[0] == 200, answer
            assert answer[1] not in seen
            seen.add(answer[1])
            token = answers[0].token
        for inbox in inboxes:
            inbox.put(None)
        for process in processes:
            process.join(STUCK)
    finally:
        for process in processes:
            process.kill()
        close(app.extensions["core_auth"].sessions._store)
    assert [process.exitcode for process in processes] == [0] * PROCESSES

"""Apps with different realms that share a store: their sessions are apart."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import create_engine, text

from flask_core_auth import CoreAuth

from ..apps import bearer, log_in, refresh
from ..forge import forge, read

MakeApp = Callable[..., Flask]

#: Realms that a careless encoding would confuse, with subjects that may hold any character.
REALMS = (
    "one",
    "two",
    "one/local",
    "one local",
    "one%20local",
    "one%2Flocal",
    "/",
    "%",
    " ",
    "[one]",
    "local",
)


def blueprint(app: Flask) -> CoreAuth:
    return t.cast(CoreAuth, app.blueprints["core_auth"])


@pytest.fixture
def make_pair(make_app: MakeApp, store_url: str) -> Callable[..., tuple[Flask, Flask]]:
    """Make two apps with different realms on one store."""

    def make(**config: object) -> tuple[Flask, Flask]:
        one, two = (make_app(store_url, REALM=realm, **config) for realm in ("one", "two"))
        return one, two

    return make


def test_apps_with_different_realms_neither_list_nor_end_each_other_session(
    make_pair: Callable[..., tuple[Flask, Flask]],
) -> None:
    one, two = make_pair()
    mine, theirs = log_in(one), log_in(two)
    headers = bearer(mine["access_token"])
    other = read(theirs["access_token"])["sid"]
    listed = one.test_client().get("/api/sessions", headers=headers).json["sessions"]
    assert [session["id"] for session in listed] == [read(mine["access_token"])["sid"]]
    assert one.test_client().delete(f"/api/sessions/{other}", headers=headers).status_code == 404
    assert one.test_client().delete("/api/sessions", headers=headers).status_code == 204
    with one.app_context():
        assert blueprint(one).sessions_of("admin") == []
        assert blueprint(one).revoke("admin") == 0
    assert refresh(two, theirs["refresh_token"]).status_code == 200
    assert refresh(one, mine["refresh_token"]).status_code == 401


@pytest.mark.parametrize("rotation", [False, True])
def test_token_with_a_session_of_another_realm_is_rejected_and_leaves_it_as_it_was(
    make_pair: Callable[..., tuple[Flask, Flask]], rotation: bool
) -> None:
    one, two = make_pair(SESSION_CHECK="always", REFRESH_ROTATION=rotation)
    theirs = log_in(two)
    refresh_claims, access_claims = read(theirs["refresh_token"]), read(theirs["access_token"])
    as_mine = {
        use: forge({**claims, "iss": "one"})
        for use, claims in (("r", refresh_claims), ("a", access_claims))
    }
    assert refresh(one, as_mine["r"]).status_code == 401
    spent = forge({**refresh_claims, "iss": "one", "jti": "spent"})
    assert refresh(one, spent).status_code == 401
    assert one.test_client().get("/who", headers=bearer(as_mine["a"])).status_code == 401
    assert one.test_client().get("/api/sessions", headers=bearer(as_mine["a"])).status_code == 401
    assert one.test_client().post("/api/logout", headers=bearer(as_mine["a"])).status_code == 204
    assert two.test_client().get("/who", headers=bearer(theirs["access_token"])).status_code == 200
    assert refresh(two, theirs["refresh_token"]).status_code == 200


def test_sessions_of_each_realm_count_for_its_own_limit(
    make_pair: Callable[..., tuple[Flask, Flask]],
) -> None:
    one, two = make_pair(SESSION_LIMIT=1)
    mine, theirs = log_in(one), log_in(two)
    assert refresh(one, mine["refresh_token"]).status_code == 200
    log_in(two)
    assert refresh(one, mine["refresh_token"]).status_code == 200
    assert refresh(two, theirs["refresh_token"]).status_code == 401


def test_owners_of_similar_realms_and_subjects_are_apart(make_app: MakeApp, store_url: str) -> None:
    subjects = ("x", "local x", "/local x", "local/local x", "%20local x", " x", "host x")
    apps = {realm: make_app(store_url, REALM=realm) for realm in REALMS}
    for app in apps.values():
        with app.app_context():
            for subject in subjects:
                blueprint(app).issue(subject)
    for realm, app in apps.items():
        with app.app_context():
            for subject in subjects:
                (session,) = blueprint(app).sessions_of(subject)
                assert (session.subject, session.idp) == (subject, "host"), realm


def test_revoke_for_an_identity_provider_with_a_space_ends_no_session_of_another_subject(
    make_app: MakeApp, store_url: str
) -> None:
    app = make_app(store_url)
    with app.app_context():
        blueprint(app).issue("a b")
        assert blueprint(app).revoke("b", idp="host a") == 0
        assert len(blueprint(app).sessions_of("a b")) == 1


# Sessions of the version before, whose owners have no realm


def forget_realm(url: str) -> None:
    """Write the owners of the stored sessions as the version before did: ``idp subject``."""
    if url.startswith("redis"):
        with Redis.from_url(url) as client:
            (key,) = (key for key in client.scan_iter() if not key.endswith(b":sessions"))
            session = {**json.loads(client.get(key)), "owner": "local admin"}
            client.flushdb()
            client.set(b"core-auth:session:" + key.rpartition(b":")[2], json.dumps(session), ex=1000)
        return
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE core_auth_sessions SET owner = 'local admin'"))
    engine.dispose()


@pytest.mark.parametrize("rotation", [False, True])
def test_session_without_a_realm_has_ended(make_app: MakeApp, store_url: str, rotation: bool) -> None:
    app = make_app(store_url, SESSION_CHECK="always", REFRESH_ROTATION=rotation)
    tokens, client = log_in(app), app.test_client()
    forget_realm(store_url)
    assert client.get("/who", headers=bearer(tokens["access_token"])).status_code == 401
    assert client.get("/api/sessions", headers=bearer(tokens["access_token"])).status_code == 401
    assert refresh(app, tokens["refresh_token"]).status_code == 401
    with app.app_context():
        assert blueprint(app).sessions_of("admin") == []

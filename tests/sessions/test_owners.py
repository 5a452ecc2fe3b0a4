"""Sessions belong to a subject of somebody's: the same one of another's is another user."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from flask_core_auth import CoreAuth, signals
from flask_core_auth.cli import core_auth
from flask_core_auth.testing import FakeTenant

from .app import bearer, claims, login, refresh
from .conftest import Clock

MakeApp = Callable[..., Flask]
Logins = dict[str, dict[str, str]]

IDPS = ("local", "host", "a.example", "b.example:8443")


@pytest.fixture
def tenants() -> Iterator[list[FakeTenant]]:
    made = [FakeTenant(domain, users=["admin"]) for domain in IDPS[2:]]
    with made[0].serving(), made[1].serving():
        yield made


@pytest.fixture
def app(make_app: MakeApp, store_url: str, tenants: list[FakeTenant]) -> Flask:
    settings = [tenant.config["API_AUTH_AUTH0_TENANTS"][0] for tenant in tenants]
    app = make_app(store_url, AUTH0_ENABLE=True, AUTH0_TENANTS=settings)
    blueprint(app).password_verifier(lambda username, password: "admin" if username == "a@host" else None)
    return app


def blueprint(app: Flask) -> CoreAuth:
    return t.cast(CoreAuth, app.blueprints["core_auth"])


@pytest.fixture
def logins(app: Flask, tenants: list[FakeTenant]) -> Logins:
    """The tokens of four users who are all ``admin``, by who vouches for them."""
    client = app.test_client()
    tokens = {"local": login(client), "host": login(client, "a@host")}
    for tenant in tenants:
        tokens[tenant.domain] = client.post("/api/login", headers=bearer(tenant.token())).json
    for idp, pair in tokens.items():
        named = claims(pair["access_token"])
        assert (named["idp"], named["sub"]) == (idp, "admin")
    return tokens


def live(app: Flask, logins: Logins) -> list[str]:
    """Whose sessions are live."""
    client = app.test_client()
    statuses = {idp: refresh(client, pair["refresh_token"]).status_code for idp, pair in logins.items()}
    assert set(statuses.values()) <= {200, 401}
    return [idp for idp, status in statuses.items() if status == 200]


@pytest.mark.parametrize("mine", IDPS)
def test_nobody_sees_the_sessions_of_anothers_user(app: Flask, logins: Logins, mine: str) -> None:
    response = app.test_client().get("/api/sessions", headers=bearer(logins[mine]["access_token"]))
    listed = [session["id"] for session in response.json["sessions"]]
    assert listed == [claims(logins[mine]["access_token"])["sid"]]


@pytest.mark.parametrize("mine", IDPS)
def test_nobody_ends_a_session_of_anothers_user(app: Flask, logins: Logins, mine: str) -> None:
    client, headers = app.test_client(), bearer(logins[mine]["access_token"])
    for idp in set(IDPS) - {mine}:
        path = f"/api/sessions/{claims(logins[idp]['access_token'])['sid']}"
        assert client.delete(path, headers=headers).status_code == 404
    assert live(app, logins) == list(IDPS)


@pytest.mark.parametrize("mine", IDPS)
def test_who_ends_all_sessions_ends_only_ones_own(app: Flask, logins: Logins, mine: str) -> None:
    response = app.test_client().delete("/api/sessions", headers=bearer(logins[mine]["access_token"]))
    assert response.status_code == 204
    assert live(app, logins) == [idp for idp in IDPS if idp != mine]


@pytest.mark.parametrize("mine", IDPS)
def test_logout_ends_ones_own_session(app: Flask, logins: Logins, mine: str) -> None:
    response = app.test_client().post("/api/logout", headers=bearer(logins[mine]["refresh_token"]))
    assert response.status_code == 204
    assert live(app, logins) == [idp for idp in IDPS if idp != mine]


def test_host_means_a_subject_whoever_vouches_for_it(app: Flask, logins: Logins) -> None:
    with app.app_context():
        listed = blueprint(app).sessions_of("admin")
        assert {(session.subject, session.idp) for session in listed} == {("admin", idp) for idp in IDPS}
        assert blueprint(app).revoke("admin") == len(IDPS)
        assert blueprint(app).sessions_of("admin") == []
    assert live(app, logins) == []


def test_who_vouches_for_the_subject_of_an_ended_session_is_told(app: Flask, logins: Logins) -> None:
    told = []

    def receive(app: Flask, *, subject: str, idp: str, **more: object) -> None:
        told.append((subject, idp))

    with signals.logged_out.connected_to(receive, app), app.app_context():
        blueprint(app).revoke("admin")
    assert told == [("admin", idp) for idp in IDPS]


def test_commands_mean_a_subject_whoever_vouches_for_it(app: Flask, logins: Logins) -> None:
    runner = app.test_cli_runner()
    listed = runner.invoke(core_auth, ["sessions", "list", "admin", "--json"])
    assert {session["id"] for session in json.loads(listed.output)} == {
        claims(pair["access_token"])["sid"] for pair in logins.values()
    }
    assert runner.invoke(core_auth, ["sessions", "revoke", "admin"]).output == "Ended: 4\n"
    assert live(app, logins) == []


def test_sessions_of_all_who_share_a_subject_are_listed_latest_used_first(
    app: Flask, logins: Logins, clock: Clock
) -> None:
    client = app.test_client()
    for idp in ("host", "b.example:8443", "local", "a.example"):
        clock.move(60)
        refresh(client, logins[idp]["refresh_token"])
    with app.app_context():
        listed = [session.idp for session in blueprint(app).sessions_of("admin")]
    assert listed == ["a.example", "local", "b.example:8443", "host"]

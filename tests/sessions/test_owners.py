"""Owners of sessions: the same subject at another identity provider is another user."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest
from flask import Flask

from flask_core_auth import CoreAuth, signals
from flask_core_auth.cli import core_auth
from flask_core_auth.testing import FakeTenant

from ..apps import Clock, bearer, log_in, refresh
from ..forge import read

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
    return make_app(store_url, AUTH0_ENABLE=True, AUTH0_TENANTS=settings)


def blueprint(app: Flask) -> CoreAuth:
    return t.cast(CoreAuth, app.blueprints["core_auth"])


@pytest.fixture
def logins(app: Flask, tenants: list[FakeTenant]) -> Logins:
    """The tokens of four users who are all ``admin``, by identity provider."""
    client = app.test_client()
    with app.app_context():
        issued = asdict(blueprint(app).issue("admin"))
    tokens = {"local": log_in(client), "host": issued}
    for tenant in tenants:
        tokens[tenant.domain] = client.post("/api/login", headers=bearer(tenant.token())).json
    for idp, pair in tokens.items():
        named = read(pair["access_token"])
        assert (named["idp"], named["sub"]) == (idp, "admin")
    return tokens


def live(app: Flask, logins: Logins) -> list[str]:
    """Return the identity providers with a live session."""
    client = app.test_client()
    statuses = {idp: refresh(client, pair["refresh_token"]).status_code for idp, pair in logins.items()}
    assert set(statuses.values()) <= {200, 401}
    return [idp for idp, status in statuses.items() if status == 200]


@pytest.mark.parametrize("mine", IDPS)
def test_list_omits_the_same_subject_at_another_identity_provider(
    app: Flask, logins: Logins, mine: str
) -> None:
    response = app.test_client().get("/api/sessions", headers=bearer(logins[mine]["access_token"]))
    listed = [session["id"] for session in response.json["sessions"]]
    assert listed == [read(logins[mine]["access_token"])["sid"]]


@pytest.mark.parametrize("mine", IDPS)
def test_session_of_the_same_subject_at_another_identity_provider_cannot_be_ended(
    app: Flask, logins: Logins, mine: str
) -> None:
    client, headers = app.test_client(), bearer(logins[mine]["access_token"])
    for idp in set(IDPS) - {mine}:
        path = f"/api/sessions/{read(logins[idp]['access_token'])['sid']}"
        assert client.delete(path, headers=headers).status_code == 404
    assert live(app, logins) == list(IDPS)


@pytest.mark.parametrize("mine", IDPS)
def test_ending_all_sessions_spares_the_same_subject_at_another_identity_provider(
    app: Flask, logins: Logins, mine: str
) -> None:
    response = app.test_client().delete("/api/sessions", headers=bearer(logins[mine]["access_token"]))
    assert response.status_code == 204
    assert live(app, logins) == [idp for idp in IDPS if idp != mine]


@pytest.mark.parametrize("mine", IDPS)
def test_logout_spares_the_same_subject_at_another_identity_provider(
    app: Flask, logins: Logins, mine: str
) -> None:
    response = app.test_client().post("/api/logout", headers=bearer(logins[mine]["refresh_token"]))
    assert response.status_code == 204
    assert live(app, logins) == [idp for idp in IDPS if idp != mine]


def test_revoke_ends_the_sessions_of_a_subject_at_every_identity_provider(
    app: Flask, logins: Logins
) -> None:
    with app.app_context():
        listed = blueprint(app).sessions_of("admin")
        assert {(session.subject, session.idp) for session in listed} == {("admin", idp) for idp in IDPS}
        assert blueprint(app).revoke("admin") == len(IDPS)
        assert blueprint(app).sessions_of("admin") == []
    assert live(app, logins) == []


def test_logged_out_signal_names_the_identity_provider(app: Flask, logins: Logins) -> None:
    sent = []

    def receive(app: Flask, *, subject: str, idp: str, **more: object) -> None:
        sent.append((subject, idp))

    with signals.logged_out.connected_to(receive, app), app.app_context():
        blueprint(app).revoke("admin")
    assert sent == [("admin", idp) for idp in IDPS]


def test_commands_list_and_revoke_at_every_identity_provider(app: Flask, logins: Logins) -> None:
    runner = app.test_cli_runner()
    listed = runner.invoke(core_auth, ["sessions", "list", "admin", "--json"])
    assert {session["id"] for session in json.loads(listed.output)} == {
        read(pair["access_token"])["sid"] for pair in logins.values()
    }
    assert runner.invoke(core_auth, ["sessions", "revoke", "admin"]).output == "Ended: 4\n"
    assert live(app, logins) == []


@pytest.mark.parametrize("mine", IDPS)
def test_revoke_can_be_limited_to_one_identity_provider(app: Flask, logins: Logins, mine: str) -> None:
    with app.app_context():
        assert {session.idp for session in blueprint(app).sessions_of("admin", idp=mine)} == {mine}
        assert blueprint(app).revoke("admin", idp=mine) == 1
    assert live(app, logins) == [idp for idp in IDPS if idp != mine]


def test_sessions_of_a_former_tenant_can_be_listed_and_revoked(
    make_app: MakeApp, store_url: str, app: Flask, logins: Logins
) -> None:
    former = "a.example"
    later = make_app(store_url)
    with later.app_context():
        assert former not in {session.idp for session in blueprint(later).sessions_of("admin")}
        [session] = blueprint(later).sessions_of("admin", idp=former)
    assert session.id == read(logins[former]["access_token"])["sid"]
    runner = later.test_cli_runner()
    listed = runner.invoke(core_auth, ["sessions", "list", "admin", "--idp", former, "--json"])
    assert [found["id"] for found in json.loads(listed.output)] == [session.id]
    revoked = runner.invoke(core_auth, ["sessions", "revoke", "admin", "--idp", former])
    assert revoked.output == "Ended: 1\n"
    assert live(app, logins) == [idp for idp in IDPS if idp != former]


def test_sessions_of_lists_the_most_recently_used_first(app: Flask, logins: Logins, clock: Clock) -> None:
    client = app.test_client()
    for idp in ("host", "b.example:8443", "local", "a.example"):
        clock.move(60)
        refresh(client, logins[idp]["refresh_token"])
    with app.app_context():
        listed = [session.idp for session in blueprint(app).sessions_of("admin")]
    assert listed == ["a.example", "local", "b.example:8443", "host"]

"""``flask core-auth explain``: every check of a token, in words and for a program."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from flask_core_auth.errors import UnauthorizedError
from flask_core_auth.explanation import CHECKS
from flask_core_auth.rejections import Reason
from flask_core_auth.tokens import Tokens

from .apps import EVE, Clock, log_in
from .conftest import MakeApp
from .explaining import REFRESH, Stage, checks, explain, results
from .forge import OTHER_SECRET, REALM, claims, forge
from .tenant import ALICE, AUDIENCE, CLIENT, Tenant


def test_every_check_that_fails_is_told(app: Flask) -> None:
    wrong = claims(
        "refresh", iss="elsewhere", exp=1, nbf=2**40, iat="soon", idp="local", sub="bob", type="refresh"
    )
    found = checks(app, forge(wrong, secret=OTHER_SECRET))
    assert {name for name, check in found.items() if check["ok"] is False} == {
        *("signature", "iss", "exp", "nbf", "iat", "user")
    }
    assert found["iss"]["detail"] == (
        "it is of another realm (iss): expected 'flask-core-auth' (API_AUTH_REALM), found 'elsewhere'"
    )
    assert all(check["detail"] is None for check in found.values() if check["ok"])


def test_checks_that_depend_on_a_failed_one_are_null(app: Flask) -> None:
    assert results(app, "a.b.c") == {"form": False, **dict.fromkeys(CHECKS[1:])}
    unsigned = forge(claims(), header='{"alg":"none"}')
    assert results(app, unsigned) == {"alg": False, "signature": None}
    assert results(app, forge(claims(sub=5))) == {"user": False, "session": None}
    assert results(app, forge(claims(usefor="all"))) == {"kind": False, "user": None, "session": None}


def test_forged_token_does_not_reach_the_session_store(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(API_AUTH_SESSIONS=f"sqlite:///{tmp_path}/new/sessions.db")
    for idp in ("host", "\ud800"):
        forged = forge(claims(sid="a" * 22, idp=idp), secret=OTHER_SECRET)
        assert results(app, forged) == {"signature": False, "session": None}
    assert not (tmp_path / "new").exists()


def test_json_has_the_tenant_the_use_and_every_check(stage: Stage) -> None:
    for token, tenant, login, routes in (
        (stage.tenant.token(), stage.tenant.domain, True, False),
        (stage.token(), None, False, True),
        (stage.token("refresh"), None, False, False),
        (stage.token(exp=1), None, False, False),
    ):
        report = json.loads(explain(stage.app, token, "--json").stdout)
        assert set(report) == {"tenant", "login", "routes", "checks"}
        assert (report["tenant"], report["login"], report["routes"]) == (tenant, login, routes)
        assert [set(check) for check in report["checks"]] == [{"check", "ok", "detail"}] * len(CHECKS)


def test_kind_subject_issuer_times_scopes_and_session_are_shown(
    make_app: MakeApp, sqlite_url: str, clock: Clock
) -> None:
    clock.now = 1800000000
    app = make_app(API_AUTH_SESSIONS=sqlite_url, API_AUTH_USERS=EVE)
    token = log_in(app, "eve")["access_token"]
    clock.move(180)
    assert explain(app, token).output.splitlines()[:8] == [
        "Kind:     access token of this app, fresh from a login",
        "Subject:  'eve' (local)",
        "Issuer:   'flask-core-auth'",
        "Issued:   2027-01-15 08:00:00 UTC, 3 minutes ago",
        "Expires:  2027-01-15 08:10:00 UTC, in 7 minutes",
        "Scopes:   edit view",
        "Session:  live, of a login at 2027-01-15 08:00:00 UTC, 3 minutes ago",
        "accepted: it opens protected routes",
    ]


def test_values_of_a_token_cannot_write_to_the_terminal(app: Flask) -> None:
    done = explain(app, forge(claims(sub="\x1b[2J" * 50, iss="\u202e", idp="\x07"), secret=OTHER_SECRET))
    assert done.output.isascii()
    assert done.output.replace("\n", "").isprintable()
    assert max(map(len, done.output.splitlines())) < 300


# Tenants

TENANT_FAULTS: dict[str, tuple[str, Callable[[Tenant], str]]] = {
    "alg": ("not accepted", lambda tenant: tenant.sign(tenant.header(alg="none"), tenant.claims())),
    "kid": ("(kid)", lambda tenant: tenant.sign(tenant.header(kid="other"), tenant.claims())),
    "signature": ("does not match", lambda tenant: tenant.token()[:-6] + "AAAAAA"),
    "aud": ("another audience", lambda tenant: tenant.token(aud="other")),
    "exp": ("expired", lambda tenant: tenant.token(exp=1)),
    "nbf": ("not valid yet", lambda tenant: tenant.token(nbf=2**40)),
    "iat": ("in the future", lambda tenant: tenant.token(iat=2**40)),
    "client": ("another client", lambda tenant: tenant.token(azp="other")),
    "kind": ("token_use", lambda tenant: tenant.token(token_use="id")),
    "bound": ("bound to a key", lambda tenant: tenant.token(cnf={"jkt": "x"})),
    "user": ("not admitted", lambda tenant: tenant.token(sub="auth0|eve")),
}


@pytest.mark.parametrize("check", TENANT_FAULTS)
def test_token_of_a_provider_fails_the_check_of_its_tenant(
    stage: Stage, check: str, caplog: pytest.LogCaptureFixture
) -> None:
    words, make = TENANT_FAULTS[check]
    token = make(stage.tenant)
    found = checks(stage.app, token)
    dependent = {"alg": ("kid", "signature"), "kid": ("signature",)}.get(check, ())
    assert results(stage.app, token) == {check: False, **dict.fromkeys(dependent)}
    assert words in found[check]["detail"]
    # The log of a login has the same words.
    with caplog.at_level("WARNING", "flask_core_auth"):
        assert stage.send("/api/login", {"Authorization": f"Bearer {token}"}, "POST") == 403
    (line,) = [record.args for record in caplog.records if "refused" in record.getMessage()]
    assert found[check]["detail"].startswith(line[1])


def test_every_check_of_a_provider_is_told_with_expected_and_found(stage: Stage) -> None:
    wrong = stage.tenant.token(aud="other", azp="mobile", exp=1, sub="auth0|eve")
    text = explain(stage.app, wrong).output
    assert f"(aud): expected {AUDIENCE!r}, found 'other'" in text
    assert f"(azp): expected {CLIENT!r}, found 'mobile'" in text
    assert "The token has expired: expected a time that is not over, found 1970-01-01 00:00:01 UTC" in text
    assert f"admitted: expected one of the users of {stage.tenant.domain}, found 'auth0|eve'" in text
    assert text.count("Token rejected: ") == 4


def test_token_of_a_provider_whose_keys_cannot_be_fetched_is_not_accepted(stage: Stage) -> None:
    stage.tenant.status = 500
    done = explain(stage.app, stage.tenant.token())
    assert done.exit_code == 1
    assert f"signature not checked: no keys can be fetched from {stage.tenant.jwks_uri}" in done.output
    assert results(stage.app, stage.tenant.token()) == {"kid": None, "signature": None}


def test_token_of_an_unknown_provider_names_the_issuers_that_are_known(stage: Stage) -> None:
    done = explain(stage.app, stage.tenant.token(iss="https://other.example/"))
    assert done.exit_code == 1
    assert (
        f"or '{stage.tenant.issuer}' ({stage.tenant.domain}), found 'https://other.example/'" in done.output
    )


def test_token_of_a_provider_costs_neither_a_session_nor_a_failed_login(stage: Stage) -> None:
    for _ in range(20):  # past the limit on failed logins
        assert explain(stage.app, stage.tenant.token(exp=1)).exit_code == 1
    assert explain(stage.app, stage.tenant.token()).exit_code == 0
    core_auth = stage.app.blueprints["core_auth"]
    with stage.app.app_context():
        assert core_auth.sessions_of(ALICE) == []
    assert stage.send("/api/login", {"Authorization": f"Bearer {stage.tenant.token()}"}, "POST") == 200


# Sessions


def test_refresh_token_and_its_session_are_as_before(stage: Stage) -> None:
    token = log_in(stage.app)["refresh_token"]
    core_auth = stage.app.blueprints["core_auth"]
    with stage.app.app_context():
        before = core_auth.sessions_of("admin")
        assert explain(stage.app, token).exit_code == 0
        assert core_auth.sessions_of("admin") == before
    assert stage.send(REFRESH, {"Authorization": f"Bearer {token}"}) == 200


@pytest.mark.parametrize("use", ["access", "refresh"])
def test_session_is_not_checked_while_the_store_is_down(make_app: MakeApp, use: str) -> None:
    app = make_app(API_AUTH_SESSIONS="redis://user:hidden@127.0.0.1:1/0")
    token = forge(claims(use, sid="x" * 22))
    done = explain(app, token)
    assert done.exit_code == 1
    assert "session not checked" in done.output
    assert "accepted" not in done.output
    assert "hidden" not in done.output
    assert results(app, token) == {"session": None}


def test_ended_session_of_a_token_that_routes_still_accept_is_a_hint(
    make_app: MakeApp, sqlite_url: str
) -> None:
    app = make_app(API_AUTH_SESSIONS=sqlite_url)
    token = log_in(app)["access_token"]
    with app.app_context():
        app.blueprints["core_auth"].revoke("admin")
    done = explain(app, token)
    assert done.exit_code == 0
    assert "Session:  ended" in done.output
    assert f"The routes of sessions reject it: {Reason.ENDED.value}" in done.output


# Loaders and settings of the app


def test_failing_loader_leaves_the_user_open_and_shows_no_traceback(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.rejecting = "fails"
    token = stage.token()
    caplog.clear()
    done = explain(stage.app, token)
    assert done.exit_code == 1
    assert "user not checked: a loader of the app fails" in done.output
    assert results(stage.app, token) == {"user": None}
    assert caplog.records == []


def test_audience_of_flask_jwt_extended_is_expected(make_app: MakeApp) -> None:
    app = make_app(JWT_DECODE_AUDIENCE=["mine", "ours"], JWT_ENCODE_AUDIENCE="mine")
    assert explain(app, log_in(app)["access_token"]).exit_code == 0
    detail = checks(app, forge(claims(aud="other")))["aud"]["detail"]
    assert detail.endswith("expected 'mine' or 'ours' (JWT_DECODE_AUDIENCE), found 'other'")


def test_open_app_is_a_hint(make_app: MakeApp) -> None:
    assert "routes need no token" in explain(make_app(API_AUTH_ENABLE=False), forge(claims())).output


def test_reason_that_only_the_verification_finds_is_told(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verify(tokens: Tokens, token: str, use: str) -> t.NoReturn:
        raise UnauthorizedError.expired(REALM)

    monkeypatch.setattr(Tokens, "verify", verify)
    assert results(app, forge(claims())) == {"exp": False}

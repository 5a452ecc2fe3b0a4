"""``flask core-auth explain`` and the DEBUG line: both tell why a request is rejected."""

from __future__ import annotations

import http.client
import json
import threading
import typing as t
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from click.testing import CliRunner, Result
from flask import Flask, abort
from flask.cli import ScriptInfo
from werkzeug.serving import make_server

from flask_core_auth.cli import core_auth
from flask_core_auth.errors import UnauthorizedError
from flask_core_auth.explanation import CHECKS
from flask_core_auth.rejections import Reason
from flask_core_auth.tokens import Tokens

from .apps import EVE, SECRET, Clock, log_in
from .bad_tokens import BAD_TOKENS
from .conftest import MakeApp
from .forge import OTHER_SECRET, REALM, claims, forge, read
from .frames import TOKEN
from .tenant import ALICE, AUDIENCE, CLIENT, Tenant


def explain(app: Flask, pasted: str | bytes, *options: str) -> Result:
    done = CliRunner().invoke(
        core_auth, ["explain", *options], input=pasted, obj=ScriptInfo(create_app=lambda: app)
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert TOKEN.search(done.output) is None
    assert SECRET not in done.output
    assert OTHER_SECRET not in done.output
    assert "Traceback" not in done.output
    return done


def checks(app: Flask, token: str) -> dict[str, dict[str, t.Any]]:
    """The checks of the JSON by name."""
    listed = json.loads(explain(app, token, "--json").stdout)["checks"]
    assert tuple(check["check"] for check in listed) == CHECKS
    return {check["check"]: check for check in listed}


def results(app: Flask, token: str) -> dict[str, bool | None]:
    """The checks that the token does not pass."""
    return {name: check["ok"] for name, check in checks(app, token).items() if check["ok"] is not True}


class Stage:
    """An app behind a real HTTP server, with sessions, cookies, a tenant and loaders.

    :ivar rejecting: the name of the loader that rejects every token.
    """

    def __init__(self, app: Flask, tenant: Tenant) -> None:
        self.app = app
        self.tenant = tenant
        self.rejecting = ""
        manager = app.extensions["flask-jwt-extended"]
        manager.token_in_blocklist_loader(lambda header, data: self.rejecting == "blocklist")
        manager.token_verification_loader(lambda header, data: self.rejecting != "verification")
        manager.user_lookup_loader(self.look_up)
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def look_up(self, header: object, data: object) -> object:
        if self.rejecting == "abort":
            abort(403)
        if self.rejecting == "fails":
            raise RuntimeError(SECRET)
        return None if self.rejecting == "lookup" else "user"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def send(self, path: str, headers: dict[str, str], method: str = "GET") -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.server_port)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def token(self, use: str = "access", username: str = "admin", **changes: t.Any) -> str:
        """A token of a new login, with changes to its claims."""
        return forge(self.claims(use, username, **changes))

    def claims(self, use: str = "access", username: str = "admin", **changes: t.Any) -> dict[str, t.Any]:
        valid = read(log_in(self.app, username)[f"{use}_token"])
        return {name: value for name, value in {**valid, **changes}.items() if value is not ...}

    def logged_out(self, use: str) -> str:
        tokens = log_in(self.app)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert self.send("/api/logout", headers, "POST") == 204
        return tokens[f"{use}_token"]

    def of_removed_user(self) -> str:
        token = log_in(self.app, "eve")["refresh_token"]
        del self.app.extensions["core_auth"].validators._local._users["eve"]
        return token

    def of_removed_tenant(self) -> str:
        bearer = {"Authorization": f"Bearer {self.tenant.token()}"}
        tokens = self.app.test_client().post("/api/login", headers=bearer).json
        self.app.extensions["core_auth"].validators._tenants.clear()
        return t.cast(str, tokens["refresh_token"])

    def spent(self) -> str:
        first = log_in(self.app)["refresh_token"]
        assert self.send("/api/login/refresh", {"Authorization": f"Bearer {first}"}) == 200
        return first


@pytest.fixture
def stage(make_app: MakeApp, tenant: Tenant, sqlite_url: str) -> Iterator[Stage]:
    app = make_app(
        API_AUTH_SESSIONS=sqlite_url,
        API_AUTH_SESSION_CHECK="always",
        API_AUTH_REFRESH_ROTATION=True,
        API_AUTH_REFRESH_GRACE=0,
        API_AUTH_COOKIES=True,
        API_AUTH_USERS=EVE,
        API_AUTH_AUTH0_ENABLE=True,
        API_AUTH_AUTH0_TENANTS=[tenant.settings()],
        debug=True,
    )
    stage = Stage(app, tenant)
    yield stage
    stage.close()


@dataclass(frozen=True)
class Kind:
    """One kind of rejection.

    :param reason: its reason.
    :param token: makes the token; or the value of the header.
    :param path: the route that rejects it.
    :param status: of the response.
    :param explained: exit status of ``explain``.
    :param rejecting: the loader that rejects it.
    """

    reason: Reason
    token: Callable[[Stage], str]
    path: str = "/who"
    status: int = 401
    explained: int = 1
    rejecting: str = ""


REFRESH = "/api/login/refresh"
KINDS = {
    "malformed": Kind(Reason.MALFORMED, lambda stage: "a.b.c"),
    "tenant's": Kind(Reason.ALGORITHM, lambda stage: stage.tenant.token(), explained=0),
    "HS512": Kind(Reason.ALGORITHM, lambda stage: forge(stage.claims(), header='{"alg":"HS512"}')),
    "other secret": Kind(Reason.SIGNATURE, lambda stage: forge(stage.claims(), secret=OTHER_SECRET)),
    "other realm": Kind(Reason.REALM, lambda stage: stage.token(iss="elsewhere")),
    "no expiry": Kind(Reason.NO_EXPIRY, lambda stage: stage.token(exp=...)),
    "not valid yet": Kind(Reason.NOT_BEFORE, lambda stage: stage.token(nbf=2**40)),
    "issued later": Kind(Reason.ISSUED_LATER, lambda stage: stage.token(iat=2**40)),
    "refresh token": Kind(Reason.NO_ACCESS_TOKEN, lambda stage: stage.token("refresh"), explained=0),
    "access token": Kind(Reason.NO_REFRESH_TOKEN, lambda stage: stage.token(), REFRESH, explained=0),
    "no subject": Kind(Reason.SUBJECT, lambda stage: stage.token(sub="")),
    "invalid scope": Kind(Reason.IDENTITY, lambda stage: stage.token(scope='"')),
    "no session": Kind(Reason.NO_SESSION, lambda stage: stage.token(sid=...)),
    "no session, refresh": Kind(Reason.NO_SESSION, lambda stage: stage.token("refresh", sid=...), REFRESH),
    "ended session": Kind(Reason.ENDED, lambda stage: stage.logged_out("access")),
    "ended session, refresh": Kind(Reason.ENDED, lambda stage: stage.logged_out("refresh"), REFRESH),
    "ended session, list": Kind(Reason.ENDED, lambda stage: stage.logged_out("access"), "/api/sessions"),
    "other password": Kind(Reason.CREDENTIAL, lambda stage: stage.token("refresh", cred="0" * 24), REFRESH),
    "removed user": Kind(Reason.NOT_ALLOWED, lambda stage: stage.of_removed_user(), REFRESH),
    "removed tenant": Kind(Reason.NOT_ALLOWED, lambda stage: stage.of_removed_tenant(), REFRESH),
    "blocklist": Kind(Reason.BLOCKLIST, lambda stage: stage.token(), rejecting="blocklist"),
    "verification": Kind(Reason.VERIFICATION, lambda stage: stage.token(), rejecting="verification"),
    "user lookup": Kind(Reason.NO_USER, lambda stage: stage.token(), rejecting="lookup"),
    "loader": Kind(Reason.LOADER, lambda stage: stage.token(), status=403, rejecting="abort"),
    "blocklist, refresh": Kind(
        Reason.BLOCKLIST, lambda stage: stage.token("refresh"), REFRESH, rejecting="blocklist"
    ),
    "not fresh": Kind(Reason.NOT_FRESH, lambda stage: stage.token(fresh=False), "/fresh", explained=0),
    "scope": Kind(Reason.SCOPES, lambda stage: stage.token(scope="view"), "/scoped", 403, explained=0),
}


def rejections(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage() for record in caplog.records if record.getMessage().startswith("Token rejected")
    ]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_log_and_explain_give_the_same_reason(
    stage: Stage, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    token = kind.token(stage)
    stage.rejecting = kind.rejecting
    with caplog.at_level("DEBUG", "flask_core_auth"):
        explained = explain(stage.app, token)
        assert rejections(caplog) == []
        status = stage.send(kind.path, {"Authorization": f"Bearer {token}"})
    assert status == kind.status
    assert rejections(caplog) == [f"Token rejected: {kind.reason.value}"]
    assert explained.exit_code == kind.explained, explained.output
    assert kind.reason.value in explained.output
    told = [line for line in explained.output.splitlines() if line.startswith("Token rejected: ")]
    assert len(told) == kind.explained
    assert all(kind.reason.value in line for line in told)
    # The commands have changed nothing: another look finds the same.
    assert explain(stage.app, token).exit_code == kind.explained


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, Reason.NO_TOKEN),
        ("", Reason.NO_TOKEN),
        ("Basic YTpi", Reason.SCHEME),
        ("Bearer a.b.c d.e.f", Reason.HEADER),
    ],
)
def test_request_without_one_token_is_told_by_the_log_and_by_explain(
    stage: Stage, header: str | None, reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/who", REFRESH, "/api/sessions"):
        caplog.clear()
        with caplog.at_level("DEBUG", "flask_core_auth"):
            assert stage.send(path, {} if header is None else {"Authorization": header}) == 401
        assert rejections(caplog) == [f"Token rejected: {reason.value}"]
    explained = explain(stage.app, header or "")
    assert explained.exit_code == 2
    assert reason.value in explained.output


@pytest.mark.parametrize(
    ("sent", "reason"), [({}, Reason.NO_CSRF), ({"X-CSRF-TOKEN": "x"}, Reason.OTHER_CSRF)]
)
def test_cookie_without_its_csrf_value_is_told_by_the_log_and_hinted_at_by_explain(
    stage: Stage, sent: dict[str, str], reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = log_in(stage.app)
    for use, method, path in (("access", "POST", "/who"), ("refresh", "GET", REFRESH)):
        caplog.clear()
        cookie = {"Cookie": f"{use}_token_cookie={tokens[f'{use}_token']}", **sent}
        with caplog.at_level("DEBUG", "flask_core_auth"):
            assert stage.send(path, cookie, method) == 401
        assert rejections(caplog) == [f"Token rejected: {reason.value}"]
    explained = explain(stage.app, tokens["access_token"])
    assert explained.exit_code == 0
    assert Reason.NO_CSRF.value in explained.output


def test_expired_token_is_told_with_both_times(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    token = stage.token(exp=1000000000)
    with caplog.at_level("DEBUG", "flask_core_auth"):
        assert stage.send("/who", {"Authorization": f"Bearer {token}"}) == 401
    assert rejections(caplog) == [f"Token rejected: {Reason.EXPIRED.value}"]
    (line,) = [line for line in explain(stage.app, token).output.splitlines() if "expected" in line]
    assert "found 2001-09-09 01:46:40 UTC" in line
    assert line.endswith("days ago")


def test_spent_refresh_token_is_told_by_the_log_and_not_used_by_explain(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    token = stage.spent()
    for _ in range(2):
        explained = explain(stage.app, token)
        assert f"Token rejected: {Reason.SPENT.value}" in explained.output
        assert "Session:  live" in explained.output
    with caplog.at_level("DEBUG", "flask_core_auth"):
        assert stage.send(REFRESH, {"Authorization": f"Bearer {token}"}) == 401
    assert rejections(caplog) == [f"Token rejected: {Reason.SPENT.value}"]
    assert f"Token rejected: {Reason.ENDED.value}" in explain(stage.app, token).output


@pytest.mark.parametrize("use", ["access", "refresh"])
def test_first_reason_of_every_bad_token_is_among_those_of_explain(
    app: Flask, bad: Callable[[str], str], use: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = bad(use)
    path = "/who" if use == "access" else REFRESH
    with caplog.at_level("DEBUG", "flask_core_auth"):
        assert app.test_client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    (rejection,) = rejections(caplog)
    done = explain(app, token)
    if done.exit_code == 1:
        # A token without a use could be meant for both.
        reason = rejection.replace("no refresh token", "no access token")
        assert reason in done.output.replace("no refresh token", "no access token")
    elif done.exit_code == 2:
        assert rejection == f"Token rejected: {Reason.MALFORMED.value}"
    else:
        assert "reject" in done.output
        assert rejection.removeprefix("Token rejected: ") in done.output


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
    assert [name for name in found if found[name]["ok"] is False] == [check]
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

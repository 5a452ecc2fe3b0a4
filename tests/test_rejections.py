"""Why a request is rejected: the DEBUG line and ``flask core-auth explain`` give the same reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask

from flask_core_auth.errors import UnauthorizedError
from flask_core_auth.rejections import Reason

from .apps import add_jwt_required_routes, log_in
from .conftest import MakeApp
from .explaining import REFRESH, Stage, explain, rejections
from .forge import OTHER_SECRET, REALM, claims, forge


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


EXTENDED: dict[str, tuple[Reason, str, Callable[[Stage], str]]] = {
    "malformed": (Reason.MALFORMED, "/extended", lambda stage: "a.b.c"),
    "HS512": (Reason.ALGORITHM, "/extended", lambda stage: KINDS["HS512"].token(stage)),
    "other secret": (Reason.SIGNATURE, "/extended", lambda stage: KINDS["other secret"].token(stage)),
    "other realm": (Reason.REALM, "/extended", lambda stage: stage.token(iss="elsewhere")),
    "expired": (Reason.EXPIRED, "/extended", lambda stage: stage.token(exp=1)),
    "no expiry": (Reason.NO_EXPIRY, "/extended", lambda stage: stage.token(exp=...)),
    "not valid yet": (Reason.NOT_BEFORE, "/extended", lambda stage: stage.token(nbf=2**40)),
    "issued later": (Reason.ISSUED_LATER, "/extended", lambda stage: stage.token(iat=2**40)),
    "refresh token": (Reason.NO_ACCESS_TOKEN, "/extended", lambda stage: stage.token("refresh")),
    "access token": (Reason.NO_REFRESH_TOKEN, "/extended/refresh", lambda stage: stage.token()),
    "other use": (Reason.NO_ACCESS_TOKEN, "/extended", lambda stage: stage.token(usefor="refresh")),
    "no subject": (Reason.SUBJECT, "/extended", lambda stage: stage.token(sub="")),
    "subject a number": (Reason.SUBJECT, "/extended", lambda stage: stage.token(sub=5)),
    "issued at a word": (Reason.ISSUED_LATER, "/extended", lambda stage: stage.token(iat="soon")),
    "subject left out": (Reason.SUBJECT, "/extended", lambda stage: stage.token(sub=...)),
    "invalid scope": (Reason.IDENTITY, "/extended", lambda stage: stage.token(scope='"')),
    "no session": (Reason.NO_SESSION, "/extended", lambda stage: stage.token(sid=...)),
    "ended session": (Reason.ENDED, "/extended", lambda stage: stage.logged_out("access")),
    "spent": (Reason.SPENT, "/extended/refresh", lambda stage: stage.spent()),
    "removed user": (Reason.NOT_ALLOWED, "/extended/refresh", lambda stage: stage.of_removed_user()),
    "not fresh": (Reason.NOT_FRESH, "/extended/fresh", lambda stage: stage.token(fresh=False)),
    "two tokens": (Reason.HEADER, "/extended", lambda stage: "a.b.c d.e.f"),
}


@pytest.mark.parametrize("name", EXTENDED)
def test_jwt_required_under_the_built_in_manager_logs_the_reason(
    stage: Stage, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    reason, path, make = EXTENDED[name]
    token = make(stage)
    with caplog.at_level("DEBUG", "flask_core_auth"):
        assert stage.send(path, {"Authorization": f"Bearer {token}"}) == 401
    assert rejections(caplog) == [f"Token rejected: {reason.value}"]


@pytest.mark.parametrize(
    ("loader", "reason"),
    [
        ("blocklist", Reason.BLOCKLIST),
        ("verification", Reason.VERIFICATION),
        ("lookup", Reason.NO_USER),
    ],
)
def test_jwt_required_under_the_built_in_manager_logs_the_loader(
    stage: Stage, loader: str, reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    token = stage.token()
    stage.rejecting = loader
    with caplog.at_level("DEBUG", "flask_core_auth"):
        assert stage.send("/extended", {"Authorization": f"Bearer {token}"}) == 401
    assert rejections(caplog) == [f"Token rejected: {reason.value}"]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, Reason.NO_TOKEN),
        ({"Authorization": "Basic YTpi"}, Reason.SCHEME),
        ({"Cookie": "access_token_cookie={}"}, Reason.NO_CSRF),
        ({"Cookie": "access_token_cookie={}", "X-CSRF-TOKEN": "x"}, Reason.OTHER_CSRF),
        ({"Cookie": "access_token_cookie={}", "X-CSRF-TOKEN": "\xe4"}, Reason.OTHER_CSRF),
    ],
)
def test_jwt_required_under_the_built_in_manager_logs_what_the_request_lacks(
    stage: Stage, headers: dict[str, str], reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    token = stage.token()
    with caplog.at_level("DEBUG", "flask_core_auth"):
        sent = {name: value.format(token) for name, value in headers.items()}
        assert stage.send("/extended", sent, "POST") == 401
    assert rejections(caplog) == [f"Token rejected: {reason.value}"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "other"}, Reason.AUDIENCE),
        ({}, Reason.AUDIENCE),
        ({"aud": "mine", "iss": "other"}, Reason.REALM),
        ({"aud": "mine", "iss": ...}, Reason.REALM),
    ],
)
def test_audience_and_issuer_of_flask_jwt_extended_are_told(
    make_app: MakeApp, changes: dict[str, object], reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(
        host=add_jwt_required_routes,
        JWT_DECODE_AUDIENCE="mine",
        JWT_ENCODE_AUDIENCE="mine",
        JWT_DECODE_ISSUER=REALM,
    )
    headers = {"Authorization": f"Bearer {forge(claims(**changes))}"}
    for path in ("/who", "/extended"):
        caplog.clear()
        with caplog.at_level("DEBUG", "flask_core_auth"):
            assert app.test_client().get(path, headers=headers).status_code == 401
        assert rejections(caplog) == [f"Token rejected: {reason.value}"]


def test_cookie_whose_token_has_no_csrf_value_is_told(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    cookie = {"Cookie": f"access_token_cookie={stage.token(csrf=...)}", "X-CSRF-TOKEN": "x"}
    for path in ("/who", "/extended"):
        caplog.clear()
        with caplog.at_level("DEBUG", "flask_core_auth"):
            assert stage.send(path, cookie, "POST") == 401
        assert rejections(caplog) == [f"Token rejected: {Reason.OTHER_CSRF.value}"]


def test_token_in_the_query_string_without_its_prefix_is_told(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(
        host=add_jwt_required_routes,
        JWT_TOKEN_LOCATION=["query_string"],
        JWT_QUERY_STRING_VALUE_PREFIX="t:",
    )
    for path in ("/who", "/extended"):
        caplog.clear()
        with caplog.at_level("DEBUG", "flask_core_auth"):
            assert app.test_client().get(f"{path}?jwt={forge(claims())}").status_code == 401
        assert rejections(caplog) == [f"Token rejected: {Reason.PLACE.value}"]


def test_token_in_json_that_is_no_string_is_told(
    everywhere: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", "flask_core_auth"):
        assert everywhere.test_client().post("/who", json={"access_token": 5}).status_code == 401
    assert rejections(caplog) == [f"Token rejected: {Reason.MALFORMED.value}"]


def test_request_that_is_not_rejected_logs_no_reason(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    expired = {"Authorization": f"Bearer {forge(claims(exp=1))}"}
    app = make_app(API_AUTH_ABOUT={"app": "x"}, API_AUTH_DISABLE_LOCALHOST=True)
    client = make_app(API_AUTH_ENABLE=False).test_client()
    with caplog.at_level("DEBUG", "flask_core_auth"):
        assert app.test_client().get("/api", headers=expired).status_code == 200
        assert (
            app.test_client().get("/who", headers=expired, base_url="http://localhost").status_code == 200
        )
        for path in ("/who", "/fresh", "/scoped"):
            assert client.get(path, headers=expired).status_code == 200
        assert client.get("/optional").status_code == 200
    assert rejections(caplog) == []


def test_request_that_the_localhost_bypass_does_not_open_is_told(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_app(API_AUTH_DISABLE_LOCALHOST=True).test_client()
    for headers in ({}, {"Authorization": f"Bearer {forge(claims(exp=1))}"}):
        caplog.clear()
        with caplog.at_level("DEBUG", "flask_core_auth"):
            assert client.get("/fresh", headers=headers, base_url="http://localhost").status_code == 401
        assert rejections(caplog) == [f"Token rejected: {Reason.BYPASS.value}"]


def test_logout_with_two_tokens_that_are_rejected_logs_one_reason(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    for header, reason in (("Bearer a.b.c", Reason.MALFORMED), ("Basic x", Reason.SCHEME)):
        caplog.clear()
        with caplog.at_level("DEBUG", "flask_core_auth"):
            assert stage.send("/api/logout", {"Authorization": header}, "POST") == 401
        assert rejections(caplog) == [f"Token rejected: {reason.value}"]
    caplog.clear()
    cookie = {"Cookie": f"access_token_cookie={stage.token()}"}
    with caplog.at_level("DEBUG", "flask_core_auth"):
        assert stage.send("/api/logout", cookie, "POST") == 401
    assert rejections(caplog) == [f"Token rejected: {Reason.NO_CSRF.value}"]


def test_logout_without_a_session_is_told(
    make_app: MakeApp, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(API_AUTH_SESSIONS=sqlite_url)
    with caplog.at_level("DEBUG", "flask_core_auth"):
        headers = {"Authorization": f"Bearer {forge(claims())}"}
        assert app.test_client().post("/api/logout", headers=headers).status_code == 401
    assert rejections(caplog) == [f"Token rejected: {Reason.NO_SESSION.value}"]


def test_rejection_outside_a_view_is_told(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    for token, reason in ((None, Reason.NO_TOKEN), ("a.b.c", Reason.MALFORMED)):
        caplog.clear()
        with (
            caplog.at_level("DEBUG", "flask_core_auth"),
            app.app_context(),
            pytest.raises(UnauthorizedError),
        ):
            app.blueprints["core_auth"].verify(token)
        assert rejections(caplog) == [f"Token rejected: {reason.value}"]


def test_failing_loader_and_a_store_that_is_down_are_no_reasons(
    make_app: MakeApp, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    down = make_app(API_AUTH_SESSIONS="redis://127.0.0.1:1/0", API_AUTH_SESSION_CHECK="always")
    headers = {"Authorization": f"Bearer {forge(claims(sid='x' * 22))}"}
    token = stage.token()
    stage.rejecting = "fails"
    with caplog.at_level("DEBUG", "flask_core_auth"):
        assert down.test_client().get("/who", headers=headers).status_code == 503
        assert stage.send("/who", {"Authorization": f"Bearer {token}"}) == 503
    assert rejections(caplog) == []


def test_no_reason_is_given_twice_or_has_a_place_for_a_value() -> None:
    assert len({reason.value for reason in Reason}) == len(Reason)
    assert not any("%" in reason.value or "{" in reason.value for reason in Reason)

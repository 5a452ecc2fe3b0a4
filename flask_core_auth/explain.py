"""Explaining a token, for ``flask core-auth explain``: every check of a login, a refresh and a route."""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t
from collections.abc import Iterator, Mapping

from flask import Flask

from . import jws
from .callbacks import REJECTIONS
from .errors import ServiceUnavailableError, UnauthorizedError
from .explanation import CHECKS, Explanation, shown, when
from .identity import EVERY_SCOPE, Identity, is_subject
from .jwt_extended import accepted_audience
from .protection import missing_session
from .rejections import Reason, reason_of
from .state import State
from .tokens import accepts_audience

if t.TYPE_CHECKING:
    from .tokens import TokenUse
    from .validators.auth0 import TenantToken

logger = logging.getLogger("flask_core_auth")

Claims = Mapping[str, t.Any]

_TIMES = {"iat": "Issued", "nbf": "Valid from", "exp": "Expires"}


def explain(app: Flask, token: str) -> Explanation:
    """Check a token as a login, a refresh and a protected route do.

    Nothing changes: no session is opened, used or ended, and no failed login is counted. The keys of a
    tenant are fetched. For a token of the app, the session store is asked, which may create its file or
    table. The app's loaders are called if the token is valid without them.

    :param app: the app.
    :param token: the token.
    """
    with app.test_request_context(), _silent():
        state = State.current()
        found = state.validators.find_tenant_token(token)
        if found is not None and (found.token.claims["iss"] != state.config.realm or not _is_hs256(token)):
            return _explain_tenant_token(found)
        return _explain_own_token(app, state, token)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Log nothing: the traceback of a loader that fails would be shown."""

    def reject(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(reject)
    try:
        yield
    finally:
        logger.removeFilter(reject)


def _is_hs256(token: str) -> bool:
    return jws.parse(token).header.get("alg") == "HS256"


def _explain_tenant_token(found: TenantToken) -> Explanation:
    validator, header, claims = found.validator, found.token.parsed.header, found.token.claims
    tenant = validator.tenant
    explanation = Explanation(tenant.domain, "login")
    explanation.facts["Kind"] = f"access token of the identity provider {tenant.domain}"
    _describe(explanation, claims)
    copied = " ".join(sorted(validator.scopes_of(claims))) or "none"
    explanation.facts["Scopes"] = f"{shown(claims.get('scope'))}, of which the login copies: {copied}"
    explanation.facts["Session"] = "none: the login opens it"
    problems = [*validator.claim_problems(header, claims)]
    try:
        problems += validator.signature_problems(found.token)
    except ServiceUnavailableError:
        detail = f"signature not checked: no keys can be fetched from {tenant.jwks_uri}"
        explanation.leave_open("signature", detail=detail)
        explanation.leave_open("kid")
    values: dict[str, tuple[str, object]] = {
        "alg": (" or ".join(sorted(tenant.algorithms)), header.get("alg")),
        "kid": (f"a key at {tenant.jwks_uri}", header.get("kid")),
        "aud": (shown(tenant.audience), claims.get("aud")),
        "client": (shown(tenant.clientid), claims.get("azp", claims.get("client_id"))),
        "user": (f"one of the users of {tenant.domain}", claims.get("sub")),
    }
    for check, reason in problems:
        if check in _TIMES:
            _fail_time(explanation, check, reason, claims)
        elif check in values:
            expected, value = values[check]
            explanation.fail(check, reason, expected=expected, found=shown(value))
        else:
            explanation.fail(check, reason)
    if not explanation.has_passed("alg"):
        explanation.leave_open("kid", "signature")
    if not (explanation.has_passed("kid") and explanation.has_passed("form")):
        explanation.leave_open("signature")
    explanation.hints.append(f"Routes reject it: {Reason.ALGORITHM.value}. Exchange it at the login.")
    return explanation


def _explain_own_token(app: Flask, state: State, token: str) -> Explanation:
    explanation = Explanation()
    try:
        parsed = jws.parse(token)
        claims = jws.load_object(parsed.payload)
    except (jws.MalformedTokenError, ValueError, RecursionError) as error:
        expected = (
            "three parts in base64url, the first two of which are JSON objects without repeated names"
        )
        is_extended = isinstance(error, jws.MalformedTokenError) and "extension" in str(error)
        _fail(explanation, Reason.MALFORMED, "no crit and b64" if is_extended else expected)
        explanation.leave_open(*CHECKS)
        return explanation
    _check_signature(explanation, state, parsed)
    _check_issuer(explanation, state, claims)
    audience = accepted_audience(app)
    if audience is not None and not accepts_audience(audience, claims.get("aud")):
        accepted = " or ".join(map(shown, sorted(audience)))
        _fail(explanation, Reason.AUDIENCE, f"{accepted} (JWT_DECODE_AUDIENCE)", shown(claims.get("aud")))
    _check_times(explanation, claims)
    use = _check_kind(explanation, claims)
    _describe(explanation, claims)
    identity = _check_subject(explanation, state, claims)
    if use is None or identity is None:
        explanation.leave_open("user", "session")
        return explanation
    explanation.facts["Scopes"] = " ".join(sorted(identity.scopes)) or "none"
    _check_user(explanation, state, use, identity, claims)
    _check_session(explanation, state, use, identity, claims)
    _ask_loaders(explanation, state, use, token)
    explanation.hints += _hints(state, use, identity, claims)
    return explanation


def _fail(
    explanation: Explanation, reason: Reason, expected: str | None = None, found: str | None = None
) -> None:
    explanation.fail(reason.check or "form", reason.value, expected=expected, found=found)


def _fail_time(explanation: Explanation, check: str, reason: str, claims: Claims) -> None:
    earliest = f"at most {jws.LEEWAY_SECONDS} seconds from now: are both clocks right?"
    value = claims.get(check)
    explanation.fail(
        check,
        reason,
        expected="a time that is not over" if check == "exp" else earliest,
        found=when(value) if jws.is_time(value) else shown(value),
    )


def _describe(explanation: Explanation, claims: Claims) -> None:
    explanation.facts["Subject"] = shown(claims.get("sub"))
    if isinstance(claims.get("idp"), str):
        explanation.facts["Subject"] += f" ({shown(claims['idp'])[1:-1]})"
    explanation.facts["Issuer"] = shown(claims.get("iss"))
    for name, label in _TIMES.items():
        if name in claims:
            value = claims[name]
            explanation.facts[label] = when(value) if jws.is_time(value) else shown(value)


def _check_signature(explanation: Explanation, state: State, parsed: jws.ParsedToken) -> None:
    algorithm = parsed.header.get("alg")
    if algorithm != "HS256":
        _fail(explanation, Reason.ALGORITHM, "HS256", shown(algorithm))
        explanation.leave_open("signature")
    elif not jws.has_hs256_signature(parsed, (secret.encode() for secret in state.config.secrets)):
        expected = "the secret of this app (API_AUTH_JWT_SECRET) or one of its fallbacks"
        _fail(explanation, Reason.SIGNATURE, expected, "another secret, or a changed token")


def _check_issuer(explanation: Explanation, state: State, claims: Claims) -> None:
    if claims.get("iss") == state.config.realm:
        return
    expected = f"{shown(state.config.realm)} (API_AUTH_REALM)"
    for tenant in state.config.tenants:
        expected += f", or {shown(tenant.issuer)} ({tenant.domain})"
    _fail(explanation, Reason.REALM, expected, shown(claims.get("iss")))


def _check_times(explanation: Explanation, claims: Claims) -> None:
    now = time.time()
    expires = claims.get("exp")
    if not jws.is_time(expires):
        _fail_time(explanation, "exp", Reason.NO_EXPIRY.value, claims)
    elif expires <= now:
        _fail_time(explanation, "exp", Reason.EXPIRED.value, claims)
    for name, reason in (("nbf", Reason.NOT_BEFORE), ("iat", Reason.ISSUED_LATER)):
        moment = claims.get(name, now)
        if not jws.is_time(moment) or moment > now + jws.LEEWAY_SECONDS:
            _fail_time(explanation, name, reason.value, claims)


def _check_kind(explanation: Explanation, claims: Claims) -> TokenUse | None:
    uses: tuple[TokenUse, ...] = ("access", "refresh")
    for use in uses:
        if claims.get("usefor") == use and claims.get("type", use) == use:
            fresh = ", fresh from a login" if claims.get("fresh") is True else ", not fresh"
            explanation.use = "routes" if use == "access" else "refresh"
            explanation.facts["Kind"] = f"{use} token of this app{fresh if use == 'access' else ''}"
            return use
    explanation.facts["Kind"] = "no token of this app"
    found = f"{shown(claims.get('usefor'))} and {shown(claims.get('type'))}"
    _fail(explanation, Reason.NO_ACCESS_TOKEN, "usefor and type to be 'access', or both 'refresh'", found)
    return None


def _check_subject(explanation: Explanation, state: State, claims: Claims) -> Identity | None:
    if not is_subject(claims.get("sub")):
        _fail(explanation, Reason.SUBJECT, "a string that is not empty", shown(claims.get("sub")))
        return None
    try:
        return state.tokens.identity(claims)
    except ValueError:
        found = f"{shown(claims.get('idp'))} and {shown(claims.get('scope'))}"
        _fail(explanation, Reason.IDENTITY, "strings, as in RFC 6749, 3.3", found)
        return None


def _check_user(
    explanation: Explanation, state: State, use: TokenUse, identity: Identity, claims: Claims
) -> None:
    if use == "access":
        return
    admitted = state.validators.validate_again(identity, claims)
    if admitted is Reason.CREDENTIAL:
        _fail(
            explanation,
            admitted,
            "a token of a login with the password of today",
            "one of another password",
        )
    elif admitted is Reason.NOT_ALLOWED:
        _fail(explanation, admitted, f"a user of {shown(identity.idp)}", shown(identity.subject))


def _check_session(
    explanation: Explanation, state: State, use: TokenUse, identity: Identity, claims: Claims
) -> None:
    sessions, sid = state.sessions, claims.get("sid")
    if sessions is None:
        explanation.facts["Session"] = "none: API_AUTH_SESSIONS is not set"
        return
    if not (explanation.has_passed("alg") and explanation.has_passed("signature")):
        explanation.leave_open("session")  # a forged token must not reach the store
        return
    try:
        session = sessions.find(sid, identity)
        reason = None if session is not None else missing_session(claims)
        if use == "refresh":
            reason = sessions.rejection(sid, claims.get("jti"), identity)
    except ServiceUnavailableError:
        explanation.facts["Session"] = "unknown"
        detail = "session not checked: the store of API_AUTH_SESSIONS is down"
        explanation.leave_open("session", detail=detail)
        return
    if session is None:
        explanation.facts["Session"] = "ended, or it never existed"
    else:
        explanation.facts["Session"] = f"live, of a login at {when(session.created_at)}"
    if reason is None:
        return
    if use == "refresh" or sessions.always:
        expected = "the refresh token in force" if reason is Reason.SPENT else "a live session"
        found = "a token that was exchanged before" if reason is Reason.SPENT else shown(sid)
        _fail(explanation, reason, expected, found)
    else:
        explanation.hints.append(
            f"The routes of sessions reject it: {reason.value}. Other routes accept it until it expires,"
            ' because API_AUTH_SESSION_CHECK is not "always".'
        )


def _ask_loaders(explanation: Explanation, state: State, use: TokenUse, token: str) -> None:
    try:
        verified = state.tokens.verify(token, use)
    except UnauthorizedError as error:
        # This repeats the checks above. If it finds more, they are wrong, or the token has expired since.
        if error.reason is not None and explanation.has_passed(error.reason.check or "form"):
            _fail(explanation, error.reason)
        return
    if use == "access" and not explanation.is_accepted:  # a route rejects it before it calls them
        return
    try:
        state.callbacks.check(verified.header, verified.claims())
    except REJECTIONS as error:
        reason = reason_of(error)
        if reason is None:
            explanation.leave_open("user", detail="user not checked: a loader of the app fails")
        else:
            _fail(explanation, reason)


def _hints(state: State, use: TokenUse, identity: Identity, claims: Claims) -> Iterator[str]:
    """Yield what a valid token is not accepted for, in the words of the log."""
    if use == "refresh":
        yield f"Routes reject it: {Reason.NO_ACCESS_TOKEN.value}."
    else:
        yield f"The refresh rejects it: {Reason.NO_REFRESH_TOKEN.value}."
        if claims.get("fresh") is not True:
            yield f"Routes with fresh=True reject it: {Reason.NOT_FRESH.value}."
        if not identity.has_scopes((EVERY_SCOPE,)):
            yield f"Routes with scopes other than these reject it: {Reason.SCOPES.value}."
    if "csrf" in claims:
        yield f"In a cookie it needs its CSRF value, or a request is rejected: {Reason.NO_CSRF.value}."
    if not state.config.enable:
        yield "API_AUTH_ENABLE is false: routes need no token."

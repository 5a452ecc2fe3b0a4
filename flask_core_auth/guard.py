"""Letting a request in, or not."""

from __future__ import annotations

import hmac
import re
import typing as t

from flask import current_app, request
from flask.globals import app_ctx

from .credentials import MalformedBearerError, bearer_token
from .errors import InsufficientScopeError, UnauthorizedError
from .host_code import REFUSALS
from .identity import ANONYMOUS
from .jwt_extended import find_token
from .loopback import is_loopback
from .state import KEY, State, set_up_wrongly

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import WSGIEnvironment

    from .tokens import Use, VerifiedToken

#: The attribute of a view that :func:`guard` lets pass.
EXEMPT_MARK = "_core_auth_exempt"
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::[0-9]*)?")
_ORIGIN = re.compile("https?://" + _HOST.pattern)
# A proxy sets these, or the caller does: either way the caller may be anywhere.
_FORWARDED = (
    *("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_CF_CONNECTING_IP"),
    *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO"),
)


def guard() -> None:
    """What :meth:`CoreAuth.protect` runs before each request."""
    endpoint = request.endpoint
    if endpoint is None:  # 404 and 405 are the app's own
        return
    if not getattr(current_app.view_functions[endpoint], EXEMPT_MARK, False):
        admit(fresh=False, optional=False, scopes=frozenset())


def admit(*, fresh: bool, optional: bool, scopes: frozenset[str]) -> None:
    """Let the current request in, or raise. This is the hot path.

    The parameters are those of :func:`.auth_required`.
    """
    # Going through a proxy costs as much as looking up a remembered token: look behind each once.
    context = app_ctx._get_current_object()  # type: ignore[attr-defined]  # typed as what it stands for
    environ = request._get_current_object().environ  # type: ignore[attr-defined]  # the same
    app, values = context.app, vars(context.g)

    state: State | None = app.extensions.get(KEY)
    if state is None or app.extensions.get("flask-jwt-extended") is not state.loaders.manager:
        raise set_up_wrongly(state)
    location: str | None = "headers"
    token = state.tokens.recall(environ.get("HTTP_AUTHORIZATION"))
    if token is None or environ["REQUEST_METHOD"] == "OPTIONS":
        token, location = _find(state, environ, optional)
    if token is not None:
        try:
            claims, user = accept(state, token)
        except REFUSALS:
            if not _is_open(state, environ):
                raise
            token = None
    if token is None:
        if (fresh or scopes) and state.config.enable and environ["REQUEST_METHOD"] != "OPTIONS":
            raise UnauthorizedError.missing(state.config.realm)
        values.update(
            _core_auth_environ=environ,
            _core_auth_granted=ANONYMOUS,
            _core_auth_identity=ANONYMOUS,
            _jwt_extended_jwt={},
            _jwt_extended_jwt_header={},
            _jwt_extended_jwt_user={"loaded_user": None},
            _jwt_extended_jwt_location=None,
        )
        return

    if fresh and not token.fresh and state.config.enable:
        raise UnauthorizedError.not_fresh(state.config.realm)
    if scopes and not token.identity.has_scopes(scopes) and state.config.enable:
        raise InsufficientScopeError(scopes, realm=state.config.realm)
    # One update instead of seven of g's own __setattr__(), which is written in Python.
    values.update(
        _core_auth_environ=environ,
        _core_auth_granted=token.identity,
        _core_auth_identity=None,
        _jwt_extended_jwt=claims,
        _jwt_extended_jwt_header=token.header(),
        _jwt_extended_jwt_user=user,
        _jwt_extended_jwt_location=location,
    )


def _find(
    state: State, environ: WSGIEnvironment, optional: bool
) -> tuple[VerifiedToken, str] | tuple[None, None]:
    """The request's token and where it was; none where the request may come in without one."""
    if environ["REQUEST_METHOD"] == "OPTIONS":
        return None, None
    try:
        sent = sent_token(state, "access", environ)
        if sent is not None:
            return sent
        if not optional:
            raise UnauthorizedError.missing(state.config.realm)
    except UnauthorizedError:
        if not _is_open(state, environ):
            raise
    return None, None


def accept(state: State, token: VerifiedToken) -> tuple[dict[str, t.Any], dict[str, t.Any] | None]:
    """Ask what may have changed since a token was verified: its session, and what the app's loaders say.

    :return: its claims, a copy, and what flask-jwt-extended keeps for its ``current_user``.
    :raises UnauthorizedError: if it is not accepted any more.
    :raises ServiceUnavailableError: if that cannot be found out.
    """
    claims = token.claims()
    if state.sessions is not None:
        check_session(state, claims)
    return claims, state.loaders.check(token.header, claims)


def check_session(state: State, claims: Mapping[str, t.Any]) -> None:
    """Refuse a token whose session has ended, where access tokens are asked for theirs.

    :raises UnauthorizedError: if it has, or if the token has none.
    :raises ServiceUnavailableError: if the store of sessions is down.
    """
    sessions = state.sessions
    if sessions is not None and sessions.always and not sessions.is_live(claims.get("sid")):
        raise UnauthorizedError.invalid(state.config.realm)


def sent_token(state: State, use: Use, environ: WSGIEnvironment) -> tuple[VerifiedToken, str] | None:
    """The token that the request carries, verified, and where it was; None if it carries none.

    The Authorization header comes first, then what the app's ``JWT_TOKEN_LOCATION`` admits.

    :raises UnauthorizedError: if it is not accepted.
    """
    realm = state.config.realm
    try:
        bearer = bearer_token(environ.get("HTTP_AUTHORIZATION"))
    except MalformedBearerError:
        raise UnauthorizedError.invalid(realm) from None
    if bearer is not None:
        return state.tokens.verify(bearer, use), "headers"
    found = find_token(realm, refresh=use == "refresh")
    if found is None:
        return None
    token = state.tokens.verify(found.token, use)
    if found.csrf is not None:
        expected = token.claims().get("csrf")
        if not isinstance(expected, str) or not hmac.compare_digest(expected.encode(), found.csrf.encode()):
            raise UnauthorizedError.invalid(realm)
    return token, found.location


def _is_open(state: State, environ: WSGIEnvironment) -> bool:
    """Whether a request needs no token."""
    config = state.config
    return not config.enable or (config.disable_localhost and _is_local(environ))


def _is_local(environ: WSGIEnvironment) -> bool:
    """Whether a request can only come from a program on this machine itself, as far as it shows.

    A browser on this machine sends what the pages of others make it send. A page shows in ``Origin`` or, to
    a current browser, in ``Sec-Fetch-Site``; after DNS rebinding, in the host's name. That one also gives
    away a proxy that hands on the name that it was asked for, with nothing else to show for it.
    """
    if any(name in environ for name in _FORWARDED):
        return False
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin"):
        return False
    for shown in (
        _ORIGIN.fullmatch(environ.get("HTTP_ORIGIN", "http://localhost")),
        _HOST.fullmatch(environ.get("HTTP_HOST", "")),
    ):
        if shown is None or not is_loopback(shown[1] or shown[2]):
            return False
    return is_loopback(environ.get("REMOTE_ADDR", ""))

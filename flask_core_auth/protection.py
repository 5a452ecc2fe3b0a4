"""Protected routes: ``auth_required``, ``auth_exempt``, the hook of ``CoreAuth.protect()``, and the
decision behind them."""

from __future__ import annotations

import contextlib
import functools
import inspect
import typing as t
from collections.abc import Callable, Iterable, Mapping

from flask import current_app, request
from flask.globals import app_ctx

from .callbacks import REJECTIONS
from .errors import AuthError, InsufficientScopeError, UnauthorizedError
from .identity import ANONYMOUS, is_scope
from .localhost import is_local
from .rejections import Reason, log_rejection
from .state import KEY, State, setup_error
from .transport import missing_token, read_token

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from .tokens import VerifiedToken

#: The attribute of a view that needs no token under :meth:`.CoreAuth.protect`.
EXEMPT_MARK = "_core_auth_exempt"
#: The attribute of a protected view ...
PROTECTED_MARK = "_core_auth_protected"
#: ... and of the function inside it, which is not protected.
BARE_MARK = "_core_auth_bare"

ViewT = t.TypeVar("ViewT", bound=Callable[..., t.Any])
ErrorT = t.TypeVar("ErrorT", bound=AuthError)


@t.overload
def auth_required(view: ViewT, /) -> ViewT: ...


@t.overload
def auth_required(
    *, fresh: bool = False, optional: bool = False, scopes: str | Iterable[str] = ()
) -> Callable[[ViewT], ViewT]: ...


def auth_required(
    view: ViewT | None = None,
    /,
    *,
    fresh: bool = False,
    optional: bool = False,
    scopes: str | Iterable[str] = (),
) -> ViewT | Callable[[ViewT], ViewT]:
    """Protect a view: requests need an access token (RFC 6750).

    ::

        @app.get("/api/v3/process")
        @auth_required
        def processes():
            return {"user": current_identity.subject}


        @app.post("/api/v3/password")
        @auth_required(fresh=True)
        def change_password(): ...

    Put it below the route decorator; above it, it would protect nothing. It also works on async views and
    in the ``decorators`` of a class-based view.

    Requests with the method OPTIONS need no token, because a CORS preflight carries none. Flask responds
    to them by itself. If a view lists OPTIONS among its methods, it is called for them, as anonymous.

    :param fresh: require a token from a login, not from a refresh.
    :param optional: allow requests without a token, as anonymous; a request with an invalid token is
        rejected.
    :param scopes: a scope that the token must have, or several, all of which it must have.
    :raises UnauthorizedError: if a request has no valid token.
    :raises InsufficientScopeError: if a request's token lacks a scope.
    """
    if view is not None and not callable(view):
        raise TypeError(f"auth_required takes keywords: @auth_required(scopes={view!r})")
    required = frozenset((scopes,) if isinstance(scopes, str) else scopes)
    for scope in required:
        if not is_scope(scope):
            raise ValueError(f"{scope!r} is no scope (name several as a list)")
    if optional and (fresh or required):
        raise ValueError("optional accepts requests without a token: leave out fresh and scopes")

    def protect(view: ViewT) -> ViewT:
        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            def protected(*args: t.Any, **kwargs: t.Any) -> t.Any:
                authorize(fresh=fresh, optional=optional, scopes=required)
                return current_app.ensure_sync(view)(*args, **kwargs)

        else:

            @functools.wraps(view)
            def protected(*args: t.Any, **kwargs: t.Any) -> t.Any:
                authorize(fresh=fresh, optional=optional, scopes=required)
                return view(*args, **kwargs)

        setattr(protected, PROTECTED_MARK, True)
        with contextlib.suppress(AttributeError):  # a bound method takes no attributes
            setattr(view, BARE_MARK, True)
        return t.cast(ViewT, protected)

    return protect if view is None else protect(view)


def auth_exempt(view: ViewT) -> ViewT:
    """Exempt a view from :meth:`CoreAuth.protect`: requests to it need no token.

    Put it below the route decorator, or into a class-based view's ``decorators``.
    """

    @functools.wraps(view)
    def exempt(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return current_app.ensure_sync(view)(*args, **kwargs)

    setattr(exempt, EXEMPT_MARK, True)  # functools.wraps() copies it to the decorators above
    return t.cast(ViewT, exempt)


def mark_exempt(view: ViewT) -> ViewT:
    """Exempt a view of flask-core-auth's own, which reads its tokens itself.

    The mark is set on the view itself. :func:`auth_exempt` wraps the app's view instead: the app may also
    register the unwrapped function, which must stay protected.
    """
    setattr(view, EXEMPT_MARK, True)
    return view


def authorize_request() -> None:
    """Authorize the current request to a route under :meth:`.CoreAuth.protect`; its ``before_request``
    hook."""
    endpoint = request.endpoint
    if endpoint is None:  # 404 and 405 are the app's own
        return
    if not getattr(current_app.view_functions[endpoint], EXEMPT_MARK, False):
        authorize(fresh=False, optional=False, scopes=frozenset())


def authorize(*, fresh: bool, optional: bool, scopes: frozenset[str]) -> None:
    """Authorize the current request, or raise. This is the hot path.

    The parameters have the same meaning as in :func:`.auth_required`.
    """
    # Each access through a proxy costs as much as the look-up of a remembered token, so each proxy is
    # resolved once.
    context = app_ctx._get_current_object()  # type: ignore[attr-defined]  # typed as the proxy's target
    environ = request._get_current_object().environ  # type: ignore[attr-defined]  # the same
    app, values = context.app, vars(context.g)

    state: State | None = app.extensions.get(KEY)
    if state is None or app.extensions.get("flask-jwt-extended") is not state.callbacks.manager:
        raise setup_error(state)
    location: str | None = "headers"
    token = state.tokens.recall(environ.get("HTTP_AUTHORIZATION"))
    if token is None or environ["REQUEST_METHOD"] == "OPTIONS":
        token, location = _find_token(state, environ, optional)
    if token is not None:
        try:
            claims, user = check_active(state, token)
        except REJECTIONS as error:
            if not _is_open(state, environ):
                log_rejection(error)
                raise
            token = None
    if token is None:
        if (fresh or scopes) and state.config.enable and environ["REQUEST_METHOD"] != "OPTIONS":
            raise _logged(UnauthorizedError.missing(state.config.realm, Reason.BYPASS))
        values.update(
            _core_auth_environ=environ,
            _core_auth_granted=ANONYMOUS,
            _core_auth_identity=None,
            _jwt_extended_jwt={},
            _jwt_extended_jwt_header={},
            _jwt_extended_jwt_user={"loaded_user": None},
            _jwt_extended_jwt_location=None,
        )
        return

    if fresh and not token.fresh and state.config.enable:
        raise _logged(UnauthorizedError.not_fresh(state.config.realm))
    if scopes and not token.identity.has_scopes(scopes) and state.config.enable:
        raise _logged(InsufficientScopeError(scopes, realm=state.config.realm))
    # One update instead of seven calls of g.__setattr__(), which is written in Python.
    values.update(
        _core_auth_environ=environ,
        _core_auth_granted=token.identity,
        _core_auth_identity=None,
        _jwt_extended_jwt=claims,
        _jwt_extended_jwt_header=token.header(),
        _jwt_extended_jwt_user=user,
        _jwt_extended_jwt_location=location,
    )


def check_active(state: State, token: VerifiedToken) -> tuple[dict[str, t.Any], dict[str, t.Any] | None]:
    """Check that a verified token is still active (the term of RFC 7662): its session, the app's callbacks.

    :return: the claims, a copy, and the value that flask-jwt-extended keeps for its ``current_user``.
    :raises UnauthorizedError: if it is not.
    :raises ServiceUnavailableError: if the session store is down or a callback fails.
    """
    claims, sessions = token.claims(), state.sessions
    if sessions is not None and sessions.always and not sessions.is_live(claims.get("sid"), token.identity):
        raise UnauthorizedError.invalid(state.config.realm, missing_session(claims))
    return claims, state.callbacks.check(token.header, claims)


def missing_session(claims: Mapping[str, t.Any]) -> Reason:
    """Return the reason for which a token without a live session is rejected.

    :param claims: the claims of the token.
    """
    return Reason.ENDED if "sid" in claims else Reason.NO_SESSION


def _find_token(
    state: State, environ: WSGIEnvironment, optional: bool
) -> tuple[VerifiedToken, str] | tuple[None, None]:
    """Return the request's token and its place; None if the request is allowed without a token."""
    if environ["REQUEST_METHOD"] == "OPTIONS":
        return None, None
    try:
        sent = read_token(state.tokens, state.config.realm, "access", environ)
        if sent is not None:
            return sent
        if not optional:
            raise missing_token(state.config.realm, environ)
    except UnauthorizedError as error:
        if not _is_open(state, environ):
            log_rejection(error)
            raise
    return None, None


def _logged(error: ErrorT) -> ErrorT:
    log_rejection(error)
    return error


def _is_open(state: State, environ: WSGIEnvironment) -> bool:
    """Tell whether a request needs no token."""
    config = state.config
    return not config.enable or (config.disable_localhost and is_local(environ))

"""Protecting routes: ``auth_required`` on a view, ``auth_exempt`` to let one out of a guarded whole."""

from __future__ import annotations

import functools
import inspect
import typing as t
from collections.abc import Callable, Iterable

from flask import current_app

from .guard import EXEMPT_MARK, admit
from .identity import is_scope

ViewT = t.TypeVar("ViewT", bound=Callable[..., t.Any])


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
    """Let a request into a view only with an access token (RFC 6750).

    ::

        @app.get("/api/v3/process")
        @auth_required
        def processes():
            return {"user": current_identity.subject}


        @app.post("/api/v3/password")
        @auth_required(fresh=True)
        def change_password(): ...

    It goes below the route decorator, also on async views, and into a class-based view's ``decorators``.
    Requests with the method OPTIONS pass: a CORS preflight carries no token.

    :param fresh: ask for a token from a login, not from a refresh.
    :param optional: let a request without a token in as anonymous; one with a bad token is refused.
    :param scopes: a scope that the token must carry, or several, all of which it must carry.
    :raises UnauthorizedError: at a request without a token that is accepted.
    :raises InsufficientScopeError: at a request whose token lacks a scope.
    """
    required = frozenset((scopes,) if isinstance(scopes, str) else scopes)
    for scope in required:
        if not is_scope(scope):
            raise ValueError(f"{scope!r} is no scope (name several as a list)")
    if optional and (fresh or required):
        raise ValueError("optional lets anybody in: it cannot go with fresh or scopes")

    def protect(view: ViewT) -> ViewT:
        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            def protected(*args: t.Any, **kwargs: t.Any) -> t.Any:
                admit(fresh=fresh, optional=optional, scopes=required)
                return current_app.ensure_sync(view)(*args, **kwargs)

        else:

            @functools.wraps(view)
            def protected(*args: t.Any, **kwargs: t.Any) -> t.Any:
                admit(fresh=fresh, optional=optional, scopes=required)
                return view(*args, **kwargs)

        return t.cast(ViewT, protected)

    return protect if view is None else protect(view)


def auth_exempt(view: ViewT) -> ViewT:
    """Let a view out of what :meth:`CoreAuth.protect` guards: anybody may call it.

    It goes below the route decorator, or into a class-based view's ``decorators``.
    """
    setattr(view, EXEMPT_MARK, True)  # functools.wraps() keeps it
    return view

"""Protecting routes: ``auth_required`` on a view, ``auth_exempt`` to let one out of a guarded whole."""

from __future__ import annotations

import contextlib
import functools
import inspect
import typing as t
from collections.abc import Callable, Iterable

from flask import current_app

from .guard import EXEMPT_MARK, admit
from .identity import is_scope

#: The attribute of a view that asks for a token ...
PROTECTED_MARK = "_core_auth_protected"
#: ... and of what is inside it, which does not.
BARE_MARK = "_core_auth_bare"

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

    It goes below the route decorator (above it, it would protect nothing), also on async views, and into a
    class-based view's ``decorators``.

    Requests with the method OPTIONS pass, because a CORS preflight carries no token. Flask answers them by
    itself; a view that lists OPTIONS among its methods gets them, from anybody, as anonymous.

    :param fresh: ask for a token from a login, not from a refresh.
    :param optional: let a request without a token in as anonymous; one with a bad token is refused.
    :param scopes: a scope that the token must carry, or several, all of which it must carry.
    :raises UnauthorizedError: at a request without a token that is accepted.
    :raises InsufficientScopeError: at a request whose token lacks a scope.
    """
    if view is not None and not callable(view):
        raise TypeError(f"auth_required takes keywords: @auth_required(scopes={view!r})")
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

        setattr(protected, PROTECTED_MARK, True)
        with contextlib.suppress(AttributeError):  # a bound method takes no attributes
            setattr(view, BARE_MARK, True)
        return t.cast(ViewT, protected)

    return protect if view is None else protect(view)


def auth_exempt(view: ViewT) -> ViewT:
    """Let a view out of what :meth:`CoreAuth.protect` guards: anybody may call it.

    It goes below the route decorator, or into a class-based view's ``decorators``.
    """

    @functools.wraps(view)
    def exempt(*args: t.Any, **kwargs: t.Any) -> t.Any:
        return current_app.ensure_sync(view)(*args, **kwargs)

    setattr(exempt, EXEMPT_MARK, True)  # which functools.wraps() hands on to what is wrapped around it
    return t.cast(ViewT, exempt)

"""Identities: the subject of a request, and ``current_identity``."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from flask import g, has_request_context, request
from werkzeug.local import LocalProxy

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The scope that stands for every scope.
EVERY_SCOPE = "*"
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """The subject of a request, as its token names it.

    :param subject: the token's subject: a local user's name, an Auth0 subject, or the subject that the
        app issued the token for. ``None`` for an anonymous request.
    :param idp: the identity provider of the subject: ``"local"`` (a configured user), ``"host"`` (the app
        itself) or an Auth0 tenant's domain.
    :param scopes: the scopes of the subject; ``"*"`` stands for every scope.
    :param claims: the token's claims, a copy that belongs to this request alone.
    :param authenticated: False for a request that was authorized without a token.
    """

    subject: str | None
    idp: str = "host"
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, t.Any] = field(default_factory=dict, repr=False)
    authenticated: bool = True

    def __post_init__(self) -> None:
        # A single string is an iterable of letters: scopes="admin" would grant "a", "d", ...
        if isinstance(self.scopes, str):
            raise TypeError(f"scopes must be a collection of strings, not {self.scopes!r}")
        scopes = frozenset(self.scopes)
        for scope in scopes:
            if not is_scope(scope):
                raise ValueError(f"{scope!r} is no scope")
        object.__setattr__(self, "scopes", scopes)

    def has_scopes(self, required: Iterable[str]) -> bool:
        """Tell whether every one of the ``required`` scopes is granted."""
        return EVERY_SCOPE in self.scopes or self.scopes.issuperset(required)


def is_subject(value: object) -> t.TypeGuard[str]:
    """Tell whether ``value`` can be a subject: a string that is not empty and that every store can hold."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell
        return False
    return True


def is_scope(value: object) -> t.TypeGuard[str]:
    """Tell whether ``value`` is one scope (RFC 6749, 3.3): printable ASCII without spaces, ``"`` and
    ``\\``."""
    return isinstance(value, str) and _SCOPE.fullmatch(value) is not None


#: The identity of a request that was authorized without a token.
ANONYMOUS = Identity(subject=None, idp="", authenticated=False)


@dataclass(frozen=True, slots=True)
class Admitted:
    """An identity that the validators admitted: at a login, or again at a refresh.

    :param identity: the identity, with the scopes that it has now.
    :param credential: a keyed digest of the credential that admitted it, for the refresh token; None for an
        identity without a configured credential.
    """

    identity: Identity
    credential: str | None = field(default=None, repr=False)


def intersect_scopes(granted: frozenset[str], allowed: frozenset[str]) -> frozenset[str]:
    """Return the part of the ``granted`` scopes that is ``allowed``; :data:`EVERY_SCOPE` contains any
    scope."""
    if EVERY_SCOPE in granted:
        return allowed
    if EVERY_SCOPE in allowed:
        return granted
    return granted & allowed


_UNKNOWN = (
    "current_identity is known only in a view under @auth_required, or a view under CoreAuth.protect()"
)


def _identity_of_request() -> Identity:
    values = g._get_current_object()
    # If an app context was pushed by hand, g outlives the request and may hold another request's identity.
    if values.get("_core_auth_environ") is not (request.environ if has_request_context() else None):
        raise RuntimeError(_UNKNOWN)
    identity: Identity | None = values.get("_core_auth_identity")
    if identity is None:
        granted: Identity | None = values.get("_core_auth_granted")
        if granted is None:
            raise RuntimeError(_UNKNOWN)
        # Made at its first use: most views never use it, and the decision is the hot path.
        identity = replace(granted, claims=values._jwt_extended_jwt)
        values._core_auth_identity = identity
    return identity


#: The :class:`Identity` of the current request, in a view under :func:`auth_required`.
current_identity: Identity = t.cast(Identity, LocalProxy(_identity_of_request))

"""Exceptions; each is an HTTP response with the body ``{code, message, details}``."""

from __future__ import annotations

import json
import typing as t

from werkzeug import exceptions as http

from .rejections import Reason

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from _typeshed.wsgi import WSGIEnvironment


class ConfigError(ValueError):
    """The app's config cannot be used. Raised at registration, with every problem at once.

    :param problems: pairs of a key in ``app.config`` and the problem with its value.
    """

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  {key}: {problem}" for key, problem in self.problems)
        super().__init__(f"flask-core-auth cannot use this configuration:{lines}")


class AuthError(http.HTTPException):
    """A request was rejected. The base class; each status has one subclass.

    Each subclass is also Werkzeug's exception of that status, so an app's own error handlers treat it
    like ``abort(status)``. If the app has no handler, the response is the JSON body of the
    datarhei Core: ``{"code": 401, "message": "Unauthorized", "details": ["..."]}``.

    :param details: the reasons, a sentence each.
    """

    def __init__(self, *details: str) -> None:
        super().__init__(description="; ".join(details))
        self.details = details

    def get_body(
        self, environ: WSGIEnvironment | None = None, scope: dict[str, t.Any] | None = None
    ) -> str:
        body = {"code": self.code, "message": self.name, "details": list(self.details)}
        return json.dumps(body, separators=(",", ":")) + "\n"

    def get_headers(
        self, environ: WSGIEnvironment | None = None, scope: dict[str, t.Any] | None = None
    ) -> list[tuple[str, str]]:
        return [("Content-Type", "application/json"), *self.headers()]

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers of this rejection, for any response to it."""
        return []


class BadRequestError(AuthError, http.BadRequest):
    """400: the request is not valid for the route."""


class UnauthorizedError(AuthError, http.Unauthorized):
    """401: the request has no token, or an invalid one. Carries the challenge of RFC 6750, section 3.

    :param realm: the protection space named in ``WWW-Authenticate``.
    :param error: the challenge's ``error`` attribute; None if no token was sent.
    :param reason: the reason, for the log. The client is not told.
    """

    def __init__(
        self, *details: str, realm: str, error: str | None = None, reason: Reason | None = None
    ) -> None:
        super().__init__(*details)
        self.realm = realm
        self.error = error
        self.reason = reason

    @classmethod
    def missing(cls, realm: str, reason: Reason = Reason.NO_TOKEN) -> t.Self:
        """Make the error for a request without a token."""
        return cls("Missing or invalid JWT token", realm=realm, reason=reason)

    @classmethod
    def invalid(cls, realm: str, reason: Reason | None = None) -> t.Self:
        """Make the error for a request with an invalid token. The client is not told which check failed."""
        return cls("Missing or invalid JWT token", realm=realm, error="invalid_token", reason=reason)

    @classmethod
    def expired(cls, realm: str) -> t.Self:
        """Make the error for a request whose token has expired."""
        return cls("Expired JWT token", realm=realm, error="invalid_token", reason=Reason.EXPIRED)

    @classmethod
    def not_fresh(cls, realm: str) -> t.Self:
        """Make the error for a valid token that was not issued straight after a login (RFC 9470)."""
        return cls(
            "A fresh login is required",
            realm=realm,
            error="insufficient_user_authentication",
            reason=Reason.NOT_FRESH,
        )

    def headers(self) -> list[tuple[str, str]]:
        return [("WWW-Authenticate", _challenge(realm=self.realm, error=self.error))]


class ForbiddenError(AuthError, http.Forbidden):
    """403: the credentials were rejected."""


class InsufficientScopeError(ForbiddenError):
    """403: the token is valid but lacks a scope. Carries the challenge of RFC 6750, section 3.1.

    :param scopes: the scopes that the route requires.
    :param realm: the protection space named in ``WWW-Authenticate``.
    """

    reason = Reason.SCOPES

    def __init__(self, scopes: Iterable[str], *, realm: str) -> None:
        self.scopes = " ".join(sorted(scopes))
        self.realm = realm
        super().__init__(f"The token lacks a scope that is required here: {self.scopes}")

    def headers(self) -> list[tuple[str, str]]:
        challenge = _challenge(realm=self.realm, error="insufficient_scope", scope=self.scopes)
        return [("WWW-Authenticate", challenge)]


class NotFoundError(AuthError, http.NotFound):
    """404: the caller has no resource with this ID."""


class ContentTooLargeError(AuthError, http.RequestEntityTooLarge):
    """413: the body is larger than the route's limit."""


class _RetryLaterError(AuthError):
    retry_after: datetime | int | None  # Werkzeug's type; here always seconds

    def __init__(self, *details: str, retry_after: int) -> None:
        super().__init__(*details)
        self.retry_after = retry_after

    def headers(self) -> list[tuple[str, str]]:
        return [("Retry-After", str(self.retry_after))]


class TooManyRequestsError(_RetryLaterError, http.TooManyRequests):
    """429: too many failed logins.

    :param retry_after: seconds until the limit allows the next attempt.
    """


class ServiceUnavailableError(_RetryLaterError, http.ServiceUnavailable):
    """503: the decision cannot be made now, because a store, a tenant or the app's own code failed.

    :param retry_after: seconds after which another attempt makes sense.
    """


def _challenge(**attributes: str | None) -> str:
    # RFC 9110, 11.2: the realm must be a quoted string; for the others it is the usual form too.
    quoted = (f'{name}="{value}"' for name, value in attributes.items() if value is not None)
    return "Bearer " + ", ".join(quoted)

"""The exceptions of this package, each an HTTP answer with the body ``{code, message, details}``."""

from __future__ import annotations

import json
import typing as t

from werkzeug import exceptions as http

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from _typeshed.wsgi import WSGIEnvironment


class ConfigError(ValueError):
    """The app's config cannot be used. Raised at registration, with every problem at once.

    :param problems: pairs of a config key and what is wrong with its value.
    """

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  {key}: {problem}" for key, problem in self.problems)
        super().__init__(f"flask-core-auth cannot use this configuration:{lines}")


class AuthError(http.HTTPException):
    """What this package refuses, and why. The base of one subclass a status.

    Each subclass is also Werkzeug's exception of that status, so an app's own error handlers treat it
    as they would ``abort(status)``. Where the app has none, the answer is the JSON body that the
    datarhei Core gives: ``{"code": 401, "message": "Unauthorized", "details": ["..."]}``.

    :param details: what was wrong, a sentence each.
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
        """The headers that belong to this refusal whoever answers it."""
        return []


class BadRequestError(AuthError, http.BadRequest):
    """400: the request itself is not what the route takes."""


class UnauthorizedError(AuthError, http.Unauthorized):
    """401: no token, or not one that is accepted here. Carries the challenge of RFC 6750, section 3.

    :param realm: the protection space named in ``WWW-Authenticate``.
    :param error: the challenge's ``error`` attribute; none where no token was sent.
    """

    def __init__(self, *details: str, realm: str, error: str | None = None) -> None:
        super().__init__(*details)
        self.realm = realm
        self.error = error

    @classmethod
    def missing(cls, realm: str) -> t.Self:
        """No token was sent."""
        return cls("Missing or invalid JWT token", realm=realm)

    @classmethod
    def invalid(cls, realm: str) -> t.Self:
        """A token was sent that is not accepted; which check it failed is nobody's business."""
        return cls("Missing or invalid JWT token", realm=realm, error="invalid_token")

    @classmethod
    def expired(cls, realm: str) -> t.Self:
        """A token of ours was sent that has expired."""
        return cls("Expired JWT token", realm=realm, error="invalid_token")

    @classmethod
    def not_fresh(cls, realm: str) -> t.Self:
        """The token is good but was not issued straight after a login (RFC 9470)."""
        return cls("A fresh login is required", realm=realm, error="insufficient_user_authentication")

    def headers(self) -> list[tuple[str, str]]:
        return [("WWW-Authenticate", _challenge(realm=self.realm, error=self.error))]


class ForbiddenError(AuthError, http.Forbidden):
    """403: these credentials are not admitted."""


class InsufficientScopeError(ForbiddenError):
    """403: the token is good but lacks a scope. Carries the challenge of RFC 6750, section 3.1.

    :param scopes: the scopes that the route asks for.
    :param realm: the protection space named in ``WWW-Authenticate``.
    """

    def __init__(self, scopes: Iterable[str], *, realm: str) -> None:
        self.scopes = " ".join(sorted(scopes))
        self.realm = realm
        super().__init__(f"The token lacks a scope that is required here: {self.scopes}")

    def headers(self) -> list[tuple[str, str]]:
        challenge = _challenge(realm=self.realm, error="insufficient_scope", scope=self.scopes)
        return [("WWW-Authenticate", challenge)]


class NotFoundError(AuthError, http.NotFound):
    """404: no such thing of the caller's."""


class ContentTooLargeError(AuthError, http.RequestEntityTooLarge):
    """413: the body is larger than the route reads."""


class _RetryLaterError(AuthError):
    retry_after: datetime | int | None  # as Werkzeug has it; here it is seconds

    def __init__(self, *details: str, retry_after: int) -> None:
        super().__init__(*details)
        self.retry_after = retry_after

    def headers(self) -> list[tuple[str, str]]:
        return [("Retry-After", str(self.retry_after))]


class TooManyRequestsError(_RetryLaterError, http.TooManyRequests):
    """429: too many failed logins.

    :param retry_after: seconds until the next try is answered.
    """


class ServiceUnavailableError(_RetryLaterError, http.ServiceUnavailable):
    """503: something that the decision needs cannot be had now; nobody was admitted or refused.

    :param retry_after: seconds after which another try makes sense.
    """


def _challenge(**attributes: str | None) -> str:
    # RFC 9110, 11.2: the realm must be a quoted string; for the others it is the usual form too.
    quoted = (f'{name}="{value}"' for name, value in attributes.items() if value is not None)
    return "Bearer " + ", ".join(quoted)

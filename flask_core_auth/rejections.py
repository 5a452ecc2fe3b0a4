"""The reasons for which tokens are rejected: for the log, and for ``flask core-auth explain``."""

from __future__ import annotations

import enum
import logging

logger = logging.getLogger("flask_core_auth")


class Reason(enum.Enum):
    """A reason for which a request or its token is rejected. It holds nothing of the token.

    :ivar check: the check of ``flask core-auth explain`` that finds it, or None if the token alone does
        not tell.
    """

    check: str | None

    # The request
    NO_TOKEN = "no token was sent", None
    SCHEME = "the Authorization header has another scheme than Bearer", None
    HEADER = "the Authorization header must be: Bearer <token>", None
    PLACE = "the query string has no JWT_QUERY_STRING_VALUE_PREFIX", None
    NO_CSRF = "the CSRF value is missing", None
    OTHER_CSRF = "the CSRF value is of another token", None
    # The token
    MALFORMED = "it is malformed", "form"
    ALGORITHM = "it is not signed with HS256", "alg"
    SIGNATURE = "it is not signed with one of the configured secrets", "signature"
    REALM = "it is of another realm (iss)", "iss"
    AUDIENCE = "it is for another audience (aud)", "aud"
    NO_EXPIRY = "it has no expiry (exp)", "exp"
    EXPIRED = "it has expired (exp)", "exp"
    NOT_BEFORE = "it is not valid yet (nbf)", "nbf"
    ISSUED_LATER = "it is not valid yet (iat)", "iat"
    NO_ACCESS_TOKEN = "it is no access token of this app (usefor)", "kind"
    NO_REFRESH_TOKEN = "it is no refresh token of this app (usefor)", "kind"
    # Its user and its session
    SUBJECT = "it has no subject (sub)", "user"
    IDENTITY = "its idp or its scope is invalid", "user"
    NOT_ALLOWED = "its user may no longer log in", "user"
    CREDENTIAL = "the password of its user has changed (cred)", "user"
    NO_SESSION = "it has no session (sid)", "session"
    ENDED = "its session has ended or does not exist (sid)", "session"
    SPENT = "it is a spent refresh token (jti)", "session"
    # The app's own callbacks
    BLOCKLIST = "the app's token_in_blocklist_loader rejects it", "user"
    VERIFICATION = "the app's token_verification_loader rejects it", "user"
    NO_USER = "the app's user_lookup_loader finds no user", "user"
    LOADER = "a loader of the app rejects it", "user"
    # The route
    NOT_FRESH = "it does not come from a login (fresh)", None
    SCOPES = "it lacks a scope that the route requires (scope)", None
    BYPASS = "the localhost bypass does not open a route with fresh or scopes", None

    def __new__(cls, text: str, check: str | None) -> Reason:
        reason = object.__new__(cls)
        reason._value_ = text
        reason.check = check
        return reason


def reason_of(error: Exception) -> Reason | None:
    """Return the reason for which a request is rejected; None for an error of the server, such as a store
    that is down.

    :param error: the error for the client. An error without a reason is the app's own: a loader raised it.
    """
    code = getattr(error, "code", None)
    if isinstance(code, int) and code >= 500:
        return None
    reason = getattr(error, "reason", None)
    return reason if isinstance(reason, Reason) else Reason.LOADER


def log_rejection(error: Exception) -> None:
    """Log the reason for which a request is rejected, at DEBUG."""
    reason = reason_of(error)
    if reason is not None:
        log_reason(reason)


def log_reason(reason: Reason) -> None:
    """Log a reason at DEBUG."""
    # For the app's developer alone: the client learns only that the token is invalid.
    logger.debug("Token rejected: %s", reason.value)

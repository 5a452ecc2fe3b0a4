"""Calls of the app's own code: its flask-jwt-extended callbacks, its ``password_verifier``."""

from __future__ import annotations

import contextlib
import json
import logging
import typing as t

from flask import current_app
from flask_jwt_extended.config import config as jwt_settings
from flask_jwt_extended.default_callbacks import default_blocklist_callback
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import ExpiredSignatureError, InvalidTokenError
from werkzeug.exceptions import HTTPException

from .errors import ServiceUnavailableError, UnauthorizedError
from .rejections import Reason

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flask_jwt_extended import JWTManager

    from .identity import Identity

logger = logging.getLogger("flask_core_auth")

#: Exceptions that pass as they are: rejections by flask-core-auth or the app, and the exceptions that
#: flask-jwt-extended has handlers for.
REJECTIONS = (HTTPException, JWTExtendedException, InvalidTokenError)
#: The Retry-After of a response to a failed callback.
CALLBACK_RETRY_AFTER_SECONDS = 5


@contextlib.contextmanager
def calling_host(name: str) -> Iterator[None]:
    """Run code of the app. Its rejections pass; if it fails, the request is rejected.

    :param name: the name of the code, for the log.
    :raises ServiceUnavailableError: if it raises anything but a rejection.
    """
    try:
        yield
    except Exception as error:  # the app's code may raise anything
        # flask-jwt-extended's handler needs jwt_data, which only its own decoder adds to this exception.
        unhandled = isinstance(error, ExpiredSignatureError) and not hasattr(error, "jwt_data")
        if isinstance(error, REJECTIONS) and not unhandled:
            raise
        logger.exception("The app's %s failed", name)
        raise ServiceUnavailableError(
            "A check of the application failed", retry_after=CALLBACK_RETRY_AFTER_SECONDS
        ) from error


def _call(callback: Callable[..., t.Any], *arguments: object) -> t.Any:
    # A coroutine is truthy: a callback that is a coroutine function would accept every token.
    return current_app.ensure_sync(callback)(*arguments)


#: Claims that flask-core-auth sets; the app's additional claims cannot replace or add them.
RESERVED_CLAIMS = frozenset(
    (
        "iss",
        "sub",
        "usefor",
        "type",
        "iat",
        "exp",
        "exi",
        "jti",
        "fresh",
        "idp",
        "scope",
        "sid",
        "cred",
        "csrf",
    )
)
#: Header members that the app cannot add: with another value, flask-core-auth would reject the token.
RESERVED_HEADERS = frozenset(("alg", "b64", "crit"))


#: The attribute of the built-in manager's token verification that holds the app's own.
APP_VERIFICATION = "_core_auth_app_verification"


class Additions(t.NamedTuple):
    """The claims and headers that the app adds to a subject's tokens.

    :param claims: the claims, without :data:`RESERVED_CLAIMS`.
    :param headers: the JOSE header members, without :data:`RESERVED_HEADERS`.
    """

    claims: Mapping[str, t.Any]
    headers: Mapping[str, t.Any]


class HostCallbacks:
    """The callbacks that the app has set on its JWTManager. They are looked up at each call, since an app
    may set them after the registration.

    :param manager: the JWTManager of the app.
    :param realm: the realm of the app, for challenges.
    :param own_verification: the manager's token verification that needs no call: :class:`.Tokens` has
        checked the same already.
    """

    def __init__(self, manager: JWTManager, *, realm: str, own_verification: Callable[..., bool]) -> None:
        self.manager = manager
        self._realm = realm
        self._own_verification = own_verification

    def additions(self, identity: Identity) -> Additions:
        """Ask for the additional claims and headers of the tokens of ``identity``.

        :raises ValueError: if the identity is anonymous.
        :raises ServiceUnavailableError: if a callback fails, or returns a value that JSON cannot hold.
        """
        subject = identity.subject
        if subject is None:
            raise ValueError("an anonymous identity has no tokens")
        with calling_host("additional_claims_loader"):
            # A copy: the app may return a dictionary that it shares between calls.
            claims = dict(_call(self.manager._user_claims_callback, subject))
        with calling_host("additional_headers_loader"):
            headers = dict(_call(self.manager._jwt_additional_header_callback, subject))
        with calling_host("additional_claims_loader or additional_headers_loader"):
            json.dumps([claims, headers], cls=jwt_settings.json_encoder)
        return Additions(
            {name: value for name, value in claims.items() if name not in RESERVED_CLAIMS},
            {name: value for name, value in headers.items() if name not in RESERVED_HEADERS},
        )

    def check(
        self, header: Callable[[], dict[str, t.Any]], claims: dict[str, t.Any]
    ) -> dict[str, t.Any] | None:
        """Ask the app about a token: blocklist, verification, user lookup.

        :param header: returns the token's header, a new copy for each callback.
        :return: the value that flask-jwt-extended keeps in ``g`` for its ``current_user``.
        :raises UnauthorizedError: if a callback rejects the token.
        :raises ServiceUnavailableError: if a callback fails.
        """
        manager = self.manager
        is_blocked = manager._token_in_blocklist_callback
        if is_blocked is not default_blocklist_callback:
            with calling_host("token_in_blocklist_loader"):
                if _call(is_blocked, header(), claims):
                    raise UnauthorizedError.invalid(self._realm, Reason.BLOCKLIST)
        is_verified = manager._token_verification_callback
        if is_verified is not self._own_verification:
            # Without the checks of flask-core-auth around it, which would reject a spent refresh token
            # before the store ends its session, and would look up each session twice.
            is_verified = getattr(is_verified, APP_VERIFICATION, is_verified)
            with calling_host("token_verification_loader"):
                if not _call(is_verified, header(), claims):
                    raise UnauthorizedError.invalid(self._realm, Reason.VERIFICATION)
        if manager._user_lookup_callback is None:
            return None
        with calling_host("user_lookup_loader"):
            user = _call(manager._user_lookup_callback, header(), claims)
            if user is None:
                raise UnauthorizedError.invalid(self._realm, Reason.NO_USER)
            return {"loaded_user": user}

"""The JWTManager of an app that has none, and checks of the app's flask-jwt-extended settings."""

from __future__ import annotations

import functools
import inspect
import sys
import time
import typing as t
from contextvars import ContextVar

from flask import current_app, request
from flask_jwt_extended import JWTManager
from flask_jwt_extended.default_callbacks import default_token_verification_callback
from flask_jwt_extended.exceptions import (
    CSRFError,
    InvalidHeaderError,
    InvalidQueryParamError,
    JWTDecodeError,
    RevokedTokenError,
    UserClaimsVerificationError,
    UserLookupError,
    WrongTokenError,
)
from jwt.exceptions import (
    ImmatureSignatureError,
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidIssuedAtError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
)

from . import jws
from .callbacks import APP_VERIFICATION
from .errors import UnauthorizedError
from .identity import is_subject
from .protection import missing_session
from .rejections import Reason, log_reason, log_rejection
from .state import State
from .transport import missing_token

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from flask import Flask
    from flask.typing import ResponseReturnValue

    from .config import AuthConfig

#: The cookie settings of an app without a JWTManager of its own, unless the app sets them. A refresh by
#: cookie needs the CSRF value, too, though it is a GET (:mod:`.transport`).
COOKIE_DEFAULTS: Mapping[str, t.Any] = {
    "JWT_TOKEN_LOCATION": ["headers", "cookies"],
    "JWT_COOKIE_SECURE": True,
    "JWT_COOKIE_SAMESITE": "Lax",
    "JWT_COOKIE_CSRF_PROTECT": True,
    "JWT_CSRF_METHODS": ["POST", "PUT", "PATCH", "DELETE"],
}

_signing_secret: ContextVar[str] = ContextVar("flask_core_auth_signing_secret")


class CoreJWTManager(JWTManager):
    """The manager of an app that has none of its own.

    Under it, the app's plain ``jwt_required()`` accepts the same tokens as ``auth_required``, and
    responds to the others in the same way.

    :param config: the app's config.
    """

    def __init__(self, config: AuthConfig) -> None:
        super().__init__()
        self._secrets = config.secrets
        self._realm = config.realm
        self.encode_key_loader(lambda identity: self._secrets[0])
        self.decode_key_loader(lambda header, claims: _signing_secret.get(self._secrets[0]))
        super().token_verification_loader(self.verify_claims)
        self.unauthorized_loader(lambda text: _respond(missing_token(self._realm, request.environ)))
        self.expired_token_loader(lambda header, claims: _respond(UnauthorizedError.expired(self._realm)))
        self.needs_fresh_token_loader(
            lambda header, claims: _respond(UnauthorizedError.not_fresh(self._realm))
        )
        self.invalid_token_loader(lambda text: self._respond_invalid())
        for loader in (
            self.revoked_token_loader,
            self.user_lookup_error_loader,
            self.token_verification_failed_loader,
        ):
            loader(lambda header, claims: self._respond_invalid())

    def __setattr__(self, name: str, value: object) -> None:
        # flask-jwt-extended calls its callbacks without await. A coroutine is truthy, so a coroutine
        # function would accept every token.
        if name.endswith("_callback") and inspect.iscoroutinefunction(value):
            value = _in_sync(value)
        super().__setattr__(name, value)

    def token_verification_loader(self, callback: Callable[..., t.Any]) -> Callable[..., t.Any]:
        """Set the app's token verification, which is called after :meth:`verify_claims`, not in place of
        it."""
        call = _in_sync(callback) if inspect.iscoroutinefunction(callback) else callback

        def verify(header: Mapping[str, t.Any], claims: Mapping[str, t.Any]) -> bool:
            if not self.verify_claims(header, claims):
                return False
            if not call(header, claims):
                log_reason(Reason.VERIFICATION)
                return False
            return True

        setattr(verify, APP_VERIFICATION, callback)
        super().token_verification_loader(verify)
        return callback

    def _respond_invalid(self) -> ResponseReturnValue:
        return _respond(UnauthorizedError.invalid(self._realm, Reason.MALFORMED))

    def verify_claims(self, header: Mapping[str, t.Any], claims: Mapping[str, t.Any]) -> bool:
        """Verify the claims that flask-jwt-extended does not check.

        Without these checks, a Core's refresh token, which has no ``type``, would pass as an access token,
        and a token without ``exp`` would never expire.
        """
        reason = self._rejection(claims)
        if reason is not None:
            log_reason(reason)
        return reason is None

    def _rejection(self, claims: Mapping[str, t.Any]) -> Reason | None:
        expires = claims.get("exp")
        if not jws.is_time(expires):
            return Reason.NO_EXPIRY
        if expires <= time.time():
            return Reason.EXPIRED
        if claims.get("iss") != self._realm:
            return Reason.REALM
        if claims.get("usefor") != claims.get("type"):
            return Reason.NO_REFRESH_TOKEN if claims.get("type") == "refresh" else Reason.NO_ACCESS_TOKEN
        if not is_subject(claims.get("sub")):
            return Reason.SUBJECT
        return _inactive(claims)

    def _decode_jwt_from_config(
        self, encoded_token: str, csrf_value: str | None = None, allow_expired: bool = False
    ) -> dict[str, t.Any]:
        if csrf_value is not None and not csrf_value.isascii():  # flask-jwt-extended fails on it
            raise CSRFError("CSRF double submit tokens do not match")
        # The key loader does not see the signature, so it cannot tell which secret signed: try each.
        for secret in self._secrets:
            reset = _signing_secret.set(secret)
            try:
                claims = super()._decode_jwt_from_config(encoded_token, csrf_value, allow_expired)
                return t.cast("dict[str, t.Any]", claims)
            except InvalidSignatureError as error:
                last = error
            finally:
                _signing_secret.reset(reset)
        raise last


def _inactive(claims: Mapping[str, t.Any]) -> Reason | None:
    """Return the reason for which a token is not active; None if it is active."""
    state = State.current()
    try:
        identity = state.tokens.identity(claims)
    except ValueError:
        return Reason.IDENTITY
    if claims["type"] == "refresh":
        # Otherwise a token that no refresh accepts any longer would still be accepted in a view.
        return state.grants.rejection(identity, claims)
    sessions = state.sessions
    if sessions is None or not sessions.always or sessions.is_live(claims.get("sid"), identity):
        return None
    return missing_session(claims)


def _in_sync(callback: Callable[..., t.Any]) -> Callable[..., t.Any]:
    @functools.wraps(callback)
    def call(*arguments: object) -> t.Any:
        return current_app.ensure_sync(callback)(*arguments)

    return call


def _respond(error: UnauthorizedError) -> ResponseReturnValue:
    # The exception that Flask handles now: flask-jwt-extended passes only its text to the callback.
    raised = sys.exception()
    if not isinstance(raised, UserClaimsVerificationError):  # verify_claims() has logged it
        error.reason = _reason(raised) or error.reason
        log_rejection(error)
    # By way of the app, so that its own handlers for this status are called.
    return current_app.handle_user_exception(error)


#: The reasons by the exceptions of flask-jwt-extended and PyJWT. The first match counts.
_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (InvalidHeaderError, Reason.HEADER),
    (InvalidQueryParamError, Reason.PLACE),
    (RevokedTokenError, Reason.BLOCKLIST),
    (UserLookupError, Reason.NO_USER),
    (InvalidSignatureError, Reason.SIGNATURE),
    (InvalidAlgorithmError, Reason.ALGORITHM),
    (InvalidAudienceError, Reason.AUDIENCE),
    (InvalidIssuerError, Reason.REALM),
    (InvalidIssuedAtError, Reason.ISSUED_LATER),
)


def _reason(raised: BaseException | None) -> Reason | None:
    text = str(raised)
    if isinstance(raised, CSRFError):
        return Reason.NO_CSRF if text.startswith("Missing") else Reason.OTHER_CSRF
    if isinstance(raised, WrongTokenError):
        return Reason.NO_REFRESH_TOKEN if text.startswith("Only refresh") else Reason.NO_ACCESS_TOKEN
    if isinstance(raised, ImmatureSignatureError):
        return Reason.ISSUED_LATER if text.endswith("(iat)") else Reason.NOT_BEFORE
    if isinstance(raised, MissingRequiredClaimError):
        return Reason.AUDIENCE if raised.claim == "aud" else Reason.REALM
    if isinstance(raised, JWTDecodeError):
        return Reason.OTHER_CSRF if text.endswith("csrf") else Reason.SUBJECT
    if type(raised).__name__ == "InvalidSubjectError":  # PyJWT 2.10 and newer
        return Reason.SUBJECT
    return next((reason for error, reason in _REASONS if isinstance(raised, error)), None)


def ensure_manager(app: Flask, config: AuthConfig, *, prefix: str) -> JWTManager:
    """Return the app's JWTManager. If the app has none, make one, with secure defaults of its settings.

    :param prefix: the URL prefix of the blueprint, the path of the refresh cookie.
    """
    manager: JWTManager | None = app.extensions.get("flask-jwt-extended")
    if manager is not None:
        return manager
    if config.cookies:
        for key, default in {**COOKIE_DEFAULTS, "JWT_REFRESH_COOKIE_PATH": prefix}.items():
            app.config.setdefault(key, default)
    app.config.setdefault("JWT_DECODE_LEEWAY", jws.LEEWAY_SECONDS)
    app.config.setdefault("JWT_ENCODE_NBF", False)
    handlers = app.error_handler_spec[None][None]
    before = dict(handlers)
    manager = CoreJWTManager(config)
    manager.init_app(app)
    _restore(handlers, before)
    return manager


def own_verification(manager: JWTManager) -> Callable[..., bool]:
    """Return the verification callback that the manager has unless the app sets one.

    The callback need not be called: :class:`.Tokens` has made the same checks.
    """
    if isinstance(manager, CoreJWTManager):
        return t.cast("Callable[..., bool]", manager._token_verification_callback)
    return t.cast("Callable[..., bool]", default_token_verification_callback)


def accepted_audience(app: Flask) -> frozenset[str] | None:
    """Return the ``aud`` values that the app's ``JWT_DECODE_AUDIENCE`` accepts, or None for any."""
    audience = app.config["JWT_DECODE_AUDIENCE"]
    return None if audience is None else _strings(audience)


def _restore(handlers: dict[type[Exception], t.Any], before: Mapping[type[Exception], t.Any]) -> None:
    """Restore the app's error handlers after ``init_app()``.

    It replaces the app's handlers of some exceptions. It also adds handlers of subclasses, which would win
    over the app's handler of the base class."""
    for error in [*handlers]:
        if any(base in before for base in error.__mro__ if base is not Exception):
            del handlers[error]
    handlers.update(before)


def setting_problems(app: Flask, config: AuthConfig | None) -> Iterator[tuple[str, str]]:
    """Yield the settings of flask-jwt-extended that conflict with flask-core-auth, with the problem.

    :param config: the app's config; None if it is invalid.
    """
    if app.config.get("JWT_ALGORITHM", "HS256") != "HS256":
        yield "JWT_ALGORITHM", f"must be HS256, not {app.config['JWT_ALGORITHM']!r}"
    if app.config.get("JWT_IDENTITY_CLAIM", "sub") != "sub":
        yield "JWT_IDENTITY_CLAIM", f"must be sub, not {app.config['JWT_IDENTITY_CLAIM']!r}"
    audience = app.config.get("JWT_DECODE_AUDIENCE")
    if audience is not None and not _strings(audience) & _strings(app.config.get("JWT_ENCODE_AUDIENCE")):
        yield "JWT_ENCODE_AUDIENCE", f"must be among JWT_DECODE_AUDIENCE ({audience!r})"
    if config is None:
        return
    issuer = app.config.get("JWT_DECODE_ISSUER")
    if issuer is not None and config.realm not in _strings(issuer):
        yield "JWT_DECODE_ISSUER", f"must admit API_AUTH_REALM ({config.realm!r}), the iss of the tokens"
    yield from _secret_problems(app, config)
    if config.cookies:
        yield from _cookie_problems(app)


def _secret_problems(app: Flask, config: AuthConfig) -> Iterator[tuple[str, str]]:
    manager = app.extensions.get("flask-jwt-extended")
    if manager is None:
        return
    with app.app_context():
        try:
            keys = [manager._encode_key_callback(""), manager._decode_key_callback({}, {})]
        except Exception as error:  # the app's own key loaders may raise anything
            yield "JWT_SECRET_KEY", f"cannot be read from the app's JWTManager: {error!r}"
            return
    if any(key not in (config.secrets[0], config.secrets[0].encode()) for key in keys):
        yield (
            "API_AUTH_JWT_SECRET",
            "is not the secret of the app's own JWTManager: leave it out and set JWT_SECRET_KEY",
        )


def _cookie_problems(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield the settings that would let a page of another site use or see the cookies."""
    settings = {key: app.config.get(key, default) for key, default in COOKIE_DEFAULTS.items()}
    if "cookies" not in _strings(settings["JWT_TOKEN_LOCATION"]):
        yield "JWT_TOKEN_LOCATION", "must contain cookies where API_AUTH_COOKIES is true"
    if settings["JWT_COOKIE_SECURE"] is not True:
        yield "JWT_COOKIE_SECURE", "must be True where API_AUTH_COOKIES is true"
    if settings["JWT_COOKIE_SAMESITE"] not in ("Lax", "Strict"):
        yield "JWT_COOKIE_SAMESITE", 'must be "Lax" or "Strict" where API_AUTH_COOKIES is true'
    if settings["JWT_COOKIE_CSRF_PROTECT"] is not True:
        yield "JWT_COOKIE_CSRF_PROTECT", "must be True where API_AUTH_COOKIES is true"
    if not set(COOKIE_DEFAULTS["JWT_CSRF_METHODS"]) <= set(settings["JWT_CSRF_METHODS"]):
        yield "JWT_CSRF_METHODS", "must contain POST, PUT, PATCH and DELETE where API_AUTH_COOKIES is true"


def _strings(value: str | Iterable[str] | None) -> frozenset[str]:
    return frozenset((value,) if isinstance(value, str) else value or ())

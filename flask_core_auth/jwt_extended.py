"""Living with flask-jwt-extended: the app's JWTManager, or ours where it has none, and its loaders."""

from __future__ import annotations

import time
import typing as t
from contextvars import ContextVar

from flask import current_app, request
from flask_jwt_extended import JWTManager, view_decorators
from flask_jwt_extended.config import config as jwt_settings
from flask_jwt_extended.default_callbacks import (
    default_blocklist_callback,
    default_token_verification_callback,
)
from flask_jwt_extended.exceptions import CSRFError, JWTExtendedException, NoAuthorizationError
from jwt import InvalidSignatureError

from . import compact
from .errors import UnauthorizedError
from .host_code import host_code

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from flask import Flask
    from flask.typing import ResponseReturnValue

    from .config import AuthConfig
    from .sessions import Sessions

_signing_secret: ContextVar[str] = ContextVar("flask_core_auth_signing_secret")


class CoreJWTManager(JWTManager):
    """The manager that an app gets where it has none of its own.

    Under it the app's plain ``jwt_required()`` accepts the tokens that ``auth_required`` accepts, and
    refuses with the same answers.

    :param config: the app's settings.
    :param sessions: the app's sessions, if it has any.
    """

    def __init__(self, config: AuthConfig, sessions: Sessions | None) -> None:
        super().__init__()
        self._sessions = sessions
        self._secrets = config.secrets
        self._realm = config.realm
        self.encode_key_loader(lambda identity: self._secrets[0])
        self.decode_key_loader(lambda header, claims: _signing_secret.get(self._secrets[0]))
        self.token_verification_loader(self.is_ours)
        self.unauthorized_loader(lambda reason: _answer(UnauthorizedError.missing(self._realm)))
        self.expired_token_loader(lambda header, claims: _answer(UnauthorizedError.expired(self._realm)))
        self.needs_fresh_token_loader(
            lambda header, claims: _answer(UnauthorizedError.not_fresh(self._realm))
        )
        self.invalid_token_loader(lambda reason: self._invalid())
        for refused in (
            self.revoked_token_loader,
            self.user_lookup_error_loader,
            self.token_verification_failed_loader,
        ):
            refused(lambda header, claims: self._invalid())

    def _invalid(self) -> ResponseReturnValue:
        return _answer(UnauthorizedError.invalid(self._realm))

    def is_ours(self, header: Mapping[str, t.Any], claims: Mapping[str, t.Any]) -> bool:
        """What flask-jwt-extended does not ask of a token: without it, a Core's refresh token, which has
        no ``type``, passes as an access token, and one without ``exp`` lives for ever."""
        expires = claims.get("exp")
        return (
            compact.is_time(expires)
            and expires > time.time()
            and claims.get("iss") == self._realm
            and claims.get("usefor") == claims.get("type")
            and self._is_of_live_session(claims)
        )

    def _is_of_live_session(self, claims: Mapping[str, t.Any]) -> bool:
        # A refresh token serves only as long as its session, whichever view takes it.
        if self._sessions is None or not (self._sessions.always or claims["type"] == "refresh"):
            return True
        return self._sessions.is_live(claims.get("sid"))

    def _decode_jwt_from_config(
        self, encoded_token: str, csrf_value: str | None = None, allow_expired: bool = False
    ) -> dict[str, t.Any]:
        if csrf_value is not None and not csrf_value.isascii():  # which flask-jwt-extended fails on
            raise CSRFError("CSRF double submit tokens do not match")
        # The key loader is not shown the token, so it cannot tell which secret signed it: try each.
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


def _answer(error: UnauthorizedError) -> ResponseReturnValue:
    # By way of the app, so that its own handlers for this status are heard.
    return current_app.handle_user_exception(error)


def conflicts(app: Flask, config: AuthConfig | None) -> Iterator[tuple[str, str]]:
    """What in the app's own flask-jwt-extended settings keeps our tokens from being issued or accepted.

    :param config: our settings, as far as they could be read.
    """
    if app.config.get("JWT_ALGORITHM", "HS256") != "HS256":
        yield "JWT_ALGORITHM", f"must be HS256, not {app.config['JWT_ALGORITHM']!r}"
    if app.config.get("JWT_IDENTITY_CLAIM", "sub") != "sub":
        yield "JWT_IDENTITY_CLAIM", f"must be sub, not {app.config['JWT_IDENTITY_CLAIM']!r}"
    audience = app.config.get("JWT_DECODE_AUDIENCE")
    if audience is not None and not _texts(audience) & _texts(app.config.get("JWT_ENCODE_AUDIENCE")):
        yield "JWT_ENCODE_AUDIENCE", f"must be among JWT_DECODE_AUDIENCE ({audience!r})"
    if config is None:
        return
    issuer = app.config.get("JWT_DECODE_ISSUER")
    if issuer is not None and config.realm not in _texts(issuer):
        yield "JWT_DECODE_ISSUER", f"must admit API_AUTH_REALM ({config.realm!r}), which is our iss"
    manager = app.extensions.get("flask-jwt-extended")
    if manager is not None:
        with app.app_context():
            try:
                keys = [manager._encode_key_callback(""), manager._decode_key_callback({}, {})]
            except Exception as error:  # the app's own key loaders may raise anything
                yield "JWT_SECRET_KEY", f"cannot be had from the app's JWTManager: {error!r}"
                return
        if any(key not in (config.secrets[0], config.secrets[0].encode()) for key in keys):
            yield (
                "API_AUTH_JWT_SECRET",
                "is not the secret of the app's own JWTManager: leave it out and set JWT_SECRET_KEY",
            )


def _texts(value: str | Iterable[str] | None) -> frozenset[str]:
    return frozenset((value,) if isinstance(value, str) else value or ())


def _put_back(handlers: dict[type[Exception], t.Any], before: Mapping[type[Exception], t.Any]) -> None:
    """Give back to the app what it handled before: init_app() replaces its handlers for some exceptions,
    and adds such for subclasses of what it handled as a whole, which win over it."""
    for error in [*handlers]:
        if any(base in before for base in error.__mro__ if base is not Exception):
            del handlers[error]
    handlers.update(before)


class Loaders:
    """The app's JWTManager, and what the app's own loaders on it say.

    :param app: the app; it is given a manager where it has none.
    :param config: our settings.
    :param sessions: the app's sessions, if it has any.
    """

    def __init__(self, app: Flask, config: AuthConfig, sessions: Sessions | None) -> None:
        self._realm = config.realm
        manager = app.extensions.get("flask-jwt-extended")
        if manager is None:
            manager = CoreJWTManager(config, sessions)
            app.config.setdefault("JWT_DECODE_LEEWAY", compact.LEEWAY)
            app.config.setdefault("JWT_ENCODE_NBF", False)
            handlers = app.error_handler_spec[None][None]
            before = dict(handlers)
            manager.init_app(app)
            _put_back(handlers, before)
        self.manager = manager
        # What ours asks of a token has been asked when it was verified.
        self._own_verification = (
            manager._token_verification_callback
            if isinstance(manager, CoreJWTManager)
            else default_token_verification_callback
        )
        audience = app.config["JWT_DECODE_AUDIENCE"]
        self._audience = None if audience is None else _texts(audience)

    def admit_audience(self, audience: object) -> bool:
        """Whether a token's ``aud`` is one that the app's ``JWT_DECODE_AUDIENCE`` asks for, if it does."""
        if self._audience is None:
            return True
        named = audience if isinstance(audience, list) else [audience]
        return any(isinstance(name, str) and name in self._audience for name in named)

    def additional_claims(self, subject: str) -> dict[str, t.Any]:
        """What the app adds to the claims of ``subject``'s tokens; a copy, its own stays as it is."""
        with host_code("additional_claims_loader"):
            return dict(self.manager._user_claims_callback(subject))

    def additional_headers(self, subject: str) -> dict[str, t.Any]:
        """What the app adds to the header of ``subject``'s tokens; a copy."""
        with host_code("additional_headers_loader"):
            return dict(self.manager._jwt_additional_header_callback(subject))

    def check(
        self, header: Callable[[], dict[str, t.Any]], claims: dict[str, t.Any]
    ) -> dict[str, t.Any] | None:
        """Ask the app's loaders about a token: blocklist, verification, user.

        :param header: gives the token's header, a copy, to those that are there.
        :return: what flask-jwt-extended keeps in ``g`` for its ``current_user``.
        :raises UnauthorizedError: if one of them says no.
        """
        manager = self.manager
        blocked = manager._token_in_blocklist_callback
        if blocked is not default_blocklist_callback:
            with host_code("token_in_blocklist_loader"):
                if blocked(header(), claims):
                    raise UnauthorizedError.invalid(self._realm)
        verified = manager._token_verification_callback
        if verified is not self._own_verification:
            with host_code("token_verification_loader"):
                if not verified(header(), claims):
                    raise UnauthorizedError.invalid(self._realm)
        if manager._user_lookup_callback is None:
            return None
        with host_code("user_lookup_loader"):
            user = manager._user_lookup_callback(header(), claims)
            if user is None:
                raise UnauthorizedError.invalid(self._realm)
            return {"loaded_user": user}


class FoundToken(t.NamedTuple):
    """A token that came in another place than the Authorization header.

    :param token: as it was sent.
    :param csrf: the CSRF value that was sent with it; None where none is asked for.
    :param location: the place, as ``JWT_TOKEN_LOCATION`` names it.
    """

    token: str
    csrf: str | None
    location: str


def find_token(realm: str, *, refresh: bool) -> FoundToken | None:
    """The token in the places, other than the Authorization header, that ``JWT_TOKEN_LOCATION`` admits.

    :raises UnauthorizedError: if there is one that cannot be used.
    """
    for location in jwt_settings.token_location:
        finder = _FINDERS.get(location)
        if finder is None:
            continue
        try:
            token, csrf = finder(refresh)
        except NoAuthorizationError:
            continue
        except JWTExtendedException:  # what is there lacks its CSRF value or its prefix
            raise UnauthorizedError.invalid(realm) from None
        if not isinstance(token, str):
            raise UnauthorizedError.invalid(realm)
        return FoundToken(token, csrf, location)
    return None


def _in_cookies(refresh: bool) -> tuple[object, str | None]:
    token, csrf = view_decorators._decode_jwt_from_cookies(refresh)
    if refresh and csrf is None and jwt_settings.cookie_csrf_protect:
        # Our refresh is a GET, which flask-jwt-extended leaves out, but one that gives out a token.
        csrf = request.headers.get(jwt_settings.refresh_csrf_header_name)
        if not csrf:
            raise CSRFError("Missing CSRF token")
    return token, csrf


def _in_query_string(refresh: bool) -> tuple[object, str | None]:
    try:
        return view_decorators._decode_jwt_from_query_string()
    except UnicodeDecodeError:  # Werkzeug fails on a query string that is not UTF-8
        raise NoAuthorizationError("No query string") from None


def _in_json(refresh: bool) -> tuple[object, str | None]:
    # flask-jwt-extended fails on JSON that is no object, or that is nested too deeply.
    try:
        body = request.get_json(silent=True)
    except RecursionError:
        body = None
    if not isinstance(body, dict):
        raise NoAuthorizationError("No JSON object")
    return view_decorators._decode_jwt_from_json(refresh)


_FINDERS: Mapping[str, Callable[[bool], tuple[object, str | None]]] = {
    "cookies": _in_cookies,
    "query_string": _in_query_string,
    "json": _in_json,
}

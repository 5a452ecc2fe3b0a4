"""Tokens in requests and responses: in the Authorization header, cookies, query string and JSON. Bodies
have a maximum size."""

from __future__ import annotations

import hmac
import typing as t

from flask import jsonify, request
from flask_jwt_extended import (
    set_access_cookies,
    set_refresh_cookies,
    unset_jwt_cookies,
    view_decorators,
)
from flask_jwt_extended.config import config as jwt_settings
from flask_jwt_extended.exceptions import CSRFError, JWTExtendedException, NoAuthorizationError
from werkzeug.exceptions import RequestEntityTooLarge

from . import jws
from .errors import BadRequestError, ContentTooLargeError, UnauthorizedError
from .rejections import Reason

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _typeshed.wsgi import WSGIEnvironment
    from flask import Request, Response

    from .tokens import Tokens, TokenUse, VerifiedToken


#: RFC 9110, 9.2.1.
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


class MalformedBearerError(ValueError):
    """The Authorization header has the scheme Bearer but not exactly one token."""


class SentToken(t.NamedTuple):
    """A token that was not sent in the Authorization header.

    :param token: the token, not verified.
    :param csrf: the CSRF value that was sent with it; None if the request needs none.
    :param location: the place of the token, as ``JWT_TOKEN_LOCATION`` names it.
    """

    token: str
    csrf: str | None
    location: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}(location={self.location!r})"


def bearer_token(header: str | None) -> str | None:
    """Return the token in an ``Authorization`` header; None without a header, or with another scheme.

    :raises MalformedBearerError: if the header has not exactly one token.
    """
    if header is None:
        return None
    # By the space only: str.split() without an argument also splits at characters that HTTP does not.
    scheme, *token = list(filter(None, header.split(" "))) or [""]
    if scheme.lower() != "bearer":
        return None
    if len(token) != 1 or not token[0].isascii():
        raise MalformedBearerError("The Authorization header must be: Bearer <token>")
    return token[0]


def read_token(
    tokens: Tokens, realm: str, use: TokenUse, environ: WSGIEnvironment
) -> tuple[VerifiedToken, str] | None:
    """Read and verify the token of the current request; None if the request has none.

    The Authorization header goes first, then the places in the app's ``JWT_TOKEN_LOCATION``.

    :param tokens: verifies the token.
    :param realm: the app's realm, for challenges.
    :param use: the use that the token must have been issued for.
    :param environ: the WSGI environment of the request.
    :return: the token and its place, as ``JWT_TOKEN_LOCATION`` names it.
    :raises UnauthorizedError: if the token is not valid, or lacks its CSRF value.
    """
    try:
        bearer = bearer_token(environ.get("HTTP_AUTHORIZATION"))
    except MalformedBearerError:
        raise UnauthorizedError.invalid(realm, Reason.HEADER) from None
    if bearer is not None:
        return tokens.verify(bearer, use), "headers"
    sent = _read_elsewhere(realm, refresh=use == "refresh")
    if sent is None:
        return None
    token = tokens.verify(sent.token, use)
    if sent.csrf is not None:
        expected = token.claims().get("csrf")
        if not isinstance(expected, str) or not hmac.compare_digest(expected.encode(), sent.csrf.encode()):
            raise UnauthorizedError.invalid(realm, Reason.OTHER_CSRF)
    return token, sent.location


def missing_token(realm: str, environ: WSGIEnvironment) -> UnauthorizedError:
    """Make the error for a request from which :func:`read_token` reads no token."""
    header = environ.get("HTTP_AUTHORIZATION", "").strip()
    return UnauthorizedError.missing(realm, Reason.SCHEME if header else Reason.NO_TOKEN)


def _read_elsewhere(realm: str, *, refresh: bool) -> SentToken | None:
    for location in jwt_settings.token_location:
        reader = _READERS.get(location)
        if reader is None:
            continue
        try:
            token, csrf = reader(refresh)
        except NoAuthorizationError:
            continue
        except JWTExtendedException as error:  # the token lacks its CSRF value or its prefix
            reason = Reason.NO_CSRF if isinstance(error, CSRFError) else Reason.PLACE
            raise UnauthorizedError.invalid(realm, reason) from None
        if not isinstance(token, str):
            raise UnauthorizedError.invalid(realm, Reason.MALFORMED)
        return SentToken(token, csrf, location)
    return None


def _read_cookies(refresh: bool) -> tuple[object, str | None]:
    token, csrf = view_decorators._decode_jwt_from_cookies(refresh)
    # flask-jwt-extended needs the value for the methods in JWT_CSRF_METHODS. Every other unsafe method
    # needs it too, and so does the refresh, a GET that changes the session.
    needs_csrf = refresh or request.method not in _SAFE_METHODS
    if needs_csrf and csrf is None and jwt_settings.cookie_csrf_protect:
        header = jwt_settings.refresh_csrf_header_name if refresh else jwt_settings.access_csrf_header_name
        csrf = request.headers.get(header)
        if not csrf:
            raise CSRFError("Missing CSRF token")
    return token, csrf


def _read_query_string(refresh: bool) -> tuple[object, str | None]:
    try:
        return view_decorators._decode_jwt_from_query_string()
    except UnicodeDecodeError:  # Werkzeug fails on a query string that is not UTF-8
        raise NoAuthorizationError("No query string") from None


def _read_json(refresh: bool) -> tuple[object, str | None]:
    # flask-jwt-extended fails on JSON that is not an object, or that is nested too deeply.
    try:
        body = request.get_json(silent=True)
    except RecursionError:
        body = None
    if not isinstance(body, dict):
        raise NoAuthorizationError("No JSON object")
    return view_decorators._decode_jwt_from_json(refresh)


_READERS: Mapping[str, Callable[[bool], tuple[object, str | None]]] = {
    "cookies": _read_cookies,
    "query_string": _read_query_string,
    "json": _read_json,
}


def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Read the request's body.

    :param max_bytes: the largest body that is accepted.
    :raises ContentTooLargeError: if the body is larger.
    :raises BadRequestError: if the body ends early, or its chunks are malformed.
    """
    # One byte more than is accepted: Werkzeug cuts a chunked body at its limit instead of rejecting it.
    request.max_content_length = max_bytes + 1
    try:
        body = request.get_data()
    except RequestEntityTooLarge:
        body = None
    except Exception:
        # Werkzeug's ClientDisconnected, or an exception of the server's own parser at malformed chunks.
        raise BadRequestError("The body is incomplete or its chunks are malformed") from None
    if body is None or len(body) > max_bytes:
        raise ContentTooLargeError(f"The body must not be larger than {max_bytes} bytes") from None
    return body


def tokens_response(tokens: Mapping[str, str], *, cookies: bool, body: bool = True) -> Response:
    """Make the response that returns new tokens.

    :param tokens: the tokens by their names in the body: ``access_token``, ``refresh_token``.
    :param cookies: whether to set them as cookies.
    :param body: whether the body holds them; otherwise it is ``{}``.
    """
    response = jsonify(tokens if body else {})
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, 5.1
    if cookies:
        set_cookies(response, tokens)
    return response


def set_cookies(response: Response, tokens: Mapping[str, str]) -> None:
    """Set the cookies of new tokens; each lasts as long as its token."""
    set_access_cookies(response, tokens["access_token"], max_age=_lifetime(tokens["access_token"]))
    if "refresh_token" in tokens:
        set_refresh_cookies(response, tokens["refresh_token"], max_age=_lifetime(tokens["refresh_token"]))


def unset_cookies(response: Response) -> None:
    """Delete the cookies in the browser."""
    unset_jwt_cookies(response)


def _lifetime(token: str) -> int:
    lifetime: int = jws.load_object(jws.parse(token).payload)["exi"]
    return lifetime

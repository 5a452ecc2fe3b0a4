"""The two requests that return tokens: the login and the refresh."""

from __future__ import annotations

import json
import time
import typing as t
from email.utils import parsedate_to_datetime

import httpx2

from .. import __version__
from .body import MAX_BODY
from .credentials import Credentials
from .deadline import token_timeouts
from .errors import CoreClientError, LoginError, RefreshError
from .redaction import redacted, redacted_target
from .tokens import ActiveTokens, is_bearer

#: The longest ``Retry-After`` that is believed, in seconds.
MAX_RETRY_AFTER = 86400.0

TokenFlow = t.Generator[httpx2.Request, httpx2.Response, ActiveTokens]


class TokenExchange:
    """Exchanges a refresh token, or credentials, for new tokens.

    The class sends nothing itself. Like the flows of :class:`httpx2.Auth`, :meth:`obtain` yields requests
    and receives their responses, already read, so that it works with sync and async clients.

    :param base_url: the address of the server; a path in it is put in front of ``prefix``.
    :param prefix: the path of the server's login API.
    :param headers: sent with each login and refresh.
    :param timeout: of each login and refresh, see :func:`~flask_core_auth.client.deadline.token_timeouts`.
    """

    def __init__(
        self,
        base_url: httpx2.URL,
        credentials: Credentials,
        *,
        prefix: str,
        headers: t.Mapping[str, str],
        timeout: float | httpx2.Timeout | None,
    ) -> None:
        parts = (base_url.raw_path.decode("ascii").strip("/"), prefix.strip("/"), "login")
        path = "/" + "/".join(part for part in parts if part)
        self._login_url = base_url.join(path)
        self._refresh_url = base_url.join(f"{path}/refresh")
        self._credentials = credentials
        self._headers = httpx2.Headers({"User-Agent": f"flask-core-auth/{__version__}"})
        self._headers.update(headers)
        self._headers["Accept"] = "application/json"
        self._headers["Accept-Encoding"] = "identity"
        self._headers.pop("Authorization", None)
        self._headers.pop("Content-Type", None)
        self._timeout = timeout

    def obtain(self, tokens: ActiveTokens) -> TokenFlow:
        """Refresh. Log in instead if there is no refresh token or the server rejects it.

        :raises RefreshError: if the refresh fails for another reason, or there are no credentials.
        :raises LoginError: if the login fails.
        """
        if tokens.refresh_token:
            try:
                return (yield from self._refresh(tokens))
            except RefreshError as error:
                if error.status not in (401, 403) or not self._credentials:
                    raise
        if not self._credentials:
            raise RefreshError(
                "There is no refresh token, and nothing to log in with: pass refresh_token, username and"
                " password, or auth0_token"
            )
        return (yield from self._log_in(tokens))

    def _refresh(self, tokens: ActiveTokens) -> TokenFlow:
        request = self._request("GET", self._refresh_url, bearer=tokens.refresh_token)
        body = yield from _fetch(request, RefreshError, secrets=self._secrets(tokens))
        # A Core's refresh token stays valid; with rotation, each response contains the next refresh token.
        new = body.get("refresh_token")
        return _received(body, new if is_bearer(new) else tokens.refresh_token)

    def _log_in(self, tokens: ActiveTokens) -> TokenFlow:
        auth0_token = self._credentials.current_auth0_token()
        if auth0_token:
            request = self._request("POST", self._login_url, bearer=auth0_token)
        else:
            credentials = {"username": self._credentials.username, "password": self._credentials.password}
            request = self._request("POST", self._login_url, body=credentials)
        body = yield from _fetch(request, LoginError, secrets=self._secrets(tokens, auth0_token))
        refresh_token = body.get("refresh_token")
        return _received(body, refresh_token if is_bearer(refresh_token) else "")

    def _secrets(self, tokens: ActiveTokens, auth0_token: str | None = None) -> list[str]:
        known = (self._credentials.password, auth0_token, tokens.access_token, tokens.refresh_token)
        return [secret for secret in known if secret]

    def _request(
        self,
        method: str,
        url: httpx2.URL,
        *,
        bearer: str | None = None,
        body: dict[str, str | None] | None = None,
    ) -> httpx2.Request:
        extensions = {"timeout": token_timeouts(self._timeout)}
        request = httpx2.Request(method, url, headers=self._headers, json=body, extensions=extensions)
        if bearer:
            request.headers["Authorization"] = f"Bearer {bearer}"
        return request


class _SingleUseBody(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A request body that can be sent once.

    If httpx2 follows a redirect that keeps the method (307, 308), it sends the body again, even to another
    origin. An auth flow cannot prevent that; only the body can.

    :param redirected: the error to raise when the body is sent a second time.
    """

    def __init__(self, body: bytes, redirected: CoreClientError) -> None:
        self._body = body
        self._redirected = redirected
        self._sent = False

    def _take(self) -> bytes:
        if self._sent:
            raise self._redirected
        self._sent = True
        return self._body

    def __iter__(self) -> t.Iterator[bytes]:
        yield self._take()

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        yield self._take()


def is_token_request(request: httpx2.Request) -> bool:
    """Return whether ``request`` is a login or a refresh."""
    return isinstance(request.stream, _SingleUseBody)


def _fetch(
    request: httpx2.Request, error: type[CoreClientError], *, secrets: list[str]
) -> t.Generator[httpx2.Request, httpx2.Response, dict[str, t.Any]]:
    """Yield ``request``, and return the JSON object of its response, which contains an access token.

    :param error: raised if the response is a redirect, is too long or contains no access token.
    :param secrets: what the text of the error must not contain.
    """
    name = f"{request.method} {request.url}"
    request.stream = _SingleUseBody(request.content, error(f"{name} was redirected, which is not followed"))
    response = yield request

    if response.request is not request or response.has_redirect_location:
        location = response.headers["Location"] if response.has_redirect_location else str(response.url)
        target = redacted_target(response.url, location, secrets)
        raise error(
            f"{name} was redirected to {target}, which is not followed:"
            " if that is the server, make its address the base URL",
            status=response.status_code,
        )
    if len(response.content) > MAX_BODY:
        raise error(f"{name} got a response of more than {MAX_BODY} bytes", status=response.status_code)
    body = _json_object(response)
    if response.is_success and is_bearer(body.get("access_token")):
        return body

    details = tuple(redacted(detail, secrets) for detail in _details(body))
    phrase = httpx2.codes.get_reason_phrase(response.status_code)
    reason = "; ".join(details) or ("no access token" if body else "no JSON")
    raise error(
        f"{name} got the response {response.status_code} {phrase}: {reason}",
        status=response.status_code,
        details=details,
        retry_after=_retry_after(response),
    )


def _received(body: dict[str, t.Any], refresh_token: str) -> ActiveTokens:
    return ActiveTokens.received(body["access_token"], refresh_token, now=time.monotonic())


def _json_object(response: httpx2.Response) -> dict[str, t.Any]:
    # An error of the JSON parser holds the whole document, tokens included. It must not become the context
    # of the error that the caller gets.
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _details(body: dict[str, t.Any]) -> list[str]:
    details = body.get("details")
    if not isinstance(details, list) or not details:
        details = [body.get("message")]
    return [detail for detail in details if isinstance(detail, str)]


def _retry_after(response: httpx2.Response) -> float | None:
    """Return ``Retry-After`` (RFC 9110, 10.2.3) in seconds. A date counts from the server's ``Date``.

    A longer time than a day is ``None``: a wrong value must not stop the caller for good.
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        try:
            then, now = map(parsedate_to_datetime, (value, response.headers.get("Date", "")))
            seconds = max(0.0, (then - now).total_seconds())
        except (TypeError, ValueError, OverflowError):
            return None
    return seconds if seconds <= MAX_RETRY_AFTER else None

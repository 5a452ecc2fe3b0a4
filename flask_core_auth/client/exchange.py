"""The two requests that return tokens: the login and the refresh."""

from __future__ import annotations

import json
import time
import typing as t
from email.utils import parsedate_to_datetime

import httpx2

from .. import __version__
from .credentials import Credentials
from .errors import CoreClientError, LoginError, RefreshError
from .tokens import ActiveTokens, is_bearer

Renewal = t.Generator[httpx2.Request, httpx2.Response, ActiveTokens]


class TokenExchange:
    """Exchanges a refresh token, or credentials, for tokens.

    It sends nothing itself. Like the flows of :class:`httpx2.Auth`, :meth:`renew` yields requests and is
    sent their responses, read to the end, so sync and async clients can use it.

    :param base_url: the address of the server; its path is put in front of ``prefix``.
    :param prefix: the path of the server's login API.
    :param headers: headers of each of these requests.
    :param timeout: of each of these requests, in seconds, or httpx2's own type.
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
        self._headers.pop("Authorization", None)
        self._headers.pop("Content-Type", None)
        self._timeout = httpx2.Timeout(timeout).as_dict()

    def renew(self, tokens: ActiveTokens) -> Renewal:
        """Refresh; log in if there is no refresh token or the server no longer accepts it.

        :raises RefreshError: if the refresh fails for another reason, or there are no credentials.
        :raises LoginError: if the login fails.
        """
        if tokens.refresh_token:
            try:
                return (yield from self._refresh(tokens.refresh_token))
            except RefreshError as error:
                if error.status not in (401, 403) or not self._credentials:
                    raise
        if not self._credentials:
            raise RefreshError("There is no refresh token, and nothing to log in with")
        return (yield from self._login())

    def _refresh(self, refresh_token: str) -> Renewal:
        request = self._request("GET", self._refresh_url, bearer=refresh_token)
        answer = yield from _send(request, RefreshError, secret=refresh_token)
        # A Core returns no refresh token, and the old one stays valid; with rotation, each response has the
        # next.
        new = answer.get("refresh_token")
        return _received(answer, new if is_bearer(new) else refresh_token)

    def _login(self) -> Renewal:
        auth0_token = self._credentials.current_auth0_token()
        if auth0_token:
            secret, request = auth0_token, self._request("POST", self._login_url, bearer=auth0_token)
        else:
            secret = self._credentials.password or ""
            body = {"username": self._credentials.username, "password": secret}
            request = self._request("POST", self._login_url, body=body)
        answer = yield from _send(request, LoginError, secret=secret)
        refresh_token = answer.get("refresh_token")
        return _received(answer, refresh_token if is_bearer(refresh_token) else "")

    def _request(
        self,
        method: str,
        url: httpx2.URL,
        *,
        bearer: str | None = None,
        body: dict[str, str | None] | None = None,
    ) -> httpx2.Request:
        extensions = {"timeout": self._timeout}
        request = httpx2.Request(method, url, headers=self._headers, json=body, extensions=extensions)
        if bearer:
            request.headers["Authorization"] = f"Bearer {bearer}"
        return request


class _SentOnce(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A request body that is sent once.

    When httpx2 follows a redirect that keeps the method (307, 308), it sends the body again, to another
    origin, too. In an auth flow, only the body itself can prevent that.
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


def _send(
    request: httpx2.Request, failure: type[CoreClientError], *, secret: str
) -> t.Generator[httpx2.Request, httpx2.Response, dict[str, t.Any]]:
    asked = f"{request.method} {request.url}"
    request.stream = _SentOnce(request.content, failure(f"{asked} was redirected, which is not followed"))
    response = yield request

    if response.request is not request or response.has_redirect_location:
        target = response.headers["Location"] if response.has_redirect_location else str(response.url)
        raise failure(
            f"{asked} was redirected to {_redacted(target, secret)}, which is not followed:"
            " if that is the server, make its address the base URL",
            status=response.status_code,
        )
    answer = _json_object(response)
    if response.is_success and is_bearer(answer.get("access_token")):
        return answer

    details = tuple(_redacted(detail, secret) for detail in _details(answer))
    phrase = httpx2.codes.get_reason_phrase(response.status_code)
    said = "; ".join(details) or ("no access token" if answer else "no JSON")
    raise failure(
        f"{asked} was answered with {response.status_code} {phrase}: {said}",
        status=response.status_code,
        details=details,
        retry_after=_retry_after(response),
    )


def _received(answer: dict[str, t.Any], refresh_token: str) -> ActiveTokens:
    return ActiveTokens.received(answer["access_token"], refresh_token, now=time.monotonic())


def _json_object(response: httpx2.Response) -> dict[str, t.Any]:
    # The parser's exception contains the whole document, so it must not become the context of another
    # exception.
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _details(answer: dict[str, t.Any]) -> list[str]:
    details = answer.get("details")
    if not isinstance(details, list) or not details:
        details = [answer.get("message")]
    return [detail for detail in details if isinstance(detail, str)]


def _redacted(text: str, secret: str) -> str:
    # Some servers quote a rejected request, as the JSON that was sent.
    return text.replace(secret, "[secure]").replace(json.dumps(secret)[1:-1], "[secure]")


def _retry_after(response: httpx2.Response) -> float | None:
    """Parse Retry-After (RFC 9110, 10.2.3): seconds, or a date, which is compared with the server's own
    date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        then = parsedate_to_datetime(value)
        return max(0.0, (then - parsedate_to_datetime(response.headers.get("Date", ""))).total_seconds())
    except (TypeError, ValueError):
        return None

"""Cookies and redirects of the clients, whose tokens stay at the origin of their server."""

from __future__ import annotations

import typing as t
from http.cookiejar import CookieJar

import httpx2

if t.TYPE_CHECKING:
    from httpx2._client import BaseClient
else:
    BaseClient = object

#: Methods that the clients override. They are not part of httpx2's public API.
_OVERRIDDEN = ("_redirect_headers", "_send_handling_redirects")
for _client in (httpx2.Client, httpx2.AsyncClient):
    if not all(hasattr(_client, name) for name in _OVERRIDDEN):
        # Otherwise tokens would follow redirects to other origins without notice.
        raise ImportError(
            "The installed version of httpx2 is too new for the client: install an older version"
        )

CookieValues = httpx2.Cookies | CookieJar | dict[str, str] | list[tuple[str, str]]


class SentCookies(httpx2.Cookies):
    """The cookies that a client sends. Cookies of responses are not kept.

    Otherwise, if the server set a token as a cookie, the client would send the token to other ports of the
    host. The token could also go to other hosts of the domain. See RFC 6265, 8.5 and 8.6.
    """

    def extract_cookies(self, response: httpx2.Response) -> None:
        """Keep no cookie of ``response``; ``response.cookies`` has them."""


class SingleOriginClient(BaseClient):
    """The part that the sync and the async client share. It precedes httpx2's client in their bases."""

    _sent_cookies: SentCookies

    @property
    def cookies(self) -> httpx2.Cookies:
        """The cookies to send. Set them to send others; a response never changes them."""
        return self._sent_cookies

    @cookies.setter
    def cookies(self, cookies: CookieValues | None) -> None:
        self._sent_cookies = SentCookies(cookies)

    def _redirect_headers(self, request: httpx2.Request, url: httpx2.URL, method: str) -> httpx2.Headers:
        headers = super()._redirect_headers(request, url, method)
        # httpx2 keeps the header if the port changes from 80 to 443, where another server may listen.
        if url.origin != request.url.origin:
            headers.pop("Authorization", None)
        return headers

"""The sync and the async client: httpx2 clients that log in to one server."""

from __future__ import annotations

import typing as t
from contextlib import aclosing, closing, suppress

import anyio
import httpx2

from ..token_pair import TokenPair
from .auth import CoreTokenAuth
from .exchange import is_token_request
from .options import AsyncClientOptions, ClientOptions, ConnectOptions
from .origin import SingleOriginClient
from .redaction import without_quotation


class CoreClient(SingleOriginClient, httpx2.Client):
    """An httpx2 client for a server with the login of the datarhei Core API.

    .. code-block:: python

        with CoreClient("https://core.example.com", username="admin", password="...") as client:
            client.get("/api/v3/process").raise_for_status()

    The constructor logs in. With tokens of an earlier run, it sends nothing unless they have expired.
    Later, the client gets new tokens automatically. :class:`CoreTokenAuth` describes the times, and the
    other parameters. The client sends ``cookies``, but keeps no cookies of responses.

    :param base_url: the address of the server. Relative URLs are resolved against it, and only its origin
        gets credentials.
    :param timeout: of every request, in seconds, or an :class:`httpx2.Timeout`. It limits a login or a
        refresh as a whole.
    :param options: other parameters of :class:`httpx2.Client`, except ``auth``.
    :raises LoginError: if the server rejects the login.
    :raises RefreshError: if the tokens of an earlier run have expired, and the refresh fails.
    :raises httpx2.TransportError: if the server cannot be reached.
    :raises ValueError: if there are neither credentials nor tokens, or an argument is invalid.
    """

    def __init__(
        self,
        base_url: httpx2.URL | str,
        *,
        username: str | None = None,
        password: str | None = None,
        auth0_token: str | t.Callable[[], str] | None = None,
        access_token: str | None = None,
        refresh_token: str | None = None,
        prefix: str = "/api",
        timeout: float | httpx2.Timeout | None = 15.0,
        on_tokens: t.Callable[[TokenPair], None] | None = None,
        **options: t.Unpack[ClientOptions],
    ) -> None:
        self._token_auth = CoreTokenAuth(
            base_url,
            username=username,
            password=password,
            auth0_token=auth0_token,
            access_token=access_token,
            refresh_token=refresh_token,
            prefix=prefix,
            timeout=timeout,
            headers=options.get("headers"),
            on_tokens=on_tokens,
        )
        super().__init__(base_url=base_url, auth=self._token_auth, timeout=timeout, **options)
        self.cookies = options.get("cookies")
        # httpx2 cannot be entered after the first request, and the login is a request.
        super().__enter__()
        if self._token_auth.needs_tokens:
            try:
                self.refresh()
            except BaseException:
                self.close()
                raise

    def tokens(self) -> TokenPair:
        """Return the current tokens, to store them for a later run. A missing token is an empty string."""
        return self._token_auth.tokens()

    def refresh(self) -> TokenPair:
        """Get new tokens now: refresh, or log in if the server no longer accepts the refresh token.

        If another thread is already doing that, wait for it and share its result or its error.

        :raises RefreshError: if the response to the refresh contains no token.
        :raises LoginError: if a login was necessary and failed.
        """
        with closing(self._token_auth.sync_token_flow()) as flow, suppress(StopIteration):
            request = next(flow)
            while True:
                request = flow.send(self.send(request, stream=True, auth=None, follow_redirects=False))
        return self.tokens()

    def _send_handling_redirects(
        self, request: httpx2.Request, follow_redirects: bool, history: list[httpx2.Response]
    ) -> httpx2.Response:
        if not is_token_request(request):
            return super()._send_handling_redirects(request, follow_redirects, history)
        with without_quotation():
            return super()._send_handling_redirects(request, False, history)

    def __enter__(self) -> t.Self:
        if self.is_closed:
            return super().__enter__()
        return self


class AsyncCoreClient(SingleOriginClient, httpx2.AsyncClient):
    """The async counterpart of :class:`CoreClient`.

    A constructor cannot await. ``async with`` and :meth:`connect` log in instead:

    .. code-block:: python

        async with AsyncCoreClient("https://core.example.com", username="admin", password="...") as client:
            (await client.get("/api/v3/process")).raise_for_status()

        client = await AsyncCoreClient.connect("https://core.example.com", username="admin", password="...")
    """

    def __init__(
        self,
        base_url: httpx2.URL | str,
        *,
        username: str | None = None,
        password: str | None = None,
        auth0_token: str | t.Callable[[], str] | None = None,
        access_token: str | None = None,
        refresh_token: str | None = None,
        prefix: str = "/api",
        timeout: float | httpx2.Timeout | None = 15.0,
        on_tokens: t.Callable[[TokenPair], None] | None = None,
        **options: t.Unpack[AsyncClientOptions],
    ) -> None:
        self._token_auth = CoreTokenAuth(
            base_url,
            username=username,
            password=password,
            auth0_token=auth0_token,
            access_token=access_token,
            refresh_token=refresh_token,
            prefix=prefix,
            timeout=timeout,
            headers=options.get("headers"),
            on_tokens=on_tokens,
        )
        self._connected = False
        super().__init__(base_url=base_url, auth=self._token_auth, timeout=timeout, **options)
        self.cookies = options.get("cookies")

    @classmethod
    async def connect(cls, base_url: httpx2.URL | str, **options: t.Unpack[ConnectOptions]) -> t.Self:
        """Make a client, with the parameters of the class, and log in.

        Close the client with ``aclose()``, or use it in ``async with``.

        :raises LoginError: and the other errors of :class:`CoreClient`.
        """
        return await cls(base_url, **options).__aenter__()

    def tokens(self) -> TokenPair:
        """Return the current tokens, to store them for a later run. A missing token is an empty string."""
        return self._token_auth.tokens()

    async def refresh(self) -> TokenPair:
        """Get new tokens now: refresh, or log in if the server no longer accepts the refresh token.

        If another task is already doing that, wait for it and share its result or its error.

        :raises RefreshError: if the response to the refresh contains no token.
        :raises LoginError: if a login was necessary and failed.
        """
        async with aclosing(self._token_auth.async_token_flow()) as flow:
            with suppress(StopAsyncIteration):
                request = await anext(flow)
                while True:
                    response = await self.send(request, stream=True, auth=None, follow_redirects=False)
                    request = await flow.asend(response)
        return self.tokens()

    async def _send_handling_redirects(
        self, request: httpx2.Request, follow_redirects: bool, history: list[httpx2.Response]
    ) -> httpx2.Response:
        if not is_token_request(request):
            return await super()._send_handling_redirects(request, follow_redirects, history)
        with without_quotation():
            return await super()._send_handling_redirects(request, False, history)

    async def __aenter__(self) -> t.Self:
        if self._connected and not self.is_closed:
            return self
        await super().__aenter__()
        if self._token_auth.needs_tokens:
            try:
                await self.refresh()
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self.aclose()
                raise
        self._connected = True
        return self

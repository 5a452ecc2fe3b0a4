"""The httpx2 clients of one server."""

from __future__ import annotations

import typing as t
from contextlib import aclosing, closing, suppress

import anyio
import httpx2

from ..token_pair import TokenPair
from .auth import CoreTokenAuth
from .options import AsyncClientOptions, ClientOptions, ConnectOptions


class CoreClient(httpx2.Client):
    """An httpx2 client of a server with the login of the datarhei Core API.

    .. code-block:: python

        with CoreClient("https://core.example.com", username="admin", password="...") as client:
            client.get("/api/v3/process").raise_for_status()

    Making it logs in. With tokens of an earlier run, making it sends nothing as long as one of them still
    serves. From then on tokens are renewed by themselves; :class:`CoreTokenAuth` tells when, and describes
    the parameters that are not explained here.

    :param base_url: the address of the server: relative URLs are resolved against it, and only its origin
        gets credentials.
    :param timeout: of every request, in seconds, or httpx2's own type.
    :param options: anything else that :class:`httpx2.Client` takes, except ``auth``.
    :raises LoginError: if the server refuses the login.
    :raises RefreshError: if the tokens of an earlier run have expired, and the refresh fails.
    :raises httpx2.TransportError: if the server cannot be reached.
    :raises ValueError: if there is nothing to log in with, or something cannot be used.
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
        # httpx2 refuses to be entered once something has been sent, and the login sends.
        super().__enter__()
        if self._token_auth.spent:
            try:
                self.refresh()
            except BaseException:
                self.close()
                raise

    def tokens(self) -> TokenPair:
        """The tokens in force, to be stored and given to a later client. One that is missing is empty."""
        return self._token_auth.tokens()

    def refresh(self) -> TokenPair:
        """Renew the tokens now, with the credentials if the refresh token is gone.

        Where another thread is at it already, this waits for its outcome.

        :raises RefreshError: if the server does not answer the refresh with a token.
        :raises LoginError: if it had to be a login, and that failed.
        """
        with closing(self._token_auth.sync_renewal_flow()) as renewal, suppress(StopIteration):
            request = next(renewal)
            while True:
                request = renewal.send(self.send(request, auth=None, follow_redirects=False))
        return self.tokens()

    def __enter__(self) -> t.Self:
        if self.is_closed:
            return super().__enter__()
        return self


class AsyncCoreClient(httpx2.AsyncClient):
    """The async twin of :class:`CoreClient`.

    A constructor cannot wait, so the login is where one can:

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

    @classmethod
    async def connect(cls, base_url: httpx2.URL | str, **options: t.Unpack[ConnectOptions]) -> t.Self:
        """Make a client, with the parameters of the class, and log in.

        It is to be closed with ``aclose()``, or with ``async with`` after all.

        :raises LoginError: and whatever else :class:`CoreClient` raises.
        """
        return await cls(base_url, **options).__aenter__()

    def tokens(self) -> TokenPair:
        """The tokens in force, to be stored and given to a later client. One that is missing is empty."""
        return self._token_auth.tokens()

    async def refresh(self) -> TokenPair:
        """Renew the tokens now, with the credentials if the refresh token is gone.

        Where another task is at it already, this waits for its outcome.

        :raises RefreshError: if the server does not answer the refresh with a token.
        :raises LoginError: if it had to be a login, and that failed.
        """
        async with aclosing(self._token_auth.async_renewal_flow()) as renewal:
            with suppress(StopAsyncIteration):
                request = await anext(renewal)
                while True:
                    response = await self.send(request, auth=None, follow_redirects=False)
                    request = await renewal.asend(response)
        return self.tokens()

    async def __aenter__(self) -> t.Self:
        if self._connected and not self.is_closed:
            return self
        await super().__aenter__()
        if self._token_auth.spent:
            try:
                await self.refresh()
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await self.aclose()
                raise
        self._connected = True
        return self

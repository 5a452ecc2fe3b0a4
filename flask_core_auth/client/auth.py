"""The login as an :class:`httpx2.Auth`: adds the access token to a client's requests, and refreshes it."""

from __future__ import annotations

import asyncio
import copy
import inspect
import threading
import time
import typing as t
import weakref
from collections import deque
from contextlib import aclosing, suppress

import anyio
import anyio.lowlevel
import httpx2

from ..token_pair import TokenPair
from .credentials import Credentials
from .errors import CoreClientError
from .exchange import TokenExchange
from .tokens import ActiveTokens, is_bearer


class CoreTokenAuth(httpx2.Auth):
    """Authenticates the requests of an httpx2 client at a server with the login of the datarhei Core API.

    .. code-block:: python

        auth = CoreTokenAuth("https://core.example.com", username="admin", password="...")
        client = httpx2.Client(auth=auth, base_url="https://core.example.com")
        client.get("/api/v3/process")

    The first request logs in. The access token is refreshed shortly before it expires, and once after a
    401. If the refresh token is no longer accepted, the credentials log in again. After that, the caller
    gets the server's response, even if it is a 401: a route may require more than a valid token. The caller
    also gets the 401 if there is neither a refresh token nor a credential.

    Only requests to the origin of ``base_url`` are authenticated (scheme, host and port; RFC 9110, 4.3.1).
    Requests to other origins are sent unchanged.

    One object can serve many threads, or many tasks of an event loop. One refresh runs at a time, and all
    that wait for it share its result. Sync and async clients, and several loops, can also share an object,
    but each refreshes without waiting for the others.

    :param base_url: the address of the server, with the path that it is served under, if any.
    :param username: the user to log in, with ``password``.
    :param auth0_token: an Auth0 access token to log in with instead, or a function that returns a current
        token. The function is called for each login and must not use the client that it serves.
    :param access_token: an access token of an earlier run, see :meth:`tokens`.
    :param refresh_token: a refresh token of an earlier run.
    :param prefix: the path of the server's login API.
    :param timeout: of logins and refreshes, in seconds, or httpx2's own type. A Core answers a wrong
        password after 5 seconds, so it should be longer.
    :param headers: headers of logins and refreshes; other requests have the headers of their client.
    :param on_tokens: called with each new pair, in order, during the request that got it. If it raises, the
        request raises the same exception; the tokens are used all the same.
    :raises ValueError: if there is neither a credential nor a token, or a parameter is invalid.
    :raises TypeError: if a function is a coroutine function; an async client needs plain functions, too.
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
        headers: t.Mapping[str, str] | None = None,
        on_tokens: t.Callable[[TokenPair], None] | None = None,
    ) -> None:
        url = _checked_url(base_url)
        for function in (auth0_token, on_tokens):
            if inspect.iscoroutinefunction(function):
                raise TypeError(f"{function.__qualname__} is a coroutine function; a plain one is needed")
        for name, token in (("access_token", access_token), ("refresh_token", refresh_token)):
            if token and not is_bearer(token):
                raise ValueError(f"{name} is no bearer token (is there a space or a line break in it?)")
        credentials = Credentials(username, password, auth0_token)
        if not (credentials or access_token or refresh_token):
            raise ValueError("Give username and password, or auth0_token, or tokens of an earlier run")

        self._origin = url.origin
        self._exchange = TokenExchange(
            url, credentials, prefix=prefix, headers=headers or {}, timeout=timeout
        )
        self._tokens = ActiveTokens.resumed(
            access_token or "", refresh_token or "", now=time.monotonic(), wall=time.time()
        )
        self._renewable = bool(credentials or refresh_token)
        self._failure: Exception | None = None
        self._thread_lock = threading.Lock()
        # An anyio lock belongs to the loop that it was first used in.
        self._task_locks: weakref.WeakKeyDictionary[object, anyio.Lock] = weakref.WeakKeyDictionary()
        self._on_tokens = on_tokens
        self._unannounced: deque[TokenPair] = deque()
        self._announcing = threading.Lock()

    def tokens(self) -> TokenPair:
        """Return the tokens in use, to be stored for a later client. A missing token is empty."""
        return TokenPair(self._tokens.access_token, self._tokens.refresh_token)

    @property
    def spent(self) -> bool:
        """Whether neither token can be used any longer, as far as the clock can tell, so new ones are
        needed."""
        return self._renewable and self._tokens.spent(time.monotonic(), time.time())

    def sync_auth_flow(self, request: httpx2.Request) -> t.Generator[httpx2.Request, httpx2.Response, None]:
        if not self._is_same_origin(request.url):
            yield request
            return
        tokens, rejected = self._tokens, False
        while True:
            if rejected or tokens.due(time.monotonic()):
                yield from self.sync_renewal_flow(tokens)
                tokens = self._tokens
            response = yield _signed(_replayable(request) if rejected else request, tokens)
            if rejected or not self._is_rejected(response, tokens):
                return
            # A response that is read returns its connection to the pool; the refresh may need it.
            response.read()
            # Only the rejected request is repeated: after a redirect, the requests before it may have had
            # an effect.
            request, rejected = response.request, True

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> t.AsyncGenerator[httpx2.Request, httpx2.Response]:
        if not self._is_same_origin(request.url):
            yield request
            return
        tokens, rejected = self._tokens, False
        while True:
            if rejected or tokens.due(time.monotonic()):
                async with aclosing(self.async_renewal_flow(tokens)) as renewal:
                    with suppress(StopAsyncIteration):
                        token_request = await anext(renewal)
                        while True:
                            token_request = await renewal.asend((yield token_request))
                tokens = self._tokens
            response = yield _signed(_replayable(request) if rejected else request, tokens)
            if rejected or not self._is_rejected(response, tokens):
                return
            await response.aread()
            request, rejected = response.request, True

    def sync_renewal_flow(
        self, tokens: ActiveTokens | None = None
    ) -> t.Generator[httpx2.Request, httpx2.Response, None]:
        """Replace ``tokens``, by default the tokens in use. If another thread replaces them, share its
        result.

        Yields requests, as an auth flow does. The caller must not follow their redirects.
        """
        tokens = tokens or self._tokens
        failure = self._failure
        with self._thread_lock:
            if self._is_needed(tokens, failure):
                renewal = self._exchange.renew(tokens)
                try:
                    request = next(renewal)
                    while True:
                        response = yield request
                        response.read()
                        request = renewal.send(response)
                except StopIteration as done:
                    self._adopt(done.value)
                except GeneratorExit:
                    self._fail(_no_answer(request))
                    raise
                except Exception as error:  # all that wait share the failure
                    self._fail(error)
                    raise
        self._announce()

    async def async_renewal_flow(
        self, tokens: ActiveTokens | None = None
    ) -> t.AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Obtain new tokens, as :meth:`sync_renewal_flow` does, for the tasks of an event loop."""
        tokens = tokens or self._tokens
        failure = self._failure
        async with self._task_lock():
            if self._is_needed(tokens, failure):
                renewal = self._exchange.renew(tokens)
                try:
                    request = next(renewal)
                    while True:
                        response = yield request
                        await response.aread()
                        request = renewal.send(response)
                except StopIteration as done:
                    self._adopt(done.value)
                except GeneratorExit:
                    # A cancelled task fails for a reason of its own: the next waiting task tries again.
                    if not _is_cancelled():
                        self._fail(_no_answer(request))
                    raise
                except Exception as error:  # all that wait share the failure
                    self._fail(error)
                    raise
        self._announce()

    def _is_same_origin(self, url: httpx2.URL) -> bool:
        return url.is_absolute_url and url.origin == self._origin

    def _is_rejected(self, response: httpx2.Response, tokens: ActiveTokens) -> bool:
        # After redirects, the response may come from another origin, or belong to a request without the
        # token.
        request = response.request
        return (
            response.status_code == 401
            and self._renewable
            and self._is_same_origin(request.url)
            and request.headers.get("Authorization") == f"Bearer {tokens.access_token}"
        )

    def _is_needed(self, tokens: ActiveTokens, failure: Exception | None) -> bool:
        if self._tokens is not tokens:
            return False
        latest = self._failure
        if latest is not None and latest is not failure:
            raise copy.copy(latest)
        return True

    def _adopt(self, tokens: ActiveTokens) -> None:
        self._tokens = tokens
        self._failure = None
        if self._on_tokens:
            self._unannounced.append(self.tokens())

    def _fail(self, error: Exception) -> None:
        # A copy: the traceback of the original would keep all its frames alive.
        known = isinstance(error, CoreClientError | httpx2.RequestError)
        self._failure = copy.copy(error) if known else CoreClientError("The token could not be renewed")

    def _announce(self) -> None:
        # Outside the lock, so that the callback may use the client. One pair at a time, so that they arrive
        # in order: a thread that comes during a callback leaves its pair in the queue.
        while self._on_tokens and self._unannounced and self._announcing.acquire(blocking=False):
            try:
                if self._unannounced:
                    self._on_tokens(self._unannounced.popleft())
            finally:
                self._announcing.release()

    def _task_lock(self) -> anyio.Lock:
        loop = anyio.lowlevel.current_token().native_token
        return self._task_locks.setdefault(loop, anyio.Lock(fast_acquire=True))


def _checked_url(base_url: httpx2.URL | str) -> httpx2.URL:
    url = httpx2.URL(base_url)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url must be an absolute http or https URL")
    if url.userinfo:
        raise ValueError("base_url must not hold credentials: give them as username and password")
    if url.query or url.fragment:
        raise ValueError("base_url must have neither a query nor a fragment")
    return url


def _signed(request: httpx2.Request, tokens: ActiveTokens) -> httpx2.Request:
    request.headers["Authorization"] = f"Bearer {tokens.access_token}"
    return request


def _replayable(request: httpx2.Request) -> httpx2.Request:
    if not isinstance(request.stream, httpx2.ByteStream):
        raise CoreClientError(
            f"{request.method} {request.url.path} was answered with 401. The token has been renewed, but"
            " the request was not sent again: its body is a stream, which may be read only once."
            " Send it again with a new one",
            status=401,
        )
    return request


def _is_cancelled() -> bool:
    if anyio.get_current_task().has_pending_cancellation():
        return True
    # Once asyncio has delivered a cancellation, it is no longer pending.
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0


def _no_answer(request: httpx2.Request) -> httpx2.TransportError:
    # The client closes a flow when sending failed, without the reason.
    return httpx2.TransportError("The request that renews the token got no answer", request=request)

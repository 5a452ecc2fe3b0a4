"""The login as an :class:`httpx2.Auth`: adds an access token to requests, and gets new tokens in time."""

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
from .body import bounded
from .credentials import Credentials
from .errors import CoreClientError
from .exchange import TokenExchange
from .redaction import without_quotation
from .tokens import ActiveTokens, is_bearer


class CoreTokenAuth(httpx2.Auth):
    """Authenticates requests of an httpx2 client to a server with the login of the datarhei Core API.

    .. code-block:: python

        auth = CoreTokenAuth("https://core.example.com", username="admin", password="...")
        client = httpx2.Client(auth=auth, base_url="https://core.example.com")
        client.get("/api/v3/process")

    The first request logs in. The access token is refreshed shortly before it expires, and once after a
    401. If the server no longer accepts the refresh token, the object logs in again. A second 401 is
    returned to the caller: the route requires more than a valid token. With neither a refresh token nor
    credentials, the first 401 is returned to the caller.

    Only requests to the origin of ``base_url`` are authenticated (scheme, host and port; RFC 9110, 4.3.1).
    Requests to other origins are sent unchanged. Cookies and redirects are up to the httpx2 client.

    Threads, or tasks of an event loop, can share one object. One refresh or login runs at a time, and all
    requests that wait for it share its result or its error. Sync and async clients, or several event
    loops, can share an object too, but do not wait for each other.

    :param base_url: the address of the server, with the server's path prefix, if any.
    :param username: the user to log in, with ``password``.
    :param auth0_token: an Auth0 access token to log in with instead, or a function that returns a current
        token. The function is called for each login and must not use the client that it belongs to.
    :param access_token: an access token of an earlier run, see :meth:`tokens`.
    :param refresh_token: a refresh token of an earlier run.
    :param prefix: the path of the server's login API.
    :param timeout: limits each login and each refresh as a whole, in seconds. The parts of an
        :class:`httpx2.Timeout` each limit a whole phase, such as reading the response. The limit should be
        longer than the 5 seconds after which a Core rejects a wrong password.
    :param headers: sent with logins and refreshes. The client sets the headers of other requests.
    :param on_tokens: called with each new pair, in order. An error in the function is raised by the request
        that got the pair; the new tokens are used all the same.
    :raises ValueError: if there are neither credentials nor tokens, or an argument is invalid.
    :raises TypeError: if a function is a coroutine function: pass plain functions, also to an async client.
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
                raise TypeError(f"{function.__qualname__} is a coroutine function: pass a plain function")
        for name, token in (("access_token", access_token), ("refresh_token", refresh_token)):
            if token and not is_bearer(token):
                raise ValueError(f"{name} is not a bearer token: pass it without spaces and line breaks")
        credentials = Credentials(username, password, auth0_token)
        if not (credentials or access_token or refresh_token):
            raise ValueError(
                "There is nothing to authenticate with: pass username and password, or auth0_token, or"
                " tokens of an earlier run"
            )

        self._origin = url.origin
        self._exchange = TokenExchange(
            url, credentials, prefix=prefix, headers=headers or {}, timeout=timeout
        )
        self._tokens = ActiveTokens.resumed(
            access_token or "", refresh_token or "", now=time.monotonic(), wall=time.time()
        )
        self._can_obtain = bool(credentials or refresh_token)
        self._failure: Exception | None = None
        self._thread_lock = threading.Lock()
        # An anyio lock works only in the event loop of its first use.
        self._task_locks: weakref.WeakKeyDictionary[object, anyio.Lock] = weakref.WeakKeyDictionary()
        self._on_tokens = on_tokens
        self._unannounced: deque[TokenPair] = deque()
        self._announcing = threading.Lock()

    def tokens(self) -> TokenPair:
        """Return the current tokens, to store them for a later run. A missing token is an empty string."""
        return TokenPair(self._tokens.access_token, self._tokens.refresh_token)

    @property
    def needs_tokens(self) -> bool:
        """Whether the client can get new tokens and, by its clock, both tokens are missing or expired."""
        return self._can_obtain and self._tokens.expired(time.monotonic(), time.time())

    def sync_auth_flow(self, request: httpx2.Request) -> t.Generator[httpx2.Request, httpx2.Response, None]:
        if not self._is_own_origin(request.url):
            yield request
            return
        tokens, rejected = self._tokens, False
        while True:
            if rejected or tokens.due(time.monotonic()):
                yield from self.sync_token_flow(tokens)
                tokens = self._tokens
            response = yield _authenticated(_repeatable(request) if rejected else request, tokens)
            if rejected or not self._is_rejected(response, tokens):
                return
            # Reading returns the connection to the pool: the refresh needs it if the pool has no other.
            with bounded(response):
                response.read()
            # After redirects, only the rejected request is sent again: earlier ones may have had effects.
            request, rejected = response.request, True

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> t.AsyncGenerator[httpx2.Request, httpx2.Response]:
        if not self._is_own_origin(request.url):
            yield request
            return
        tokens, rejected = self._tokens, False
        while True:
            if rejected or tokens.due(time.monotonic()):
                async with aclosing(self.async_token_flow(tokens)) as flow:
                    with suppress(StopAsyncIteration):
                        token_request = await anext(flow)
                        while True:
                            token_request = await flow.asend((yield token_request))
                tokens = self._tokens
            response = yield _authenticated(_repeatable(request) if rejected else request, tokens)
            if rejected or not self._is_rejected(response, tokens):
                return
            with bounded(response):
                await response.aread()
            request, rejected = response.request, True

    def sync_token_flow(
        self, tokens: ActiveTokens | None = None
    ) -> t.Generator[httpx2.Request, httpx2.Response, None]:
        """Replace ``tokens``, or else the current tokens, by a refresh or a login.

        If another thread is already doing that, wait for it and share its result or its error.

        The flow yields requests like an auth flow. Do not follow redirects of these requests.
        """
        tokens = tokens or self._tokens
        failure = self._failure
        with self._thread_lock:
            if self._is_still_needed(tokens, failure):
                flow = self._exchange.obtain(tokens)
                try:
                    request = next(flow)
                    while True:
                        response = yield request
                        with bounded(response), without_quotation():
                            response.read()
                        request = flow.send(response)
                except StopIteration as done:
                    self._adopt(done.value)
                except GeneratorExit:
                    self._record_failure(_no_response(request))
                    raise
                except Exception as error:  # the waiting threads share errors of any type
                    self._record_failure(error)
                    raise
        self._announce()

    async def async_token_flow(
        self, tokens: ActiveTokens | None = None
    ) -> t.AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Do the same as :meth:`sync_token_flow` for the tasks of an event loop."""
        tokens = tokens or self._tokens
        failure = self._failure
        async with self._task_lock():
            if self._is_still_needed(tokens, failure):
                flow = self._exchange.obtain(tokens)
                try:
                    request = next(flow)
                    while True:
                        response = yield request
                        with bounded(response), without_quotation():
                            await response.aread()
                        request = flow.send(response)
                except StopIteration as done:
                    self._adopt(done.value)
                except GeneratorExit:
                    # A cancelled task says nothing about the server: the next waiting task tries again.
                    if not _is_cancelled():
                        self._record_failure(_no_response(request))
                    raise
                except Exception as error:  # the waiting tasks share errors of any type
                    self._record_failure(error)
                    raise
        self._announce()

    def _is_own_origin(self, url: httpx2.URL) -> bool:
        return url.is_absolute_url and url.origin == self._origin

    def _is_rejected(self, response: httpx2.Response, tokens: ActiveTokens) -> bool:
        # After redirects, the response may be from another origin, or the request may have lost its token.
        request = response.request
        return (
            response.status_code == 401
            and self._can_obtain
            and self._is_own_origin(request.url)
            and request.headers.get("Authorization") == f"Bearer {tokens.access_token}"
        )

    def _is_still_needed(self, tokens: ActiveTokens, failure: Exception | None) -> bool:
        """Return ``False`` if another thread or task replaced ``tokens``. If that failed, raise the error.

        :param failure: the last error before the wait; only a later error is shared.
        """
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

    def _record_failure(self, error: Exception) -> None:
        # A copy, because the traceback of the original would keep all its frames alive.
        if isinstance(error, CoreClientError | httpx2.RequestError):
            self._failure = copy.copy(error)
        else:
            self._failure = CoreClientError(
                "Another thread or task failed to get new tokens: see the error that it raised"
            )

    def _announce(self) -> None:
        # Without the token lock, so that the callback may use the client. One pair at a time, so that pairs
        # arrive in order: a thread that finds another one announcing leaves its pair in the queue.
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
        raise ValueError("base_url must not contain credentials: pass username and password")
    if url.query or url.fragment:
        raise ValueError("base_url must have neither a query nor a fragment")
    return url


def _authenticated(request: httpx2.Request, tokens: ActiveTokens) -> httpx2.Request:
    request.headers["Authorization"] = f"Bearer {tokens.access_token}"
    return request


def _repeatable(request: httpx2.Request) -> httpx2.Request:
    if not isinstance(request.stream, httpx2.ByteStream):
        raise CoreClientError(
            f"{request.method} {request.url.path} got the response 401. The client has a new token, but"
            " the request was not sent again: its body is a stream, which can be read only once. Send the"
            " request again with a new body",
            status=401,
        )
    return request


def _is_cancelled() -> bool:
    if anyio.get_current_task().has_pending_cancellation():
        return True
    # asyncio no longer reports a cancellation as pending once it has been delivered.
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0


def _no_response(request: httpx2.Request) -> httpx2.TransportError:
    # The client tells a flow that sending failed, but not why.
    return httpx2.TransportError("The request for new tokens got no response", request=request)

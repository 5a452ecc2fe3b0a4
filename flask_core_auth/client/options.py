"""Types of the keyword arguments of the clients."""

from __future__ import annotations

import ssl
import typing as t

import httpx2

from ..token_pair import TokenPair

Hooks = t.Mapping[str, list[t.Callable[..., t.Any]]]


class _Options(t.TypedDict, total=False):
    params: httpx2.QueryParams | t.Mapping[str, str | int | float | bool | None]
    headers: t.Mapping[str, str]
    cookies: httpx2.Cookies | dict[str, str]
    verify: ssl.SSLContext | str | bool
    cert: str | tuple[str, str] | tuple[str, str, str]
    trust_env: bool
    http1: bool
    http2: bool
    proxy: httpx2.URL | str | httpx2.Proxy
    follow_redirects: bool
    limits: httpx2.Limits
    max_redirects: int
    event_hooks: Hooks
    default_encoding: str | t.Callable[[bytes], str | None]


class ClientOptions(_Options, total=False):
    """Arguments of :class:`httpx2.Client`, except those that :class:`CoreClient` sets itself."""

    mounts: t.Mapping[str, httpx2.BaseTransport | None]
    transport: httpx2.BaseTransport


class AsyncClientOptions(_Options, total=False):
    """Arguments of :class:`httpx2.AsyncClient`, except those that :class:`AsyncCoreClient` sets itself."""

    mounts: t.Mapping[str, httpx2.AsyncBaseTransport | None]
    transport: httpx2.AsyncBaseTransport


class ConnectOptions(AsyncClientOptions, total=False):
    """Arguments of :class:`~flask_core_auth.client.AsyncCoreClient`, except ``base_url``."""

    username: str | None
    password: str | None
    auth0_token: str | t.Callable[[], str] | None
    access_token: str | None
    refresh_token: str | None
    prefix: str
    timeout: float | httpx2.Timeout | None
    on_tokens: t.Callable[[TokenPair], None] | None

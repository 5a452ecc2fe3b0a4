"""The limit on failed logins."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
import re
import threading
import time
import typing as t
from urllib.parse import urlsplit

from .errors import TooManyRequestsError

if t.TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import FixedWindowRateLimiter

    from .config import AuthConfig

logger = logging.getLogger("flask_core_auth")

#: All user names of one address together may fail so many times as often as one of them.
ADDRESS_FACTOR = 5
#: How long the storage may take to connect and to answer, in seconds.
STORAGE_TIMEOUT = 1
#: How often a storage that is down is logged, in seconds.
LOG_INTERVAL = 60


class LoginThrottle:
    """Counts failed logins by client address and user name, and refuses more than the limit.

    What succeeds is not counted. Requests that are being decided at the same moment are all decided, so
    that a burst can guess at most as often beyond the limit as the server handles requests at once.

    Storage that cannot be reached is replaced by this process's memory, call by call, so that a limit
    holds even then.

    :param config: the app's settings.
    """

    def __init__(self, config: AuthConfig) -> None:
        self._limit = config.login_limit
        self._uri = config.limit_storage
        self._lock = threading.Lock()
        self._limiters: tuple[FixedWindowRateLimiter, FixedWindowRateLimiter] | None = None
        self._logged = -math.inf

    def check(self, address: str | None, username: str) -> None:
        """Refuse a login without looking at its credentials if too many have failed before.

        :raises TooManyRequestsError: with the seconds until the next try is answered.
        """
        if self._limit is not None:
            self._over_storages(self._check, _counters(self._limit, address, username))

    def count(self, address: str | None, username: str) -> None:
        """Count a failed login.

        :raises TooManyRequestsError: if it was one too many: others failed while it was decided.
        """
        if self._limit is not None:
            self._over_storages(self._count, _counters(self._limit, address, username))

    def _check(self, limiter: FixedWindowRateLimiter, counters: list[_Counter]) -> None:
        for item, key in counters:
            if not limiter.test(item, key):
                raise _refusal(limiter, item, key)

    def _count(self, limiter: FixedWindowRateLimiter, counters: list[_Counter]) -> None:
        over = [(item, key) for item, key in counters if not limiter.hit(item, key)]
        if over:
            raise _refusal(limiter, *over[0])

    def _over_storages(
        self,
        step: t.Callable[[FixedWindowRateLimiter, list[_Counter]], None],
        counters: list[_Counter],
    ) -> None:
        from limits.errors import StorageError

        shared, own = self._connect()
        try:
            step(shared, counters)
        except (StorageError, OSError) as error:
            if time.monotonic() - self._logged >= LOG_INTERVAL:
                self._logged = time.monotonic()
                logger.warning(
                    "API_AUTH_LIMIT_STORAGE cannot be reached, failed logins are counted in each process"
                    " for itself: %s",
                    type(error.__cause__ or error).__name__,
                )
            step(own, counters)

    def _connect(self) -> tuple[FixedWindowRateLimiter, FixedWindowRateLimiter]:
        # At the first login, not at the start: importing limits is slow, and a connection made before
        # a fork would be shared by the workers.
        with self._lock:
            if self._limiters is None:
                from limits.storage import MemoryStorage, storage_from_string
                from limits.strategies import FixedWindowRateLimiter

                own = FixedWindowRateLimiter(MemoryStorage())
                if urlsplit(self._uri).scheme == "memory":
                    self._limiters = (own, own)
                else:
                    storage = storage_from_string(
                        self._uri, wrap_exceptions=True, **storage_options(self._uri)
                    )
                    self._limiters = (FixedWindowRateLimiter(storage), own)
            return self._limiters


def storage_options(uri: str) -> dict[str, t.Any]:
    """What bounds the time that a storage may take, by the kind of storage."""
    scheme = urlsplit(uri).scheme
    if scheme.startswith(("redis", "valkey")):
        options: dict[str, t.Any] = {
            "socket_timeout": STORAGE_TIMEOUT,
            "socket_connect_timeout": STORAGE_TIMEOUT,
        }
        if scheme in ("redis", "rediss", "redis+unix"):
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            options["retry"] = Retry(NoBackoff(), 0)
        return options
    return {"timeout": STORAGE_TIMEOUT, "connect_timeout": STORAGE_TIMEOUT}  # memcached


_Counter = tuple["RateLimitItem", str]


def _counters(limit: str, address: str | None, username: str) -> list[_Counter]:
    from limits import parse_many

    network = _network(address)
    by_name, by_address = _key(network or "", username), _key(network or "")
    items = parse_many(limit)
    if network is None:
        # All clients without an address together cannot have one limit: anybody could use it up for all.
        return [(item, by_name) for item in items]
    return [(item, by_name) for item in items] + [
        (type(item)(item.amount * ADDRESS_FACTOR, item.multiples), by_address) for item in items
    ]


def _key(*parts: str) -> str:
    # Hashed: a raw name breaks memcached's keys, fills memory, and does not belong in a store.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _network(address: str | None) -> str | None:
    """The part of a client's address that it cannot choose: of an IPv6 address the /64.

    None where there is no address, as on a Unix socket.
    """
    if not address:
        return None
    # Some proxies put the port behind it.
    host = re.fullmatch(r"\[(.+)\](?::[0-9]+)?|([0-9.]+):[0-9]+", address)
    try:
        parsed = ipaddress.ip_address((host[1] or host[2]) if host else address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
    return str(parsed)


def _refusal(limiter: FixedWindowRateLimiter, item: RateLimitItem, key: str) -> TooManyRequestsError:
    wait = math.ceil(limiter.get_window_stats(item, key).reset_time - time.time())
    return TooManyRequestsError("Too many failed logins, try again later", retry_after=max(wait, 1))

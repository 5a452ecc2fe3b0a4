"""The limit on failed logins, and the storage that counts them."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import math
import re
import threading
import time
import typing as t
import unicodedata
from urllib.parse import urlsplit

from .circuit_breaker import CircuitBreaker
from .errors import TooManyRequestsError

if t.TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.storage import Storage
    from limits.strategies import FixedWindowRateLimiter

logger = logging.getLogger("flask_core_auth")

#: All usernames of one address together may fail this many times as often as one of them; all addresses of
#: one IPv6 /48 this many times as often as one address.
ADDRESS_FACTOR = 5
#: Time limit of the storage for a connection, and for each of its responses.
STORAGE_TIMEOUT_SECONDS = 1
#: Time for which a storage is not asked after a failure.
STORAGE_PAUSE_SECONDS = 5
#: Shortest interval between two log lines about a storage that is down.
STORAGE_LOG_INTERVAL_SECONDS = 60
#: The storages of limits that connect at their first use, not when they are made, and that have timeouts.
#: (Its asynchronous storages, "async+...", cannot be used here.)
_SCHEMES = (
    "memory",
    "redis",
    "rediss",
    "redis+unix",
    "valkey",
    "valkeys",
    "valkey+unix",
    "memcached",
)
_LIBRARIES = {
    "redis": "flask-core-auth[redis]",
    "valkey": "valkey",
    "memcached": "pymemcache",
}


class LoginThrottle:
    """Counts failed logins by client address and username, and rejects logins over the limit.

    Successful logins are not counted. A burst can exceed the limit by the number of requests that the
    server handles at once.

    If the storage is down, this process's memory replaces it, so a limit holds even then. After each
    failure, the storage is not asked for :data:`STORAGE_PAUSE_SECONDS`. The storage and the memory count
    separately. A login that is decided during a change may be checked in one and counted in the other.

    :param limit: the limit, in the notation of the ``limits`` package, or None for no limit.
    :param storage_uri: the URI of the storage, also in the notation of ``limits``.
    """

    def __init__(self, limit: str | None, storage_uri: str) -> None:
        self._limit = limit
        self._uri = storage_uri
        self._lock = threading.Lock()
        self._limiters: tuple[FixedWindowRateLimiter, FixedWindowRateLimiter] | None = None
        self._breaker = CircuitBreaker(STORAGE_PAUSE_SECONDS)
        self._logged_at = -math.inf
        self._has_warned = False

    def check(self, address: str | None, username: str) -> None:
        """Reject a login without a look at its credentials if too many have failed before.

        :raises TooManyRequestsError: with the seconds until the limit allows the next attempt.
        """
        if self._limit is not None:
            if not address and not self._has_warned:
                self._has_warned = True
                logger.warning(
                    "Requests have no client address, so API_AUTH_LOGIN_LIMIT counts failed logins by"
                    " username only: add ProxyFix if the app is served on a Unix socket"
                )
            is_paused = self._breaker.is_open and not self._breaker.admits()
            run = self._with_own_memory if is_paused else self._with_fallback
            run(self._check, _counters(parse_limit(self._limit), address, username))

    def count(self, address: str | None, username: str) -> None:
        """Count a failed login.

        :raises TooManyRequestsError: if other logins used up the limit while this login was decided.
        """
        if self._limit is not None:
            self._add(_counters(parse_limit(self._limit), address, username))

    def count_undecided(self, address: str | None) -> None:
        """Count a login that could not be decided, since a tenant is down: by its address alone.

        Such a login is no guess, so only the shortest window of the limit counts it. Otherwise a client
        that repeats its login for the hours of an outage would lock out its network for a limit's whole
        day.

        :raises TooManyRequestsError: if other logins used up the limit in the meantime.
        """
        if self._limit is not None:
            shortest = min(parse_limit(self._limit), key=lambda item: item.get_expiry())
            self._add(_counters([shortest], address))

    def is_reachable(self) -> bool:
        """Ask the storage for a sign of life; True without a limit."""
        return self._limit is None or _open_storage(self._uri).check()

    def _add(self, counters: list[_Counter]) -> None:
        # Only a check tries a storage that was down: what this process's memory checked, it counts.
        run = self._with_own_memory if self._breaker.is_open else self._with_fallback
        run(self._count, counters)

    def _check(self, limiter: FixedWindowRateLimiter, counters: list[_Counter]) -> None:
        for item, key in counters:
            if not limiter.test(item, key):
                raise _limit_error(limiter, item, key)

    def _count(self, limiter: FixedWindowRateLimiter, counters: list[_Counter]) -> None:
        over = [(item, key) for item, key in counters if not limiter.hit(item, key)]
        if over:
            raise _limit_error(limiter, *over[0])

    def _with_own_memory(self, step: _Step, counters: list[_Counter]) -> None:
        _, own = self._connect()
        step(own, counters)

    def _with_fallback(self, step: _Step, counters: list[_Counter]) -> None:
        from limits.errors import StorageError

        shared, own = self._connect()
        try:
            step(shared, counters)
        except (StorageError, OSError) as error:
            self._breaker.fail()
            if time.monotonic() - self._logged_at >= STORAGE_LOG_INTERVAL_SECONDS:
                self._logged_at = time.monotonic()
                logger.warning(
                    "API_AUTH_LIMIT_STORAGE cannot be reached, so each process counts failed logins by"
                    " itself: %s",
                    type(error.__cause__ or error).__name__,
                )
            step(own, counters)
        except TooManyRequestsError:
            self._end_pause()
            raise
        else:
            self._end_pause()

    def _end_pause(self) -> None:
        if self._breaker.is_open:
            self._breaker.succeed()

    def _connect(self) -> tuple[FixedWindowRateLimiter, FixedWindowRateLimiter]:
        # At the first login, not at the start: importing limits is slow, and workers would share a
        # connection that was made before a fork.
        with self._lock:
            if self._limiters is None:
                from limits.storage import MemoryStorage
                from limits.strategies import FixedWindowRateLimiter

                own = FixedWindowRateLimiter(MemoryStorage())
                if urlsplit(self._uri).scheme == "memory":
                    self._limiters = (own, own)
                else:
                    storage = _open_storage(self._uri, wrap_exceptions=True)
                    self._limiters = (FixedWindowRateLimiter(storage), own)
            return self._limiters


def parse_limit(limit: str) -> list[RateLimitItem]:
    """Parse the notation of ``limits``, such as ``"10/minute"``.

    :raises ValueError: if it is not of that notation.
    """
    from limits import parse_many

    return parse_many(limit)


def check_storage(uri: str) -> None:
    """Check the URI of a storage. Nothing is connected to.

    :raises ValueError: if the storage cannot be used. The message says why, and does not quote the URI,
        since the URI may hold a password.
    """
    from limits.errors import ConfigurationError
    from limits.storage import storage_from_string

    if not uri.startswith(tuple(f"{scheme}://" for scheme in _SCHEMES)):
        raise ValueError(f"must be a URI with one of the schemes {', '.join(_SCHEMES)}")
    try:
        storage_from_string(uri)
    except (ConfigurationError, ValueError) as error:
        if isinstance(error, ConfigurationError) and uri not in str(error):  # a library is missing
            scheme = uri.partition(":")[0]
            package = next(name for kind, name in _LIBRARIES.items() if scheme.startswith(kind))
            raise ValueError(f"needs a library that is not installed: pip install '{package}'") from None
        raise ValueError("is not a valid URI (in a password, / is written as %2F, # as %23)") from None


def _open_storage(uri: str, **options: t.Any) -> Storage:
    from limits.storage import storage_from_string

    return t.cast("Storage", storage_from_string(uri, **_timeouts(uri), **options))


def _timeouts(uri: str) -> dict[str, t.Any]:
    """Return the options that limit the time of a storage, by the kind of storage."""
    scheme = urlsplit(uri).scheme
    if scheme == "memory":
        return {}
    if scheme.startswith(("redis", "valkey")):
        options: dict[str, t.Any] = {
            "socket_timeout": STORAGE_TIMEOUT_SECONDS,
            "socket_connect_timeout": STORAGE_TIMEOUT_SECONDS,
        }
        if scheme in ("redis", "rediss", "redis+unix"):
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            options["retry"] = Retry(NoBackoff(), 0)
        return options
    return {"timeout": STORAGE_TIMEOUT_SECONDS, "connect_timeout": STORAGE_TIMEOUT_SECONDS}  # memcached


_Counter = tuple["RateLimitItem", str]
_Step = t.Callable[["FixedWindowRateLimiter", list[_Counter]], None]


def _counters(
    items: list[RateLimitItem], address: str | None, username: str | None = None
) -> list[_Counter]:
    shared = networks(address)
    counters: list[_Counter] = []
    if username is not None:
        name = _name(username)
        counters += [(item, _key(shared[0] if shared else "", name)) for item in items]
    # Without an address, no limit is shared by all names: one client could use it up for every client.
    for level, network in enumerate(shared, 1):
        factor = ADDRESS_FACTOR**level
        counters += [(type(item)(item.amount * factor, item.multiples), _key(network)) for item in items]
    return counters


def _name(username: str) -> str:
    """Return the form that the spellings of a name share: a verifier may ignore case, width and blanks."""
    folded = unicodedata.normalize("NFKC", username).casefold()
    return "".join(char for char in folded if char.isprintable() and not char.isspace())


def _key(*parts: str) -> str:
    # Hashed: a raw name breaks memcached's keys, fills memory, and does not belong in a store.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def networks(address: str | None) -> list[str]:
    """Return the networks that failed logins of an address count for, the smallest first.

    A client can choose its IPv6 address within a /64, and often the /64 within a /48 (RFC 6177). Both
    count. The list is empty without an address, as on a Unix socket.
    """
    if not address:
        return []
    # Some proxies append the port.
    host = re.fullmatch(r"\[(.+)\](?::[0-9]+)?|([0-9.]+):[0-9]+", address)
    try:
        parsed = ipaddress.ip_address((host[1] or host[2]) if host else address)
    except ValueError:
        return [address]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return [str(parsed.ipv4_mapped)]
        return [str(ipaddress.IPv6Network((int(parsed), size), strict=False)) for size in (64, 48)]
    return [str(parsed)]


def _limit_error(limiter: FixedWindowRateLimiter, item: RateLimitItem, key: str) -> TooManyRequestsError:
    wait = math.ceil(limiter.get_window_stats(item, key).reset_time - time.time())
    return TooManyRequestsError("Too many failed logins, try again later", retry_after=max(wait, 1))

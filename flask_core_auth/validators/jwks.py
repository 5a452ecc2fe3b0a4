"""A tenant's keys (RFC 7517): fetched at their first use, cached, and fetched again.

Keys are fetched again when they are old, or when a token names a key that is not among them.
"""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import threading
import time
import typing as t
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key
from joserfc.util import urlsafe_b64decode

from ..circuit_breaker import CircuitBreaker
from ..errors import ServiceUnavailableError
from ..jws import load_object

logger = logging.getLogger("flask_core_auth")

#: Age from which cached keys are fetched again.
FRESH_SECONDS = 600
#: Age up to which cached keys are used if newer keys cannot be fetched.
MAX_AGE_SECONDS = 86400
#: The pause after a failed fetch. It doubles with each failure in a row, up to PAUSE_SECONDS.
FIRST_PAUSE_SECONDS = 1
#: Pause after a failed fetch of newer keys if no key is missing, and between two searches for unknown keys.
PAUSE_SECONDS = 30
#: Time limit of a whole fetch.
FETCH_TIMEOUT_SECONDS = 5
#: Maximum number of threads that wait for a fetch: a tenant that hangs must not keep every thread waiting.
MAX_WAITING = 4
#: Maximum size of a key set.
MAX_BYTES = 256 * 1024
#: NIST SP 800-131A, revision 2: shorter RSA keys are not secure.
MIN_RSA_BITS = 2048

#: The keys by kid and algorithm. An RFC 7517 set may hold several keys with the same kid.
Keys = Mapping[str, Mapping[str, tuple[Key, ...]]]


class UnknownKeyError(Exception):
    """The tenant publishes no key with this kid for this algorithm."""


class TenantKeys:
    """The public keys of one tenant, for any number of threads.

    :param jwks_uri: the URL of the key set.
    """

    def __init__(self, jwks_uri: str) -> None:
        self.jwks_uri = jwks_uri
        self._lock = threading.Lock()
        self._keys: Keys = {}
        self._fetched_at = -math.inf
        self._failed_at = -math.inf
        self._breaker = CircuitBreaker(FIRST_PAUSE_SECONDS, longest=PAUSE_SECONDS)
        self._searched_at = -math.inf
        self._fetch: Fetch | None = None

    def find(self, kid: str, algorithm: str) -> tuple[Key, ...]:
        """Return the keys with this ``kid`` for this ``algorithm``: nearly always one.

        At most :data:`MAX_WAITING` calls wait for the tenant at a time. The others end at once, as if the
        fetch had failed.

        :raises UnknownKeyError: if there is none.
        :raises ServiceUnavailableError: if the keys cannot be fetched and none are cached.
        """
        asked = False
        while not asked:
            with self._lock:
                fetch, asked = self._needed(kid)
            if fetch is None:
                break
            fetch.wait()
            with self._lock:
                self._settle()
                if not self._has_keys():
                    raise self._unavailable()
            if fetch.keys is None:
                break
        keys = self._keys.get(kid, {}).get(algorithm, ())
        if not keys:
            raise UnknownKeyError(kid)
        return keys

    def published(self) -> Mapping[str, list[str]]:
        """Fetch the keys, and return the algorithms of each by kid.

        :raises ServiceUnavailableError: if the keys cannot be fetched.
        """
        fetch = Fetch(self.jwks_uri)
        fetch.wait()
        if fetch.keys is None:
            raise self._unavailable()
        return {kid: sorted(algorithms) for kid, algorithms in fetch.keys.items()}

    def _needed(self, kid: str) -> tuple[Fetch | None, bool]:
        """Return the fetch to wait for before ``kid`` is looked up, if any, and whether this call started
        it.

        The caller holds the lock."""
        self._settle()
        has_keys = self._has_keys()
        if self._fetch is not None:
            if has_keys and kid in self._keys:
                return None, False
            if self._fetch.waiting < MAX_WAITING:
                self._fetch.waiting += 1
                return self._fetch, False
        elif not has_keys:
            if not self._breaker.seconds_left():
                return self._start_fetch(), True
        elif self._is_due(kid):
            return self._start_fetch(), True
        if not has_keys:
            raise self._unavailable()
        return None, False

    def _is_due(self, kid: str) -> bool:
        """Tell whether cached keys are to be fetched again, because of their age or for ``kid``."""
        now = time.monotonic()
        if now - self._fetched_at >= FRESH_SECONDS and now - self._failed_at >= PAUSE_SECONDS:
            return True
        # Anybody can invent a kid: without the pauses, each invented kid would cause a request to the
        # tenant.
        if (
            kid in self._keys
            or now - self._searched_at < PAUSE_SECONDS
            or (self._breaker.is_open and self._breaker.seconds_left() > 0)
        ):
            return False
        self._searched_at = now
        return True

    def _start_fetch(self) -> Fetch:
        self._fetch = Fetch(self.jwks_uri)
        self._fetch.waiting = 1
        return self._fetch

    def _has_keys(self) -> bool:
        return time.monotonic() - self._fetched_at < MAX_AGE_SECONDS

    def _settle(self) -> None:
        """Take over the result of a finished fetch. The caller holds the lock."""
        fetch = self._fetch
        if fetch is None or not fetch.is_over():
            return
        self._fetch = None
        if fetch.keys is None:
            self._failed_at = time.monotonic()
            self._breaker.fail()
            # It may have been a search, and found nothing out.
            self._searched_at = -math.inf
        else:
            self._keys, self._fetched_at = fetch.keys, fetch.started_at
            self._breaker.succeed()

    def _unavailable(self) -> ServiceUnavailableError:
        wait = math.ceil(self._breaker.seconds_left())
        return ServiceUnavailableError(
            "The identity provider's keys cannot be fetched", retry_after=max(wait, 1)
        )


class _FetchError(Exception):
    """The tenant's response is not a key set; the message says why."""


class Fetch:
    """One request for a tenant's keys, in a thread of its own, so that it can be abandoned.

    An HTTP timeout limits one read: a server that sends a byte a second never exceeds it. No HTTP timeout
    limits the resolution of a name.

    :param jwks_uri: the URL of the key set.
    """

    def __init__(self, jwks_uri: str) -> None:
        self.jwks_uri = jwks_uri
        self.started_at = time.monotonic()
        #: None until the fetch has succeeded.
        self.keys: Keys | None = None
        #: The number of threads that have begun to wait. TenantKeys counts them here, not for itself: in a
        #: forked process, no thread is left to count down.
        self.waiting = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._connection: socket.socket | None = None
        try:
            threading.Thread(target=self._run, name="flask-core-auth-jwks", daemon=True).start()
        except RuntimeError as error:
            self._end(failure=str(error))

    def wait(self) -> None:
        """Wait until the fetch is over or its time limit is reached."""
        if not self._over.wait(self._seconds_left()):
            self._end(failure=f"no complete response within {FETCH_TIMEOUT_SECONDS} seconds")

    def is_over(self) -> bool:
        # Its time limit may be reached while no thread waits: the waiting threads were killed, or this
        # process was forked during the fetch.
        if self._seconds_left() == 0:
            self.wait()
        return self._over.is_set()

    def _seconds_left(self) -> float:
        return max(0, self.started_at + FETCH_TIMEOUT_SECONDS - time.monotonic())

    def _run(self) -> None:
        try:
            keys = self.read()
        except Exception as error:
            # Any failure must reach the waiting threads; otherwise it would be lost with this thread.
            self._end(failure=str(error) or type(error).__name__)
        else:
            self._end(keys)
        finally:
            with self._lock:
                if self._connection is not None:
                    self._connection.close()
                self._connection = None

    def _end(self, keys: Keys | None = None, failure: str = "") -> None:
        with self._lock:
            if self._over.is_set():
                return
            if failure:
                # Ends the thread. Closing the client from here would not wake a read, and the number of a
                # closed socket is soon reused for another socket.
                if self._connection is not None:
                    with contextlib.suppress(OSError):
                        self._connection.shutdown(socket.SHUT_RDWR)
                reason = " ".join(failure.split())
                logger.warning("The keys at %s cannot be fetched: %s", self.jwks_uri, reason)
            self.keys = keys
            self._over.set()

    def _trace(self, event: str, info: Mapping[str, t.Any]) -> None:
        # httpcore2's trace extension.
        if event.endswith(".connect_tcp.complete"):
            connection = info["return_value"].get_extra_info("socket")
            with self._lock:
                if self._over.is_set():
                    connection.close()
                    raise _FetchError("abandoned")
                # A duplicate, because TLS detaches the socket that it wraps.
                self._connection = connection.dup()

    def read(self) -> Keys:
        import httpx2  # Imported late: slow, and only needed with tenants.

        # Identity, because a few bytes of gzip can unpack to any size.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        body = bytearray()
        with (
            httpx2.Client(timeout=FETCH_TIMEOUT_SECONDS, follow_redirects=False) as client,
            client.stream(
                "GET", self.jwks_uri, headers=headers, extensions={"trace": self._trace}
            ) as response,
        ):
            if response.is_redirect:
                raise _FetchError(f"it redirects, to {response.headers.get('Location', '')[:200]!r}")
            if response.status_code != 200:
                raise _FetchError(f"status {response.status_code}")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise _FetchError("it is compressed")
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise _FetchError(f"it is larger than {MAX_BYTES} bytes")
        try:
            jwks = load_object(bytes(body))
        except (ValueError, RecursionError):
            raise _FetchError("it is not a JSON object") from None
        if not isinstance(jwks.get("keys"), list):
            raise _FetchError('it has no list of "keys"')
        return parse_keys(jwks["keys"])


def parse_keys(jwks: list[object]) -> Keys:
    """Parse a key set into its valid keys, by kid and algorithm. An invalid key is skipped."""
    keys: dict[str, dict[str, tuple[Key, ...]]] = {}
    for jwk in jwks:
        if not isinstance(jwk, dict) or not _is_for_verifying(jwk):
            continue
        try:
            key = _load(jwk)
        except (JoseError, UnsupportedAlgorithm, ValueError):
            continue
        for algorithm in _algorithms(jwk):
            by_algorithm = keys.setdefault(jwk["kid"], {})
            by_algorithm[algorithm] = (*by_algorithm.get(algorithm, ()), key)
    return keys


def _is_for_verifying(jwk: Mapping[str, t.Any]) -> bool:
    kid, operations = jwk.get("kid"), jwk.get("key_ops", ["verify"])
    return (
        isinstance(kid, str)
        and kid != ""
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        # With a published private key, anybody can sign.
        and jwk.keys().isdisjoint(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
        and bool(_algorithms(jwk))
    )


#: RFC 7518, 3.1 and RFC 8037, 3.1: the algorithms of each key type and curve. Symmetric keys are left out,
#: since a key that verifies with them also signs.
_ALGORITHMS: Mapping[object, tuple[str, ...]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("OKP", "Ed448"): ("EdDSA",),
}


def _algorithms(jwk: Mapping[str, t.Any]) -> tuple[str, ...]:
    kty, crv = jwk.get("kty"), jwk.get("crv")
    if not isinstance(kty, str) or not isinstance(crv, str | None):
        return ()
    algorithms = _ALGORITHMS.get((kty, crv), ())
    return tuple(name for name in algorithms if jwk.get("alg", name) == name)


def _load(jwk: Mapping[str, t.Any]) -> Key:
    """Load the key; its other members, such as certificates, are not used.

    :raises JoseError, UnsupportedAlgorithm, ValueError: if the key is malformed, or too weak.
    """
    members = {name: jwk[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in jwk}
    # Before joserfc, which accepts weak keys, some of them with a warning.
    if jwk["kty"] == "RSA" and int.from_bytes(_decode(jwk.get("n"))).bit_length() < MIN_RSA_BITS:
        raise ValueError("weak")
    if jwk["kty"] == "OKP" and _has_small_order(jwk["crv"], _decode(jwk.get("x"))):
        raise ValueError("weak")
    return import_key(members)


_PRIMES = {"Ed25519": 2**255 - 19, "Ed448": 2**448 - 2**224 - 1}
#: The y coordinate of half of Ed25519's points of order 8. The other half has its negative.
_ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


def _has_small_order(curve: str, point: bytes) -> bool:
    """Tell whether a public key is one of the few points for which anybody can sign (Chalkias, Garillot,
    Nikolaenko: Taming the many EdDSAs, 2020, table 2)."""
    prime = _PRIMES[curve]
    sign = 1 << (8 * len(point) - 1)  # RFC 8032, 5.1.2 and 5.2.2
    y = (int.from_bytes(point, "little") & ~sign) % prime
    return y in (0, 1, prime - 1) or (curve == "Ed25519" and y in (_ORDER_8_Y, prime - _ORDER_8_Y))


def _decode(member: object) -> bytes:
    if not isinstance(member, str) or not member:
        raise ValueError("not a number")
    return urlsafe_b64decode(member.encode())

"""A tenant's keys (RFC 7517): fetched when they are first needed, kept, and fetched anew when they have
become old or when a token names one that is not among them."""

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

from ..compact import load_object
from ..errors import ServiceUnavailableError

logger = logging.getLogger("flask_core_auth")

#: Keys are used without a question for so long, in seconds.
FRESH = 600
#: Where newer ones cannot be had, keys are used for so long, in seconds.
MAX_AGE = 86400
#: After a failed renewal, and between two searches for unknown keys, so long passes: seconds.
PAUSE = 30
#: A fetch may take so long in all, in seconds.
TIMEOUT = 5
#: A fetch that fails after so long was slow: seconds.
SLOW = 1
#: Longer answers are not read, in bytes.
MAX_BYTES = 256 * 1024
#: NIST SP 800-131A, revision 2: shorter RSA keys are not to be relied on.
MIN_RSA_BITS = 2048

#: The keys by kid and algorithm. An RFC 7517 set may hold several with the same kid.
Keys = Mapping[str, Mapping[str, tuple[Key, ...]]]


class UnknownKeyError(Exception):
    """The tenant publishes no key with this kid that may verify this algorithm."""


class TenantKeys:
    """The public keys of one tenant, for any number of threads.

    :param jwks_uri: where the tenant publishes them.
    """

    def __init__(self, jwks_uri: str) -> None:
        self.jwks_uri = jwks_uri
        self._lock = threading.Lock()
        self._keys: Keys = {}
        self._fetched_at = -math.inf
        self._failed_at = -math.inf
        self._failed_for = 0.0
        self._searched_at = -math.inf
        self._fetch: Fetch | None = None

    def find(self, kid: str, algorithm: str) -> tuple[Key, ...]:
        """The keys that carry ``kid`` and may verify ``algorithm``: nearly always one.

        :raises UnknownKeyError: if there is none.
        :raises ServiceUnavailableError: if the keys cannot be fetched and none are in hand.
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
                if time.monotonic() - self._fetched_at >= MAX_AGE:
                    raise _unavailable()
            if fetch.keys is None:
                break
        keys = self._keys.get(kid, {}).get(algorithm, ())
        if not keys:
            raise UnknownKeyError(kid)
        return keys

    def published(self) -> Mapping[str, list[str]]:
        """What the tenant publishes at this moment: by kid, the algorithms that it may verify.

        :raises ServiceUnavailableError: if it cannot be fetched.
        """
        fetch = Fetch(self.jwks_uri)
        fetch.wait()
        if fetch.keys is None:
            raise _unavailable()
        return {kid: sorted(algorithms) for kid, algorithms in fetch.keys.items()}

    def _needed(self, kid: str) -> tuple[Fetch | None, bool]:
        """The fetch that must be waited for before ``kid`` is looked up, if any, and whether it was
        started here. Under the lock."""
        self._settle()
        now = time.monotonic()
        age = now - self._fetched_at
        if self._fetch is not None:
            in_hand = age < MAX_AGE and kid in self._keys
            return (None if in_hand else self._fetch), False
        if age >= MAX_AGE:
            # With no keys in hand, all who come wait for them. A tenant that is slow to fail is left alone
            # for as long as it took: otherwise a few forged tokens would keep every thread waiting.
            if now - self._failed_at < self._failed_for:
                raise _unavailable()
        else:
            renew = age >= FRESH and now - self._failed_at >= PAUSE
            # Anybody can make up a kid: without the pause each of them would be a request to the tenant.
            search = kid not in self._keys and now - self._searched_at >= PAUSE
            if not renew and not search:
                return None, False
            if not renew:
                self._searched_at = now
        self._fetch = Fetch(self.jwks_uri)
        return self._fetch, True

    def _settle(self) -> None:
        """Take over what a fetch has brought that is over. Under the lock."""
        fetch = self._fetch
        if fetch is None or not fetch.is_over():
            return
        self._fetch = None
        if fetch.keys is None:
            self._failed_at = time.monotonic()
            took = min(self._failed_at - fetch.started_at, TIMEOUT)
            self._failed_for = took if took >= SLOW else 0
        else:
            self._keys, self._fetched_at = fetch.keys, fetch.started_at


def _unavailable() -> ServiceUnavailableError:
    return ServiceUnavailableError("The identity provider's keys cannot be fetched", retry_after=TIMEOUT)


class _FetchError(Exception):
    """What the tenant answered is no set of keys; the message says why."""


class Fetch:
    """One request for a tenant's keys, in a thread of its own, so that it can be given up.

    HTTP timeouts hold for one read: a server that sends a byte a second passes them for ever. And none
    hold for a name that does not resolve.

    :param jwks_uri: where the keys are.
    """

    def __init__(self, jwks_uri: str) -> None:
        self.jwks_uri = jwks_uri
        self.started_at = time.monotonic()
        #: None until it has succeeded.
        self.keys: Keys | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._connection: socket.socket | None = None
        try:
            threading.Thread(target=self._run, name="flask-core-auth-jwks", daemon=True).start()
        except RuntimeError as error:
            self._end(failure=str(error))

    def wait(self) -> None:
        """Wait until it is over, at most for what is left of its time."""
        if not self._over.wait(self._seconds_left()):
            self._end(failure=f"no complete answer within {TIMEOUT} seconds")

    def is_over(self) -> bool:
        # Its time may have passed with nobody waiting: their threads were killed, or this process was
        # forked off with a fetch under way.
        if self._seconds_left() == 0:
            self.wait()
        return self._over.is_set()

    def _seconds_left(self) -> float:
        return max(0, self.started_at + TIMEOUT - time.monotonic())

    def _run(self) -> None:
        try:
            keys = self.read()
        except Exception as error:
            # Whatever it was, it must reach those who wait, and it must not be lost with the thread.
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
                # Ends the thread. Closing the client from here would not wake a read, and the number of
                # a socket that is closed under its reader is soon another socket's.
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
                    raise _FetchError("given up")
                # A duplicate, because TLS detaches the socket that it is wrapped around.
                self._connection = connection.dup()

    def read(self) -> Keys:
        import httpx2  # takes a while, and many an app never needs it

        # Identity, because a few bytes of gzip can unpack to any number.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        body = bytearray()
        with (
            httpx2.Client(timeout=TIMEOUT, follow_redirects=False) as client,
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
        return usable(jwks["keys"])


def usable(jwks: list[object]) -> Keys:
    """The keys that can be used, by kid and algorithm. One that cannot does not spoil the others."""
    keys: dict[str, dict[str, tuple[Key, ...]]] = {}
    for jwk in jwks:
        if not isinstance(jwk, dict) or not _for_verifying(jwk):
            continue
        try:
            key = _load(jwk)
        except (JoseError, UnsupportedAlgorithm, ValueError):
            continue
        for algorithm in _algorithms(jwk):
            fitting = keys.setdefault(jwk["kid"], {})
            fitting[algorithm] = (*fitting.get(algorithm, ()), key)
    return keys


def _for_verifying(jwk: Mapping[str, t.Any]) -> bool:
    kid, operations = jwk.get("kid"), jwk.get("key_ops", ["verify"])
    return (
        isinstance(kid, str)
        and kid != ""
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        # With a private key that is published anybody can sign.
        and jwk.keys().isdisjoint(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
        and bool(_algorithms(jwk))
    )


#: RFC 7518, 3.1 and RFC 8037, 3.1: what a key of this type, and curve, verifies. No symmetric ones: what
#: verifies with them signs with them, too.
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
    """The key itself; its certificates and the like are nothing that is used here.

    :raises JoseError, UnsupportedAlgorithm, ValueError: if it is malformed, or too weak.
    """
    members = {name: jwk[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in jwk}
    # Before joserfc sees it, which lets it pass with a warning.
    if jwk["kty"] == "RSA" and _bits(jwk.get("n")) < MIN_RSA_BITS:
        raise ValueError("weak")
    return import_key(members)


def _bits(number: object) -> int:
    if not isinstance(number, str):
        raise ValueError("not a number")
    return int.from_bytes(urlsafe_b64decode(number.encode())).bit_length()

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
import typing as t
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from flask_core_auth.errors import ServiceUnavailableError
from flask_core_auth.validators import jwks
from flask_core_auth.validators.jwks import TenantKeys, UnknownKeyError

from ..tenant import Tenant


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(jwks, "time", clock)
    return clock


@pytest.fixture
def keys(tenant: Tenant) -> TenantKeys:
    return TenantKeys(tenant.jwks_uri)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Returns when so many threads wait for a fetch."""
    arrived = threading.Semaphore(0)
    wait = jwks.Fetch.wait

    def counting(fetch: jwks.Fetch) -> None:
        arrived.release()
        wait(fetch)

    def until(number: int) -> None:
        for _ in range(number):
            assert arrived.acquire(timeout=5)

    monkeypatch.setattr(jwks.Fetch, "wait", counting)
    return until


def rsa(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid})


def public(key: t.Any, **members: object) -> dict[str, object]:
    """A JWK; a member that is ``...`` is left out."""
    jwk = {**key.as_dict(private=False), **members}
    return {name: value for name, value in jwk.items() if value is not ...}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for name, level, message in caplog.record_tuples if name == "flask_core_auth"]


def gone(thread: str = "flask-core-auth-jwks") -> bool:
    """Whether no thread that fetches keys is left, a moment from now."""
    for candidate in threading.enumerate():
        if candidate.name == thread:
            candidate.join(timeout=3)
    return all(candidate.name != thread for candidate in threading.enumerate())


# When keys are fetched


def test_nothing_is_fetched_before_a_key_is_needed(tenant: Tenant) -> None:
    before = threading.active_count()
    TenantKeys(tenant.jwks_uri)
    assert threading.active_count() == before
    assert not tenant.asked.wait(0.05)


def test_key_is_found_by_kid(keys: TenantKeys, tenant: Tenant) -> None:
    [key] = keys.find("key-1", "RS256")
    assert key.as_dict(private=False)["n"] == tenant.key.as_dict(private=False)["n"]
    assert not key.is_private


def test_keys_are_fresh_for_ten_minutes(keys: TenantKeys, tenant: Tenant, clock: Clock) -> None:
    keys.find("key-1", "RS256")
    clock.now += 599
    keys.find("key-1", "RS256")
    assert len(tenant.requests) == 1
    clock.now += 1
    keys.find("key-1", "RS256")
    assert len(tenant.requests) == 2


def test_threads_that_need_keys_at_once_share_one_fetch(
    keys: TenantKeys, tenant: Tenant, pool: ThreadPoolExecutor, waiting: Callable[[int], None]
) -> None:
    tenant.answering.clear()
    found = [pool.submit(keys.find, "key-1", "RS256") for _ in range(12)]
    waiting(12)
    tenant.answering.set()
    assert all(len(future.result()) == 1 for future in found)
    assert len(tenant.requests) == 1


def test_threads_that_need_keys_at_once_share_one_failure(
    keys: TenantKeys,
    tenant: Tenant,
    pool: ThreadPoolExecutor,
    waiting: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    tenant.answering.clear()
    tenant.status = 500
    found = [pool.submit(keys.find, "key-1", "RS256") for _ in range(12)]
    waiting(12)
    tenant.answering.set()
    assert all(isinstance(future.exception(), ServiceUnavailableError) for future in found)
    assert len({id(future.exception()) for future in found}) == 12
    assert len(tenant.requests) == 1
    assert len(warnings(caplog)) == 1


def test_first_fetch_that_fails_is_tried_again_at_once(
    keys: TenantKeys, tenant: Tenant, clock: Clock
) -> None:
    tenant.status = 503
    for _ in range(2):
        with pytest.raises(ServiceUnavailableError) as raised:
            keys.find("key-1", "RS256")
        assert raised.value.retry_after > 0
    tenant.status = 200
    assert keys.find("key-1", "RS256")
    assert len(tenant.requests) == 3


def test_tenant_that_is_slow_to_fail_is_left_alone_for_as_long_as_it_took(
    keys: TenantKeys, tenant: Tenant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = jwks.Fetch.read

    def slow(fetch: jwks.Fetch) -> jwks.Keys:
        clock.now += 3
        return read(fetch)

    monkeypatch.setattr(jwks.Fetch, "read", slow)
    tenant.status = 503
    for _ in range(3):
        with pytest.raises(ServiceUnavailableError):
            keys.find("key-1", "RS256")
    assert len(tenant.requests) == 1
    tenant.status = 200
    clock.now += 3
    assert keys.find("key-1", "RS256")


def test_one_thread_renews_old_keys_and_the_others_go_on_with_them(
    keys: TenantKeys, tenant: Tenant, clock: Clock, pool: ThreadPoolExecutor
) -> None:
    keys.find("key-1", "RS256")
    tenant.keys = [rsa("key-2")]
    tenant.answering.clear()
    tenant.asked.clear()
    clock.now += 600
    renewing = pool.submit(keys.find, "key-2", "RS256")
    assert tenant.asked.wait(5)
    for _ in range(3):
        assert keys.find("key-1", "RS256")
    assert not renewing.done()
    tenant.answering.set()
    assert renewing.result()
    assert len(tenant.requests) == 2


def test_key_that_is_no_longer_published_is_gone_after_the_renewal(
    keys: TenantKeys, tenant: Tenant, clock: Clock
) -> None:
    keys.find("key-1", "RS256")
    tenant.keys = [rsa("key-2")]
    clock.now += 600
    with pytest.raises(UnknownKeyError):
        keys.find("key-1", "RS256")


def test_old_keys_serve_while_the_tenant_is_down_and_it_is_asked_every_thirty_seconds(
    keys: TenantKeys, tenant: Tenant, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keys.find("key-1", "RS256")
    tenant.status = 500
    clock.now += 600
    assert keys.find("key-1", "RS256")
    assert len(tenant.requests) == 2
    clock.now += 29
    assert keys.find("key-1", "RS256")
    assert len(tenant.requests) == 2
    clock.now += 1
    assert keys.find("key-1", "RS256")
    assert len(tenant.requests) == 3
    assert warnings(caplog) == [f"The keys at {tenant.jwks_uri} cannot be fetched: status 500"] * 2
    assert {record.levelno for record in caplog.records if record.name == "flask_core_auth"} == {
        logging.WARNING
    }


def test_old_keys_serve_for_a_day_at_most(keys: TenantKeys, tenant: Tenant, clock: Clock) -> None:
    keys.find("key-1", "RS256")
    tenant.status = 500
    clock.now += 86399
    assert keys.find("key-1", "RS256")
    clock.now += 1
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")
    tenant.status = 200
    assert keys.find("key-1", "RS256")


def test_day_counts_from_the_last_fetch_that_succeeded(
    keys: TenantKeys, tenant: Tenant, clock: Clock
) -> None:
    keys.find("key-1", "RS256")
    clock.now += 80000
    keys.find("key-1", "RS256")
    tenant.status = 500
    clock.now += 80000
    assert keys.find("key-1", "RS256")


# Unknown keys


def test_key_that_was_rotated_just_after_a_fetch_is_found_at_once(
    keys: TenantKeys, tenant: Tenant, clock: Clock
) -> None:
    keys.find("key-1", "RS256")
    tenant.keys.append(rsa("key-2"))
    assert keys.find("key-2", "RS256")
    assert len(tenant.requests) == 2


def test_unknown_keys_are_searched_for_once_in_thirty_seconds(
    keys: TenantKeys, tenant: Tenant, clock: Clock
) -> None:
    keys.find("key-1", "RS256")
    for number in range(5):
        with pytest.raises(UnknownKeyError):
            keys.find(f"made-up-{number}", "RS256")
        clock.now += 5
    assert len(tenant.requests) == 2
    clock.now += 4
    with pytest.raises(UnknownKeyError):
        keys.find("made-up", "RS256")
    assert len(tenant.requests) == 2
    clock.now += 1
    with pytest.raises(UnknownKeyError):
        keys.find("made-up", "RS256")
    assert len(tenant.requests) == 3


def test_renewal_is_no_search_for_unknown_keys(keys: TenantKeys, tenant: Tenant, clock: Clock) -> None:
    keys.find("key-1", "RS256")
    clock.now += 600
    keys.find("key-1", "RS256")
    tenant.keys.append(rsa("key-2"))
    assert keys.find("key-2", "RS256")
    assert len(tenant.requests) == 3


def test_keys_that_were_fetched_for_this_very_token_are_not_searched_again(
    keys: TenantKeys, tenant: Tenant, clock: Clock
) -> None:
    with pytest.raises(UnknownKeyError):
        keys.find("key-2", "RS256")
    assert len(tenant.requests) == 1


def test_threads_with_unknown_keys_share_one_search(
    keys: TenantKeys,
    tenant: Tenant,
    clock: Clock,
    pool: ThreadPoolExecutor,
    waiting: Callable[[int], None],
) -> None:
    keys.find("key-1", "RS256")
    waiting(1)
    tenant.keys.append(rsa("key-2"))
    tenant.answering.clear()
    found = [pool.submit(keys.find, "key-2", "RS256") for _ in range(12)]
    waiting(12)
    assert keys.find("key-1", "RS256"), "known keys do not wait"
    tenant.answering.set()
    assert all(future.result() for future in found)
    assert len(tenant.requests) == 2


def test_key_that_is_rotated_during_a_fetch_is_searched_for_afterwards(
    keys: TenantKeys,
    tenant: Tenant,
    clock: Clock,
    pool: ThreadPoolExecutor,
    waiting: Callable[[int], None],
) -> None:
    tenant.answering.clear()
    first = pool.submit(keys.find, "key-1", "RS256")
    assert tenant.asked.wait(5)
    tenant.keys.append(rsa("key-2"))
    second = pool.submit(keys.find, "key-2", "RS256")
    waiting(2)
    tenant.answering.set()
    assert first.result()
    assert second.result()
    assert len(tenant.requests) == 2


def test_thread_that_waits_for_a_renewal_shares_its_failure(
    keys: TenantKeys,
    tenant: Tenant,
    clock: Clock,
    pool: ThreadPoolExecutor,
    waiting: Callable[[int], None],
) -> None:
    keys.find("key-1", "RS256")
    waiting(1)
    tenant.status = 500
    tenant.answering.clear()
    clock.now += 600
    renewing = pool.submit(keys.find, "key-1", "RS256")
    waiting(1)
    unknown = pool.submit(keys.find, "key-2", "RS256")
    waiting(1)
    tenant.answering.set()
    assert renewing.result()
    assert isinstance(unknown.exception(), UnknownKeyError)
    assert len(tenant.requests) == 2


def test_search_that_fails_refuses_the_unknown_key_only(
    keys: TenantKeys, tenant: Tenant, clock: Clock
) -> None:
    keys.find("key-1", "RS256")
    tenant.status = 500
    with pytest.raises(UnknownKeyError):
        keys.find("key-2", "RS256")
    assert keys.find("key-1", "RS256")


# What a fetch may cost


def slow(tenant: Tenant, keys: TenantKeys) -> None:
    started = time.monotonic()
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("part", ["headers", "body"])
def test_answer_that_drips_is_given_up_and_its_thread_ends(
    keys: TenantKeys,
    tenant: Tenant,
    part: t.Literal["headers", "body"],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.3)
    tenant.drip = part
    slow(tenant, keys)
    assert gone(), "the server drips on"
    assert warnings(caplog) == [
        f"The keys at {tenant.jwks_uri} cannot be fetched: no complete answer within 0.3 seconds"
    ]


def test_answer_that_never_comes_is_given_up_and_its_thread_ends(
    keys: TenantKeys, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.3)
    tenant.answering.clear()
    slow(tenant, keys)
    assert gone()


def test_handshake_that_never_ends_is_given_up_and_its_thread_ends(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        slow(tenant, TenantKeys(f"https://localhost:{silent.getsockname()[1]}/"))
        assert gone()


def test_name_that_does_not_resolve_in_time_is_given_up_and_its_thread_ends(
    keys: TenantKeys, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = threading.Event()
    getaddrinfo = socket.getaddrinfo

    def resolver(*args: t.Any, **options: t.Any) -> t.Any:
        resolve.wait(10)
        return getaddrinfo(*args, **options)

    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    slow(tenant, keys)
    resolve.set()
    assert gone()
    assert not tenant.requests, "nobody waits for that answer any more"


def test_keys_in_hand_serve_when_the_renewal_drips(
    keys: TenantKeys, tenant: Tenant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.3)
    keys.find("key-1", "RS256")
    tenant.drip = "body"
    clock.now += 600
    assert keys.find("key-1", "RS256")
    assert gone()


def test_fetch_without_a_thread_is_given_up(
    keys: TenantKeys, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is in a process that was forked off during a fetch."""
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: None)
        slow(tenant, keys)
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 5)
    assert keys.find("key-1", "RS256")


def test_fetch_that_nobody_waits_for_any_more_is_given_up(
    keys: TenantKeys, tenant: Tenant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.find("key-1", "RS256")
    clock.now += 600
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: None)
        patch.setattr(jwks.Fetch, "wait", lambda fetch: None)
        assert keys.find("key-1", "RS256")
    clock.now += 5
    assert keys.find("key-1", "RS256")
    clock.now += 30
    assert keys.find("key-1", "RS256")
    assert len(tenant.requests) == 2


def test_thread_that_cannot_be_started_is_a_failed_fetch(
    keys: TenantKeys, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start\nnew thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(ServiceUnavailableError):
            keys.find("key-1", "RS256")
    assert warnings(caplog) == [f"The keys at {tenant.jwks_uri} cannot be fetched: can't start new thread"]
    assert keys.find("key-1", "RS256")


def test_answer_of_256_kib_is_read_and_a_larger_one_is_not(keys: TenantKeys, tenant: Tenant) -> None:
    tenant.body = tenant.jwks().ljust(256 * 1024 + 1)
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")
    tenant.body = tenant.body[:-1]
    assert keys.find("key-1", "RS256")


def test_redirect_is_not_followed(
    keys: TenantKeys, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    tenant.status = 302
    tenant.headers["Location"] = f"{tenant.issuer}elsewhere"
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")
    assert [request["path"] for request in tenant.requests] == ["/.well-known/jwks.json"]
    assert warnings(caplog)[0].endswith(f": it redirects, to '{tenant.issuer}elsewhere'")


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
def test_compressed_answer_is_not_asked_for_and_refused(
    keys: TenantKeys, tenant: Tenant, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    tenant.headers["Content-Encoding"] = encoding
    for body in (gzip.compress(tenant.jwks()), tenant.jwks()):
        tenant.body = body
        with pytest.raises(ServiceUnavailableError):
            keys.find("key-1", "RS256")
    assert tenant.requests[0]["Accept-Encoding"] == "identity"
    assert [warning.rpartition(": ")[2] for warning in warnings(caplog)] == ["it is compressed"] * 2


@pytest.mark.parametrize("status", [204, 206, 301, 304, 400, 403, 404, 500, 503])
def test_answer_must_be_200(keys: TenantKeys, tenant: Tenant, status: int) -> None:
    tenant.status = status
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><title>Login</title>",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b'{"keys": "key-1"}',
        b'{"keys": [], "keys": []}',
        b'{"keys": [NaN]}',
        b'{"keys": [' + b"9" * 5000 + b"]}",
        b'{"keys": []',
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"keys": ' + b"[" * 200_000,
    ],
    ids=lambda body: body[:20].decode(errors="replace"),
)
def test_answer_must_be_a_set_of_keys(
    keys: TenantKeys, tenant: Tenant, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    tenant.body = body
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")
    [warning] = warnings(caplog)
    assert warning.endswith((": it is not a JSON object", ': it has no list of "keys"'))


def test_tenant_without_keys_has_no_key(keys: TenantKeys, tenant: Tenant) -> None:
    tenant.keys = []
    with pytest.raises(UnknownKeyError):
        keys.find("key-1", "RS256")


def test_nonsense_instead_of_http_is_refused(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    tenant.headers = {"Bad Header\x00": "x"}
    with pytest.raises(ServiceUnavailableError):
        TenantKeys(tenant.jwks_uri).find("key-1", "RS256")
    assert len(warnings(caplog)) == 1


def test_tenant_that_is_not_listening_is_unavailable(tenant: Tenant) -> None:
    tenant.close()
    with pytest.raises(ServiceUnavailableError):
        TenantKeys(tenant.jwks_uri).find("key-1", "RS256")


def test_tenant_with_a_certificate_of_nobodys_is_refused(
    keys: TenantKeys,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: t.Any,
) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    with monkeypatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(stranger))
        with pytest.raises(ServiceUnavailableError):
            keys.find("key-1", "RS256")
    assert not tenant.requests
    assert keys.find("key-1", "RS256"), "trust is that of the moment of the fetch"


def test_tenant_with_a_certificate_of_another_name_is_refused(tenant: Tenant) -> None:
    other = tenant.jwks_uri.replace("localhost", "127.0.0.2")
    with pytest.raises(ServiceUnavailableError):
        TenantKeys(other).find("key-1", "RS256")
    assert not tenant.requests


def test_missing_trust_file_is_a_failed_fetch(
    keys: TenantKeys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")
    assert len(warnings(caplog)) == 1


# Which keys count

GOOD = rsa("good")
OTHER = rsa("odd")
EC = ECKey.generate_key("P-256", {"kid": "odd"})
ED = OKPKey.generate_key("Ed25519", {"kid": "odd"})


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        "key",
        [],
        {},
        {"kid": "odd"},
        OctKey.generate_key(256, {"kid": "odd"}).as_dict(),
        public(OTHER, kty="oct", k="c2VjcmV0"),
        public(OTHER, kty="rsa"),
        public(OTHER, kty=["RSA"]),
        public(OTHER, kty=...),
        public(OTHER, kty="EC"),
        public(OTHER, use="enc"),
        public(OTHER, use=None),
        public(OTHER, use=["sig"]),
        public(OTHER, key_ops=[]),
        public(OTHER, key_ops=["sign"]),
        public(OTHER, key_ops=["encrypt"]),
        public(OTHER, key_ops="verify"),
        public(OTHER, key_ops={"verify": 1}),
        public(OTHER, key_ops=None),
        public(OTHER, alg="PS256"),
        public(OTHER, alg="RS512"),
        public(OTHER, alg="RSA-OAEP"),
        public(OTHER, alg="HS256"),
        public(OTHER, alg="rs256"),
        public(OTHER, alg=None),
        public(OTHER, alg=["RS256"]),
        public(OTHER, n=...),
        public(OTHER, e=...),
        public(OTHER, n=""),
        public(OTHER, n=5),
        public(OTHER, n=None),
        public(OTHER, n="\ud800"),
        public(OTHER, n=f"{OTHER.as_dict()['n']}="),
        public(OTHER, e="AQ"),
        public(OTHER, e="Ag"),
        public(OTHER, e=""),
        public(OTHER, e=65537),
        OTHER.as_dict(private=True),
        public(OTHER, d=None),
        public(OTHER, p=OTHER.as_dict(private=True)["p"]),
        {"kty": "RSA", "kid": "odd", "e": "AQAB", "n": "_" * 170},
        {"kty": "RSA", "kid": "odd", "e": "AQAB", "n": "A" * 172 + "_" * 170},
        {"kty": "RSA", "kid": "odd", "e": "AQAB", "n": "f" + "_" * 340 + "w"},
    ],
    ids=lambda jwk: json.dumps(jwk)[:60],
)
def test_key_that_cannot_be_used_is_ignored_and_the_others_are_not(
    keys: TenantKeys, tenant: Tenant, jwk: object
) -> None:
    tenant.body = json.dumps({"keys": [jwk, public(GOOD)]}).encode()
    assert keys.find("good", "RS256")
    with pytest.raises(UnknownKeyError):
        keys.find("odd", "RS256")


@pytest.mark.parametrize("kid", [..., None, "", 1, ["odd"], {}])
def test_key_without_a_name_is_ignored(keys: TenantKeys, tenant: Tenant, kid: object) -> None:
    tenant.body = json.dumps({"keys": [public(OTHER, kid=kid), public(GOOD)]}).encode()
    assert keys.find("good", "RS256")
    assert set(keys._keys) == {"good"}


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        (public(EC, crv="P-384"), "ES384"),
        (public(EC, crv="P-384"), "ES256"),
        (public(EC, crv="secp256k1"), "ES256K"),
        (public(EC, x="AA"), "ES256"),
        (public(EC, x="_" * 6000), "ES256"),
        (public(EC, y=...), "ES256"),
        (public(EC, crv=...), "ES256"),
        (public(EC, crv=["P-256"]), "ES256"),
        (public(EC, alg="ECDH-ES"), "ES256"),
        (public(ED, x="AA"), "EdDSA"),
        (public(ED, crv="Ed448"), "EdDSA"),
        (public(ED, crv="X25519"), "EdDSA"),
        (public(ED, alg="Ed25519"), "EdDSA"),
        (public(OKPKey.generate_key("X25519"), kid="odd"), "EdDSA"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_malformed_curve_key_is_ignored(
    keys: TenantKeys, tenant: Tenant, jwk: object, algorithm: str
) -> None:
    tenant.body = json.dumps({"keys": [jwk, public(GOOD)]}).encode()
    assert keys.find("good", "RS256")
    with pytest.raises(UnknownKeyError):
        keys.find("odd", algorithm)


ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@pytest.mark.parametrize(
    ("key", "fitting"),
    [
        (GOOD, ALGORITHMS[:6]),
        (ECKey.generate_key("P-256"), ("ES256",)),
        (ECKey.generate_key("P-384"), ("ES384",)),
        (ECKey.generate_key("P-521"), ("ES512",)),
        (ECKey.generate_key("secp256k1"), ()),
        (OKPKey.generate_key("Ed25519"), ("EdDSA",)),
        (OKPKey.generate_key("Ed448"), ("EdDSA",)),
    ],
    ids=["RSA", "P-256", "P-384", "P-521", "secp256k1", "Ed25519", "Ed448"],
)
def test_key_fits_the_algorithms_of_its_type_and_curve(
    keys: TenantKeys, tenant: Tenant, key: t.Any, fitting: tuple[str, ...]
) -> None:
    tenant.body = json.dumps({"keys": [public(key, kid="key")]}).encode()
    for algorithm in (*ALGORITHMS, "ES256K", "HS256", "none", ""):
        if algorithm in fitting:
            assert keys.find("key", algorithm)
        else:
            with pytest.raises(UnknownKeyError):
                keys.find("key", algorithm)


def test_algorithm_that_a_key_names_is_its_only_one(keys: TenantKeys, tenant: Tenant) -> None:
    tenant.body = json.dumps({"keys": [public(GOOD, alg="RS256")]}).encode()
    assert keys.find("good", "RS256")
    for algorithm in ALGORITHMS[1:]:
        with pytest.raises(UnknownKeyError):
            keys.find("good", algorithm)


def test_known_kid_with_another_algorithm_is_no_search(
    keys: TenantKeys, tenant: Tenant, clock: Clock
) -> None:
    keys.find("key-1", "RS256")
    with pytest.raises(UnknownKeyError):
        keys.find("key-1", "ES256")
    assert len(tenant.requests) == 1


def test_all_keys_of_the_same_name_are_found(keys: TenantKeys, tenant: Tenant) -> None:
    twins = [public(GOOD, kid="twin"), public(OTHER, kid="twin"), public(EC, kid="twin")]
    tenant.body = json.dumps({"keys": twins}).encode()
    found = keys.find("twin", "RS256")
    assert [key.as_dict()["n"] for key in found] == [GOOD.as_dict()["n"], OTHER.as_dict()["n"]]
    assert len(keys.find("twin", "ES256")) == 1


def test_certificates_of_a_key_are_not_looked_at(keys: TenantKeys, tenant: Tenant) -> None:
    jwk = public(GOOD, x5c="nonsense", x5u="file:///etc/passwd", x5t=1, use="sig", key_ops=["verify"])
    tenant.body = json.dumps({"keys": [jwk]}).encode()
    assert keys.find("good", "RS256")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
MEMBER = JSON | st.sampled_from(["sig", "verify", "RS256", "ES256", "AQAB", "AA", "_" * 342, "_" * 43])


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.differing_executors])
@given(
    st.fixed_dictionaries(
        {
            "kty": st.sampled_from(["RSA", "EC", "OKP", "oct"]) | JSON,
            "kid": st.just("key") | JSON,
        },
        optional={
            "crv": st.sampled_from(["P-256", "P-384", "P-521", "Ed25519", "Ed448", "X25519"]) | JSON,
            **dict.fromkeys(("n", "e", "x", "y", "d", "use", "key_ops", "alg", "oth"), MEMBER),
        },
    )
)
def test_no_key_spoils_the_others(jwk: dict[str, object]) -> None:
    assert "good" in jwks.parse_keys([jwk, public(GOOD)])

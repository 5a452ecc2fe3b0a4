"""The fetch of a tenant's keys: its time limit, its threads, and the responses that it rejects."""

from __future__ import annotations

import gzip
import socket
import threading
import typing as t

import pytest
import trustme

from flask_core_auth.errors import ServiceUnavailableError
from flask_core_auth.validators import jwks
from flask_core_auth.validators.jwks import TenantKeys, UnknownKeyError

from ..apps import Clock
from ..limits import EXTENDED_SECONDS
from ..tenant import Tenant
from .conftest import logged


def gone(thread: str = "flask-core-auth-jwks") -> bool:
    """Wait until no thread that fetches keys is left."""
    for candidate in threading.enumerate():
        if candidate.name == thread:
            candidate.join(timeout=EXTENDED_SECONDS)
    return all(candidate.name != thread for candidate in threading.enumerate())


def give_up(keys: TenantKeys) -> None:
    """Have a fetch run into its time limit, without which it would never end."""
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")


@pytest.mark.parametrize("part", ["headers", "body"])
def test_dripping_response_is_given_up_and_its_thread_ends(
    keys: TenantKeys,
    tenant: Tenant,
    part: t.Literal["headers", "body"],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.3)
    tenant.drip = part
    give_up(keys)
    assert gone(), "the thread waits for the server, which drips on"
    assert logged(caplog) == [
        f"The keys at {tenant.jwks_uri} cannot be fetched: no complete response within 0.3 seconds"
    ]


def test_missing_response_is_given_up_and_its_thread_ends(
    keys: TenantKeys, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.3)
    tenant.answering.clear()
    give_up(keys)
    assert gone()


def test_endless_handshake_is_given_up_and_its_thread_ends(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        give_up(TenantKeys(f"https://localhost:{silent.getsockname()[1]}/"))
        assert gone()


def test_name_that_does_not_resolve_in_time_is_given_up_and_its_thread_ends(
    keys: TenantKeys, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = threading.Event()
    getaddrinfo = socket.getaddrinfo

    def resolver(*args: t.Any, **options: t.Any) -> t.Any:
        resolve.wait(EXTENDED_SECONDS)
        return getaddrinfo(*args, **options)

    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    give_up(keys)
    resolve.set()
    assert gone()
    assert not tenant.requests, "the fetch was given up before the request"


def test_old_keys_are_used_when_the_fetch_of_new_ones_drips(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.3)
    keys.find("key-1", "RS256")
    tenant.drip = "body"
    monotonic.move(600)
    assert keys.find("key-1", "RS256")
    assert gone()


def test_fetch_without_a_thread_is_given_up(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetch has no thread in a process that was forked during it."""
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: None)
        give_up(keys)
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", EXTENDED_SECONDS)
    monotonic.move(1)
    assert keys.find("key-1", "RS256")


def test_fetch_without_a_waiting_thread_is_given_up(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.find("key-1", "RS256")
    monotonic.move(600)
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT_SECONDS", 5)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: None)
        patch.setattr(jwks.Fetch, "wait", lambda fetch: None)
        assert keys.find("key-1", "RS256")
    monotonic.move(5)
    assert keys.find("key-1", "RS256")
    monotonic.move(30)
    assert keys.find("key-1", "RS256")
    assert len(tenant.requests) == 2


def test_thread_that_cannot_be_started_is_a_failed_fetch(
    keys: TenantKeys,
    tenant: Tenant,
    monotonic: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start\nnew thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(ServiceUnavailableError):
            keys.find("key-1", "RS256")
    assert logged(caplog) == [f"The keys at {tenant.jwks_uri} cannot be fetched: can't start new thread"]
    monotonic.move(1)
    assert keys.find("key-1", "RS256")


def test_response_of_256_kib_is_read_and_a_larger_one_is_not(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    tenant.body = tenant.jwks().ljust(256 * 1024 + 1)
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")
    tenant.body = tenant.body[:-1]
    monotonic.move(1)
    assert keys.find("key-1", "RS256")


def test_redirect_is_not_followed(
    keys: TenantKeys, tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    tenant.status = 302
    tenant.headers["Location"] = f"{tenant.issuer}elsewhere"
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")
    assert [request["path"] for request in tenant.requests] == ["/.well-known/jwks.json"]
    assert logged(caplog)[0].endswith(f": it redirects, to '{tenant.issuer}elsewhere'")


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
def test_compressed_response_is_not_requested_and_rejected(
    keys: TenantKeys,
    tenant: Tenant,
    encoding: str,
    monotonic: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tenant.headers["Content-Encoding"] = encoding
    for body in (gzip.compress(tenant.jwks()), tenant.jwks()):
        tenant.body = body
        with pytest.raises(ServiceUnavailableError):
            keys.find("key-1", "RS256")
        monotonic.move(1)
    assert tenant.requests[0]["Accept-Encoding"] == "identity"
    assert [warning.rpartition(": ")[2] for warning in logged(caplog)] == ["it is compressed"] * 2


@pytest.mark.parametrize("status", [204, 206, 301, 304, 400, 403, 404, 500, 503])
def test_response_must_have_status_200(keys: TenantKeys, tenant: Tenant, status: int) -> None:
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
def test_response_must_be_a_set_of_keys(
    keys: TenantKeys, tenant: Tenant, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    tenant.body = body
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")
    [warning] = logged(caplog)
    assert warning.endswith((": it is not a JSON object", ': it has no list of "keys"'))


def test_tenant_without_keys_has_no_key(keys: TenantKeys, tenant: Tenant) -> None:
    tenant.keys = []
    with pytest.raises(UnknownKeyError):
        keys.find("key-1", "RS256")


def test_malformed_http_is_rejected(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    tenant.headers = {"Bad Header\x00": "x"}
    with pytest.raises(ServiceUnavailableError):
        TenantKeys(tenant.jwks_uri).find("key-1", "RS256")
    assert len(logged(caplog)) == 1


def test_tenant_that_is_not_listening_is_unavailable(tenant: Tenant) -> None:
    tenant.close()
    with pytest.raises(ServiceUnavailableError):
        TenantKeys(tenant.jwks_uri).find("key-1", "RS256")


def test_certificate_of_an_unknown_authority_is_rejected(
    keys: TenantKeys,
    tenant: Tenant,
    monotonic: Clock,
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
    monotonic.move(1)
    assert keys.find("key-1", "RS256"), "the trusted authorities are read at each fetch"


def test_certificate_of_another_name_is_rejected(tenant: Tenant) -> None:
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
    assert len(logged(caplog)) == 1

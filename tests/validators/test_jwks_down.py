"""A tenant that hangs or fails: how many calls wait for its keys, and when they are fetched again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_core_auth.errors import ServiceUnavailableError
from flask_core_auth.validators import jwks
from flask_core_auth.validators.jwks import TenantKeys, UnknownKeyError

from ..apps import Clock
from ..tenant import Tenant
from .conftest import rsa


def retry_after(keys: TenantKeys, kid: str = "key-1") -> int:
    """The Retry-After of a call that cannot be decided."""
    with pytest.raises(ServiceUnavailableError) as raised:
        keys.find(kid, "RS256")
    assert isinstance(raised.value.retry_after, int)
    return raised.value.retry_after


# Calls that wait


def test_four_calls_wait_for_a_tenant_and_the_others_end_at_once(
    keys: TenantKeys, tenant: Tenant, pool: ThreadPoolExecutor, waiting: Callable[[int], None]
) -> None:
    tenant.answering.clear()
    found = [pool.submit(keys.find, "key-1", "RS256") for _ in range(4)]
    waiting(4)
    assert [retry_after(keys) for _ in range(20)] == [1] * 20  # a call that waits would never end
    assert not any(future.done() for future in found)
    tenant.answering.set()
    assert all(future.result() for future in found)
    assert keys.find("key-1", "RS256")
    assert len(tenant.requests) == 1


def test_four_calls_wait_for_an_unknown_key_and_known_keys_are_found(
    keys: TenantKeys, tenant: Tenant, pool: ThreadPoolExecutor, waiting: Callable[[int], None]
) -> None:
    keys.find("key-1", "RS256")
    waiting(1)
    tenant.answering.clear()
    searching = [pool.submit(keys.find, "key-2", "RS256") for _ in range(4)]
    waiting(4)
    for number in range(20):
        with pytest.raises(UnknownKeyError):
            keys.find(f"made-up-{number}", "RS256")
        assert keys.find("key-1", "RS256")
    assert not any(future.done() for future in searching)
    tenant.answering.set()
    assert all(isinstance(future.exception(), UnknownKeyError) for future in searching)
    assert len(tenant.requests) == 2


def test_calls_wait_again_for_the_next_fetch(
    keys: TenantKeys,
    tenant: Tenant,
    monotonic: Clock,
    pool: ThreadPoolExecutor,
    waiting: Callable[[int], None],
) -> None:
    tenant.status = 500
    for _ in range(2):
        tenant.answering.clear()
        found = [pool.submit(keys.find, "key-1", "RS256") for _ in range(4)]
        waiting(4)
        tenant.answering.set()
        assert all(isinstance(future.exception(), ServiceUnavailableError) for future in found)
        monotonic.move(30)


# Pauses


def test_hundred_calls_of_a_failing_tenant_make_one_request(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    tenant.status = 500
    assert [retry_after(keys) for _ in range(100)] == [1] * 100
    assert len(tenant.requests) == 1


def test_pause_after_failures_doubles_from_one_to_thirty_seconds(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    tenant.status = 500
    for number, pause in enumerate([1, 2, 4, 8, 16, 30, 30], 1):
        assert retry_after(keys) == pause
        monotonic.move(pause - 0.5)
        assert retry_after(keys) == 1
        assert len(tenant.requests) == number
        monotonic.move(0.5)


def test_success_resets_the_pause(keys: TenantKeys, tenant: Tenant, monotonic: Clock) -> None:
    tenant.status = 500
    for pause in (1, 2, 4):
        assert retry_after(keys) == pause
        monotonic.move(pause)
    tenant.status = 200
    assert keys.find("key-1", "RS256")
    tenant.status = 500
    monotonic.move(jwks.MAX_AGE_SECONDS)
    assert retry_after(keys) == 1


@pytest.mark.parametrize("fails_after", [0, jwks.FETCH_TIMEOUT_SECONDS])
def test_tenant_is_asked_within_six_seconds_of_its_recovery_from_a_short_outage(
    tenant: Tenant, monotonic: Clock, monkeypatch: pytest.MonkeyPatch, fails_after: int
) -> None:
    """A login arrives every tenth of a second. A fetch that begins in the outage fails, at once or late."""
    read = jwks.Fetch.read
    ends_at = 0.0

    def reading(fetch: jwks.Fetch) -> jwks.Keys:
        if monotonic() < ends_at:
            monotonic.move(fails_after)
            raise OSError
        return read(fetch)

    monkeypatch.setattr(jwks.Fetch, "read", reading)
    for length in (0.1, 1, 2.9, 3.1, 4, 5.9):
        keys = TenantKeys(tenant.jwks_uri)
        ends_at = monotonic() + length
        while not keys._keys:
            try:
                keys.find("key-1", "RS256")
            except ServiceUnavailableError:
                monotonic.move(0.1)
        assert monotonic() - ends_at < 6


def test_failed_search_is_repeated_after_the_pause(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    keys.find("key-1", "RS256")
    tenant.keys.append(rsa("key-2"))
    tenant.status = 500
    for number in range(100):
        with pytest.raises(UnknownKeyError):
            keys.find(f"made-up-{number}", "RS256")
    assert len(tenant.requests) == 2
    tenant.status = 200
    monotonic.move(1)
    assert keys.find("key-2", "RS256")


def test_searches_of_a_failing_tenant_have_the_same_pauses(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    keys.find("key-1", "RS256")
    tenant.status = 500
    for number, pause in enumerate([1, 2, 4, 8, 16, 30], 2):
        with pytest.raises(UnknownKeyError):
            keys.find("made-up", "RS256")
        monotonic.move(pause - 0.5)
        with pytest.raises(UnknownKeyError):
            keys.find("made-up", "RS256")
        assert len(tenant.requests) == number
        monotonic.move(0.5)

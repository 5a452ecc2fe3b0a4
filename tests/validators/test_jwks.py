"""When a tenant's keys are fetched, kept and fetched again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from flask_core_auth.errors import ServiceUnavailableError
from flask_core_auth.validators.jwks import TenantKeys, UnknownKeyError

from ..apps import Clock
from ..limits import EXTENDED_SECONDS
from ..tenant import Tenant
from .conftest import logged, rsa

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


def test_keys_are_fresh_for_ten_minutes(keys: TenantKeys, tenant: Tenant, monotonic: Clock) -> None:
    keys.find("key-1", "RS256")
    monotonic.move(599)
    keys.find("key-1", "RS256")
    assert len(tenant.requests) == 1
    monotonic.move(1)
    keys.find("key-1", "RS256")
    assert len(tenant.requests) == 2


def test_threads_that_need_keys_at_once_share_one_fetch(
    keys: TenantKeys, tenant: Tenant, pool: ThreadPoolExecutor, waiting: Callable[[int], None]
) -> None:
    tenant.answering.clear()
    found = [pool.submit(keys.find, "key-1", "RS256") for _ in range(4)]
    waiting(4)
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
    found = [pool.submit(keys.find, "key-1", "RS256") for _ in range(4)]
    waiting(4)
    tenant.answering.set()
    assert all(isinstance(future.exception(), ServiceUnavailableError) for future in found)
    assert len({id(future.exception()) for future in found}) == 4
    assert len(tenant.requests) == 1
    assert len(logged(caplog)) == 1


def test_one_thread_fetches_new_keys_while_others_use_the_old_ones(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock, pool: ThreadPoolExecutor
) -> None:
    keys.find("key-1", "RS256")
    tenant.keys = [rsa("key-2")]
    tenant.answering.clear()
    tenant.asked.clear()
    monotonic.move(600)
    renewing = pool.submit(keys.find, "key-2", "RS256")
    assert tenant.asked.wait(EXTENDED_SECONDS)
    for _ in range(3):
        assert keys.find("key-1", "RS256")
    assert not renewing.done()
    tenant.answering.set()
    assert renewing.result()
    assert len(tenant.requests) == 2


def test_key_that_is_no_longer_published_is_unknown_after_the_next_fetch(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    keys.find("key-1", "RS256")
    tenant.keys = [rsa("key-2")]
    monotonic.move(600)
    with pytest.raises(UnknownKeyError):
        keys.find("key-1", "RS256")


def test_old_keys_are_used_while_the_tenant_is_down_and_a_fetch_is_tried_every_thirty_seconds(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keys.find("key-1", "RS256")
    tenant.status = 500
    monotonic.move(600)
    assert keys.find("key-1", "RS256")
    assert len(tenant.requests) == 2
    monotonic.move(29)
    assert keys.find("key-1", "RS256")
    assert len(tenant.requests) == 2
    monotonic.move(1)
    assert keys.find("key-1", "RS256")
    assert len(tenant.requests) == 3
    assert logged(caplog) == [f"The keys at {tenant.jwks_uri} cannot be fetched: status 500"] * 2
    assert {record.levelno for record in caplog.records if record.name == "flask_core_auth"} == {
        logging.WARNING
    }


def test_old_keys_are_used_for_a_day_at_most(keys: TenantKeys, tenant: Tenant, monotonic: Clock) -> None:
    keys.find("key-1", "RS256")
    tenant.status = 500
    monotonic.move(86399)
    assert keys.find("key-1", "RS256")
    monotonic.move(1)
    with pytest.raises(ServiceUnavailableError):
        keys.find("key-1", "RS256")
    tenant.status = 200
    monotonic.move(2)
    assert keys.find("key-1", "RS256")


def test_day_counts_from_the_last_fetch_that_succeeded(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    keys.find("key-1", "RS256")
    monotonic.move(80000)
    keys.find("key-1", "RS256")
    tenant.status = 500
    monotonic.move(80000)
    assert keys.find("key-1", "RS256")


# Unknown keys


def test_key_that_was_rotated_just_after_a_fetch_is_found_at_once(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    keys.find("key-1", "RS256")
    tenant.keys.append(rsa("key-2"))
    assert keys.find("key-2", "RS256")
    assert len(tenant.requests) == 2


def test_unknown_keys_cause_one_fetch_in_thirty_seconds(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    keys.find("key-1", "RS256")
    for number in range(5):
        with pytest.raises(UnknownKeyError):
            keys.find(f"made-up-{number}", "RS256")
        monotonic.move(5)
    assert len(tenant.requests) == 2
    monotonic.move(4)
    with pytest.raises(UnknownKeyError):
        keys.find("made-up", "RS256")
    assert len(tenant.requests) == 2
    monotonic.move(1)
    with pytest.raises(UnknownKeyError):
        keys.find("made-up", "RS256")
    assert len(tenant.requests) == 3


def test_fetch_of_old_keys_does_not_delay_the_search_for_an_unknown_key(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    keys.find("key-1", "RS256")
    monotonic.move(600)
    keys.find("key-1", "RS256")
    tenant.keys.append(rsa("key-2"))
    assert keys.find("key-2", "RS256")
    assert len(tenant.requests) == 3


def test_first_fetch_is_not_repeated_for_an_unknown_key(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    with pytest.raises(UnknownKeyError):
        keys.find("key-2", "RS256")
    assert len(tenant.requests) == 1


def test_threads_with_unknown_keys_share_one_search(
    keys: TenantKeys,
    tenant: Tenant,
    monotonic: Clock,
    pool: ThreadPoolExecutor,
    waiting: Callable[[int], None],
) -> None:
    keys.find("key-1", "RS256")
    waiting(1)
    tenant.keys.append(rsa("key-2"))
    tenant.answering.clear()
    found = [pool.submit(keys.find, "key-2", "RS256") for _ in range(4)]
    waiting(4)
    assert keys.find("key-1", "RS256"), "known keys do not wait"
    tenant.answering.set()
    assert all(future.result() for future in found)
    assert len(tenant.requests) == 2


def test_key_that_is_rotated_during_a_fetch_is_searched_for_afterwards(
    keys: TenantKeys,
    tenant: Tenant,
    monotonic: Clock,
    pool: ThreadPoolExecutor,
    waiting: Callable[[int], None],
) -> None:
    tenant.answering.clear()
    first = pool.submit(keys.find, "key-1", "RS256")
    assert tenant.asked.wait(EXTENDED_SECONDS)
    tenant.keys.append(rsa("key-2"))
    second = pool.submit(keys.find, "key-2", "RS256")
    waiting(2)
    tenant.answering.set()
    assert first.result()
    assert second.result()
    assert len(tenant.requests) == 2


def test_thread_that_waits_for_a_fetch_shares_its_failure(
    keys: TenantKeys,
    tenant: Tenant,
    monotonic: Clock,
    pool: ThreadPoolExecutor,
    waiting: Callable[[int], None],
) -> None:
    keys.find("key-1", "RS256")
    waiting(1)
    tenant.status = 500
    tenant.answering.clear()
    monotonic.move(600)
    renewing = pool.submit(keys.find, "key-1", "RS256")
    waiting(1)
    unknown = pool.submit(keys.find, "key-2", "RS256")
    waiting(1)
    tenant.answering.set()
    assert renewing.result()
    assert isinstance(unknown.exception(), UnknownKeyError)
    assert len(tenant.requests) == 2


def test_failed_search_rejects_only_the_unknown_key(
    keys: TenantKeys, tenant: Tenant, monotonic: Clock
) -> None:
    keys.find("key-1", "RS256")
    tenant.status = 500
    with pytest.raises(UnknownKeyError):
        keys.find("key-2", "RS256")
    assert keys.find("key-1", "RS256")

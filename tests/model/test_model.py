"""Hypothesis plays the API against the model, on each store and without one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from flask_core_auth.sessions import SessionStore, open_store

from ..stores import close_store
from .machine import Machine

STORES = ("sqlite", "postgres", "redis", None)
#: Runs on each store.
RUNS = 50


def play(
    store: SessionStore | None,
    url: str | None,
    *,
    runs: int,
    derandomize: bool = True,
    shrink: bool = True,
) -> None:
    """Play random requests against the model.

    :param runs: the number of runs, each with up to 30 requests.
    :param derandomize: whether each call plays the same requests.
    :param shrink: whether to look for the shortest way to a failure.
    :raises AssertionError: if the API does otherwise than the model.
    """
    mismatches: list[str] = []
    made = type("Machine", (Machine,), {"url": url, "store": store, "mismatches": mismatches})
    chosen = settings(
        max_examples=runs,
        stateful_step_count=30,
        deadline=None,
        derandomize=derandomize,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(made, settings=chosen)
    except Exception as error:
        # What happens at once may not happen again: hypothesis then says only that it is flaky.
        if not mismatches:
            raise
        raise AssertionError(mismatches[-1]) from error


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str | None:
    return None if request.param is None else request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def store(url: str | None) -> Iterator[SessionStore | None]:
    if url is None:
        yield None
        return
    opened = open_store(url, directory="/")
    yield opened
    close_store(opened)


def test_api_behaves_like_the_model(store: SessionStore | None, url: str | None) -> None:
    play(store, url, runs=RUNS)

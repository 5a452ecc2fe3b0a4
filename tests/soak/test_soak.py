"""The soak runs, with its smallest numbers. It finds what it looks for."""

from __future__ import annotations

import re
import time

import pytest

from ..forge import claims, forge
from . import __main__ as soak
from .clients import Client


@pytest.mark.parametrize("store", ["redis", "postgresql"])
def test_short_soak_finds_nothing_wrong(
    store: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # The fixture skips the test if the server is not installed.
    request.getfixturevalue({"redis": "redis_server", "postgresql": "postgres_server"}[store])
    monkeypatch.setattr(soak, "HANG_SECONDS", 0.5)
    assert soak.soak(5, store=store) == []
    printed = capsys.readouterr().out
    for name, status in (("login", 200), ("refresh", 200), ("protected", 200), ("wrong password", 403)):
        assert re.search(rf"^  {name} +{status} ", printed, re.MULTILINE), printed
    assert "threads: [" in printed


def test_session_that_the_store_lacks_is_found(sqlite_url: str) -> None:
    client = Client(None, None)  # type: ignore[arg-type]
    client.live["a" * 22] = {"access_token": forge(claims())}
    (wrong,) = soak.compare_with_store(sqlite_url, [client])
    assert wrong.endswith("0 sessions in the store, 1 in the model")


def test_response_with_another_status_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([(503, None), (0, None), (500, None), (404, None), (503, None), (404, None)])
    client = Client(None, None)  # type: ignore[arg-type]
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    client.insist("who", 200, lambda: next(answers))
    client.insist("end one", 204, lambda: next(answers))
    assert [line.split(",")[0] for line in client.wrong] == [
        "who: 500 instead of 200",
        "end one: 404 instead of 204",
    ]
    client.insist("end one", 204, lambda: next(answers))
    assert len(client.wrong) == 2

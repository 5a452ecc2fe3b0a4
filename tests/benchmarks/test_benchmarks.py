"""Each benchmark runs. Its figures are not compared: a test must not depend on the machine's speed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from .__main__ import BENCHMARKS
from .bench_client import bench_client
from .bench_protected import bench_auth0, bench_protected
from .bench_sessions import KINDS, bench_sessions
from .bench_storm import bench_storm

Capture = pytest.CaptureFixture[str]


def test_client_benchmark_compares_with_httpx2(capsys: Capture) -> None:
    bench_client(rounds=1, calls=1)
    assert re.match(r"request through CoreClient: \d+\.\d+ x httpx2", capsys.readouterr().out)


def test_protected_route_benchmark_compares_with_jwt_required(capsys: Capture) -> None:
    bench_protected(rounds=1, calls=1)
    printed = capsys.readouterr().out
    for case in ("open route", "jwt_required()", "auth_required, remembered token"):
        assert re.search(rf"^{re.escape(case)} .*x open route", printed, re.MULTILINE)
    assert printed.count("of jwt_required() (bar 1/") == 2


def test_auth0_benchmark_compares_with_raw_rsa_verifications(capsys: Capture) -> None:
    bench_auth0(rounds=1, calls=1)
    assert re.match(r"Auth0 validation: \d+\.\d+ raw RSA-2048 verifications", capsys.readouterr().out)


@pytest.mark.parametrize("kind", KINDS)
def test_session_benchmark_compares_small_and_large_stores(
    kind: str, request: pytest.FixtureRequest, capsys: Capture
) -> None:
    if kind != "SQLite":  # the fixture skips the test if the server is not installed
        request.getfixturevalue({"PostgreSQL": "postgres_server", "Redis": "redis_server"}[kind])
    bench_sessions([kind], rounds=1, calls=1, few=4, many=8)
    printed = capsys.readouterr().out
    assert re.search(rf"^refresh, {kind} .* x stateless", printed, re.MULTILINE)
    assert re.search(rf"^{kind}: login at 100 sessions .* x at 1 \(bar 1\.2", printed, re.MULTILINE)
    for call in ("refresh", "is_live", "open_and_end", "list_by_owner"):
        assert re.search(rf"^{kind}: {call} +at 8 .* x at 4 \(bar 1\.3", printed, re.MULTILINE)
    assert ('"always" with Redis, per request' in printed) == (kind == "Redis")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_storm_benchmark_lets_right_logins_succeed(capsys: Capture) -> None:
    bench_storm(clients=2, requests=10, logins=1)
    printed = capsys.readouterr().out
    assert printed.count("of a protected request") == 2
    assert "1 of 1 right logins from another address succeed" in printed


def test_make_bench_runs_every_benchmark() -> None:
    found = {
        function
        for path in Path(__file__).parent.glob("bench_*.py")
        for name, function in vars(importlib.import_module(f"{__package__}.{path.stem}")).items()
        if name.startswith("bench_")
    }
    assert set(BENCHMARKS) == found
